"""Money in the ledger: purses that cannot go below zero, and entries that balance.

A purse is a stream, for a debit must be checked against its balance. Every movement
is one entry whose postings sum to zero, recorded in the same commit as the purses it
touches. Accounts without a floor (an issuer's revenue, the cash a counter took) are
only names in postings: nothing ever waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict, Malformed

AMOUNT_MAX_MINOR = 10**12


class InsufficientFunds(Conflict):
    code = "insufficient_funds"
    says = "The purse holds {balance_minor}, the amount is {amount_minor} minor units."


class BadAmount(Malformed):
    code = "malformed"
    says = "An amount is a whole number of minor units between 1 and {amount_max}."


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of an entry: credit is positive."""

    account: str
    amount_minor: int


class Account(Recorded):
    """A party's purse of one kind in one currency."""

    TOPIC = "account"

    class Event(Recorded.Event):
        """An event about one account."""

    @classmethod
    def open(
        cls,
        *,
        account_id: UUID,
        party_id: UUID,
        kind: str,
        currency: str,
        at: datetime,
    ) -> Self:
        return cls._create(
            cls.Opened,
            id=account_id,
            timestamp=at,
            party_id=party_id,
            kind=kind,
            currency=currency,
        )

    class Opened(Event, FirstEvent):
        TOPIC = "account.opened"
        party_id: UUID
        kind: str
        currency: str

    def __init__(self, *, party_id: UUID, kind: str, currency: str) -> None:
        self.party_id = party_id
        self.kind = kind
        self.currency = currency
        self.balance_minor = 0

    def post(self, *, entry_id: UUID, amount_minor: int, at: datetime) -> None:
        """Credit or debit; the entry with this id holds the other side."""
        if self.balance_minor + amount_minor < 0:
            raise InsufficientFunds(
                balance_minor=self.balance_minor, amount_minor=-amount_minor
            )
        self.trigger_event(
            self.Posted, timestamp=at, entry_id=entry_id, amount_minor=amount_minor
        )

    class Posted(Event):
        TOPIC = "account.posted"
        entry_id: UUID
        amount_minor: int

        def apply(self, aggregate: Account) -> None:
            aggregate.balance_minor += self.amount_minor


class Entry(Recorded):
    """One balanced movement of money: a stream with a single event."""

    TOPIC = "entry"

    class Event(Recorded.Event):
        """An event about one entry."""

    @classmethod
    def record(
        cls,
        *,
        entry_id: UUID,
        reason: str,
        reference: str,
        currency: str,
        postings: Sequence[Posting],
        at: datetime,
    ) -> Self:
        if sum(posting.amount_minor for posting in postings) != 0:
            raise ValueError("the postings of an entry sum to zero")
        return cls._create(
            cls.Made,
            id=entry_id,
            timestamp=at,
            reason=reason,
            reference=reference,
            currency=currency,
            postings=[
                {"account": posting.account, "amount_minor": posting.amount_minor}
                for posting in postings
            ],
        )

    class Made(Event, FirstEvent):
        TOPIC = "entry.made"
        reason: str
        reference: str
        currency: str
        postings: list[dict[str, Any]]

    def __init__(self, *, currency: str, postings: list[dict[str, Any]]) -> None:
        self.currency = currency
        self.postings = [Posting(**posting) for posting in postings]


def require_amount(amount_minor: int) -> None:
    """Raise `BadAmount` unless this can be paid in."""
    if not 0 < amount_minor <= AMOUNT_MAX_MINOR:
        raise BadAmount(amount_max=AMOUNT_MAX_MINOR)
