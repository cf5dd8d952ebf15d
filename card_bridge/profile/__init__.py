"""Where things are on the card, and in which form: one application, as data."""
