"""Policies: what follows from what was recorded, and that somebody is told of it."""
