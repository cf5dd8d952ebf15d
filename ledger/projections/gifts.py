"""Which gifts a party has offered, or is offered: to be looked up, one by one, by id.

What became of a gift depends on the time and on its tickets, so it is not kept here:
`gift_offers` tells that. Somebody without an account appears when he has accepted, and
so does the recipient of what was handed over directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.gift import Gift
from ledger.projections.base import Projection, Statement, View

GIFTS_MAX = 50


@dataclass(frozen=True, slots=True)
class GiftLine:
    """One gift of a party; `position` is where it became known to concern it."""

    position: int
    offer_id: UUID
    sent: bool


class GiftsView(View):
    """The table `gifts`: a row for each of the two whom a gift concerns."""

    name = "gifts"
    tables = ("gifts",)

    def of_party(
        self,
        party_id: UUID,
        *,
        sent: bool | None = None,
        before: int | None = None,
        limit: int = GIFTS_MAX,
    ) -> Sequence[GiftLine]:
        """Return a party's newest gifts, newest first; those it sent, or was offered.

        `before` is the position of the last one that was shown.
        """
        rows = self.rows(
            "SELECT position, offer_id, sent FROM gifts WHERE party_id = %s"
            " AND (%s::boolean IS NULL OR sent = %s)"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (party_id, *(sent, sent), *(before, before), limit),
        )
        return [GiftLine(**row) for row in rows]


class Gifts(Projection[GiftsView]):
    """Notes whom a gift concerns, as soon as that is known."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Gift.Offered, tracking: Tracking) -> None:
        concerned = [domain_event.sender_id]
        if domain_event.via == "centre" and domain_event.to_party_id is not None:
            concerned.append(domain_event.to_party_id)
        noted = [_concerns(domain_event, party_id, tracking) for party_id in concerned]
        self.view.change(tracking, *noted)

    @process_event.register
    def _(self, domain_event: Gift.Accepted, tracking: Tracking) -> None:
        noted = _concerns(domain_event, domain_event.by_party_id, tracking)
        self.view.change(tracking, noted)


def _concerns(
    event: Gift.Offered | Gift.Accepted, party_id: UUID, tracking: Tracking
) -> Statement:
    return (
        "INSERT INTO gifts (party_id, position, offer_id, sent)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (party_id, offer_id) DO NOTHING",
        (
            party_id,
            tracking.notification_id,
            event.originator_id,
            party_id == event.sender_id,
        ),
    )
