"""The log: stored once, never rewritten, and provable to whoever asks."""
