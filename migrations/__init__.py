"""Every table of the ledger, as plain SQL: README.md tells the rules."""
