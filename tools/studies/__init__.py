"""Proofs of the statistics of studies: against other programs, and by simulated studies whose truth is known."""
