"""The doors of the ledger: HTTP, pages and the command line."""
