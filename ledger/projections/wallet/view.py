"""The table behind the wallet: one row a ticket, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import Tracking

from ledger.aggregates.e_ticket import ETicket
from ledger.projections.base import Statement, View

_FIRST = (datetime.min.replace(tzinfo=UTC), UUID(int=0))


@dataclass(frozen=True, slots=True)
class WalletLock:
    """What holds the ticket; a time that is over counts as no lock."""

    kind: str
    ref: UUID
    until: datetime | None


@dataclass(frozen=True, slots=True)
class WalletHold:
    """What a case forbids with the ticket until it is settled."""

    case_id: UUID
    kind: str
    effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WalletForm:
    kind: str
    medium_uid: str | None
    slot: int | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class WalletUses:
    """In counts, or in minor units of the ticket's currency where `unit` is money."""

    limit: int
    redeemed: int
    unit: str = "count"
    reversed: int = 0


@dataclass(frozen=True, slots=True)
class WalletTicket:
    """The public shape of a ticket; `title` is its offering's."""

    ticket_id: UUID
    offering_id: UUID
    title: str
    kind: str
    right: str
    category: str | None
    owner_id: UUID
    issuer_id: UUID
    epoch: int
    life: str
    lock: WalletLock | None
    holds: tuple[WalletHold, ...]
    form: WalletForm
    uses: WalletUses
    currency: str
    points_spent: int
    points_earned: int
    not_before: datetime
    not_after: datetime
    question: int | None
    version: int


_SELECT: LiteralString = (
    "SELECT w.*, (SELECT json_object_agg(case_id || '/' || kind, effects) FROM"
    " (SELECT case_id, kind, array_agg(effect ORDER BY effect) AS effects"
    " FROM wallet_holds h WHERE h.ticket_id = w.ticket_id GROUP BY case_id, kind) its"
    ") AS holds FROM wallet w"
)


class WalletView(View):
    """The tables `wallet` and `wallet_holds`."""

    name = "wallet"
    tables = ("wallet", "wallet_holds")

    def of_owner(self, owner_id: UUID) -> Sequence[WalletTicket]:
        """Return what a party owns, used or not, the newest validity last."""
        rows = self.rows(
            _SELECT
            + " WHERE owner_id = %s ORDER BY not_before, title, says, ticket_id",
            (owner_id,),
        )
        return [_ticket(row) for row in rows]

    def tickets(self, ticket_ids: Sequence[UUID]) -> Mapping[UUID, WalletTicket]:
        """Return those of the tickets that are known, by their ids."""
        rows = self.rows(_SELECT + " WHERE ticket_id = ANY(%s)", (list(ticket_ids),))
        return {row["ticket_id"]: _ticket(row) for row in rows}

    def over(
        self, *, at: datetime, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[tuple[datetime, UUID]]:
        """Return unused tickets whose validity is over, and that no case holds.

        With the end of their validity, the oldest first, from behind `after`.
        """
        rows = self.rows(
            "SELECT not_after, ticket_id FROM wallet w WHERE life = 'OWNED'"
            " AND not_after <= %s AND (not_after, ticket_id) > (%s, %s)"
            " AND NOT EXISTS (SELECT FROM wallet_holds h"
            " WHERE h.ticket_id = w.ticket_id)"
            " ORDER BY not_after, ticket_id LIMIT %s",
            (at, *(after or _FIRST), limit),
        )
        return [(row["not_after"], row["ticket_id"]) for row in rows]

    def update(
        self,
        tracking: Tracking,
        event: ETicket.Event,
        changes: LiteralString,
        values: Sequence[object] = (),
        *more: Statement,
    ) -> None:
        """Change a ticket's row; every event of the ticket counts in its version."""
        comma: LiteralString = ", " if changes else ""
        text: LiteralString = (
            "UPDATE wallet SET " + changes + comma + "version = %s"  # noqa: S608, literals
            " WHERE ticket_id = %s AND version = %s"
        )
        version, ticket_id = event.originator_version, event.originator_id
        row = (text, (*values, version, ticket_id, version - 1))
        self.change(tracking, row, *more)


def _ticket(row: Mapping[str, Any]) -> WalletTicket:
    lock = None
    if row["lock_kind"] is not None:
        lock = WalletLock(row["lock_kind"], row["lock_ref"], row["lock_until"])
    return WalletTicket(
        ticket_id=row["ticket_id"],
        offering_id=row["offering_id"],
        title=row["title"],
        kind=row["kind"],
        right=row["says"],
        category=row["category"],
        owner_id=row["owner_id"],
        issuer_id=row["issuer_id"],
        epoch=row["epoch"],
        life=row["life"],
        lock=lock,
        holds=_holds(row["holds"] or {}),
        form=WalletForm(
            row["form_kind"].lower(), row["medium_uid"], row["slot"], row["serial"]
        ),
        uses=WalletUses(
            row["uses_limit"], row["redeemed"], row["uses_unit"], row["reversed"]
        ),
        currency=row["currency"],
        points_spent=row["points_spent"],
        points_earned=row["points_earned"],
        not_before=row["not_before"],
        not_after=row["not_after"],
        question=row["question"],
        version=row["version"],
    )


def _holds(effects_by_hold: Mapping[str, Sequence[str]]) -> tuple[WalletHold, ...]:
    return tuple(
        WalletHold(UUID(case_id), kind, tuple(effects))
        for hold, effects in sorted(effects_by_hold.items())
        for case_id, _, kind in [hold.partition("/")]
    )
