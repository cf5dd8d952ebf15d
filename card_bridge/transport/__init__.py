"""Which reader? The only room that knows PC/SC."""
