"""Jobs: once, however many processes there are, and none is missed for long."""
