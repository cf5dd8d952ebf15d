"""A ticket as its owner sees it: one row a ticket, ready to be shown."""

from ledger.projections.wallet.following import Wallet
from ledger.projections.wallet.view import (
    WalletForm,
    WalletHold,
    WalletLock,
    WalletTicket,
    WalletUses,
    WalletView,
)

__all__ = [
    "Wallet",
    "WalletForm",
    "WalletHold",
    "WalletLock",
    "WalletTicket",
    "WalletUses",
    "WalletView",
]
