"""The machine that turns an e-ticket on a card into a printed one, once."""
