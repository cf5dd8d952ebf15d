"""Looking after a log: copies of it that can be trusted, and what is wrong with it."""
