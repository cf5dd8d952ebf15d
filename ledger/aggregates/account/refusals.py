"""What an amount may be, and why a purse does not pay."""

from __future__ import annotations

from ledger.errors import Conflict, Malformed

AMOUNT_MAX_MINOR = 10**12
POINTS = "PTS"  # The unit of reward points, where money has a currency.


class InsufficientFunds(Conflict):
    code = "insufficient_funds"
    says = "Available are {available_minor}, the amount is {amount_minor} minor units."


class BadAmount(Malformed):
    code = "malformed"
    says = "An amount is a whole number of minor units between 1 and {amount_max}."


class NoMoney(Malformed):
    code = "malformed"
    says = "Points are earned; nobody pays them in."


class NothingHeld(Conflict):
    code = "expired"
    says = "Nothing is held in the purse for this any more."


def require_amount(amount_minor: int) -> None:
    """Raise `BadAmount` unless this can be paid in."""
    if not 0 < amount_minor <= AMOUNT_MAX_MINOR:
        raise BadAmount(amount_max=AMOUNT_MAX_MINOR)
