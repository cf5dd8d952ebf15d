"""Because that was recorded, what follows? Policies read the log and call use cases."""
