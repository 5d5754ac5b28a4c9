"""CLM's identity layer, trained alone by DPO, then in rounds on its own replies."""
