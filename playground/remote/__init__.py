"""Engines that are elsewhere: at a URL, or on the machines of a Ray cluster."""
