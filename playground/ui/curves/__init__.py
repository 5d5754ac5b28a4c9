"""The Curves tab: a sweep planned, followed and drawn, and its files to take away."""
