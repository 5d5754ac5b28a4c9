"""A study's server: the pages of participants and of staff."""
