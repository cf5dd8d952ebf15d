"""Views: true to the log, whatever happens to whoever keeps them."""
