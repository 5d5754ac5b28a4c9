"""Tensors in, events out. No wording, no files but weights, no screen.

Shapes are written with the letters B rows, T tokens, D width of the hidden state, V vocabulary, K axes.
"""
