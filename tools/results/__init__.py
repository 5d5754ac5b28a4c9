"""The two papers' findings, measured again on this model: `make results` writes docs/results.md and its numbers."""
