"""The Play tab: dials and replies. `view` is what it shows, `present` makes it of events; both know no gradio."""
