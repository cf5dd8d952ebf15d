"""What the system claims, as sentences that can fail."""
