"""The statistics of paired comparisons: a multilevel ordinal model of people, and what is told from it."""
