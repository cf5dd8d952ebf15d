"""The system of record: what may happen to a ticket, what did, and what is so now."""
