"""The same ledger on a socket as for cards, and folders instead of them."""

from tests.card.bridge.conftest import stage

__all__ = ["stage"]
