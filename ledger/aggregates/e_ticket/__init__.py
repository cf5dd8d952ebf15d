"""The e-ticket: a right, who owns it, and everything that may happen to it."""

from ledger.aggregates.e_ticket.states import (
    Form,
    FormKind,
    Hold,
    HoldEffect,
    HoldKind,
    Life,
    Lock,
    LockKind,
    Terms,
    Uses,
)
from ledger.aggregates.e_ticket.ticket import ETicket

__all__ = [
    "ETicket",
    "Form",
    "FormKind",
    "Hold",
    "HoldEffect",
    "HoldKind",
    "Life",
    "Lock",
    "LockKind",
    "Terms",
    "Uses",
]
