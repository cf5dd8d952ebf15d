"""Views: what is so now, derived from the log and rebuilt from it at any time."""
