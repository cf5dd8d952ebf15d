"""The outside world behind `ledger.ports`: one file for each thing outside."""
