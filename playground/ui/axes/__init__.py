"""The Axes tab: what an axis is, how one is made, and which are loaded."""
