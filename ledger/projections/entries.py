"""What moved on every account, with the balance afterwards: its statement.

An entry that names an account twice in one currency moves their sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.account import Entry
from ledger.projections.base import Projection, Statement, View

LINES_MAX = 50


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One movement: a credit is positive. `position` is the entry's in the log."""

    position: int
    entry_id: UUID
    reason: str
    reference: str
    currency: str
    amount_minor: int
    balance_minor: int
    at: datetime


class EntriesView(View):
    """The table `entries`."""

    name = "entries"
    tables = ("entries",)

    def of_account(
        self, account: str, *, before: int | None = None, limit: int = LINES_MAX
    ) -> Sequence[EntryLine]:
        """Return the movements of an account, the newest first.

        `account` is a purse's id, or the account's name, which ends in its currency.
        """
        rows = self.rows(
            "SELECT position, entry_id, reason, reference, currency, amount_minor,"
            " balance_minor, at FROM entries WHERE account = %s"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (account, before, before, limit),
        )
        return [EntryLine(**row) for row in rows]


class Entries(Projection[EntriesView]):
    """Writes down the postings of entries, account by account."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Entry.Made, tracking: Tracking) -> None:
        moved: Counter[tuple[str, str]] = Counter()
        for posting in domain_event.postings:
            place = posting["account"], posting["currency"]
            moved[place] += posting["amount_minor"]
        lines = [
            _moved(domain_event, tracking, account, currency, amount_minor)
            for (account, currency), amount_minor in moved.items()
        ]
        self.view.change(tracking, *lines)


def _moved(
    event: Entry.Made,
    tracking: Tracking,
    account: str,
    currency: str,
    amount_minor: int,
) -> Statement:
    return (
        "INSERT INTO entries (account, position, currency, entry_id, reason, reference,"
        " amount_minor, balance_minor, at)"
        " SELECT %s, %s, %s, %s, %s, %s, %s, %s + coalesce((SELECT balance_minor"
        " FROM entries WHERE account = %s AND currency = %s"
        " ORDER BY position DESC LIMIT 1), 0), %s",
        (
            account,
            tracking.notification_id,
            currency,
            event.originator_id,
            event.reason,
            event.reference,
            amount_minor,
            amount_minor,
            account,
            currency,
            event.timestamp,
        ),
    )
