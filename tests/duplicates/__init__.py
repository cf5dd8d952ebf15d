"""Commands sent twice, late, out of order and all at once: each key has one effect."""
