"""The dispenser: alone where it can be, else against the real ledger."""
