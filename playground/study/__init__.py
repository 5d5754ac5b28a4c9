"""A study of people's preferences: its plan, frozen replies, database, statistics and report."""
