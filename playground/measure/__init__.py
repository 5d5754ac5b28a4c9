"""Replies as numbers, numbers as points, points as sentences, figures and files."""
