"""`ledgerctl`: the same use cases from a terminal, and the programs that serve."""

from api.cli.main import main

__all__ = ["main"]
