"""The log: how events are stored, ordered, sealed, exported and proven."""
