"""Purses and entries: the ledger's money and points."""

from ledger.aggregates.account.account import Account, FundsHold
from ledger.aggregates.account.entry import Entry, Posting
from ledger.aggregates.account.lots import Lot
from ledger.aggregates.account.refusals import (
    AMOUNT_MAX_MINOR,
    POINTS,
    BadAmount,
    InsufficientFunds,
    NoMoney,
    NothingHeld,
    require_amount,
)

__all__ = [
    "AMOUNT_MAX_MINOR",
    "POINTS",
    "Account",
    "BadAmount",
    "Entry",
    "FundsHold",
    "InsufficientFunds",
    "Lot",
    "NoMoney",
    "NothingHeld",
    "Posting",
    "require_amount",
]
