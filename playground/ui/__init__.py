"""The page in gradio: its tabs, each a room of its own, and the parts that several of them use."""
