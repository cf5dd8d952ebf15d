"""What is offered, and what can be bought of it at a moment: one row an offering.

How many places are left is not told here: the stock desk counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from psycopg.types.json import Jsonb

from ledger.aggregates.offering import Offering
from ledger.projections.base import Projection, View

OFFERINGS_MAX = 50


@dataclass(frozen=True, slots=True)
class OfferingLine:
    """One offering; `position` is that of its opening and orders them.

    `categories` are mappings as `ledger.aggregates.offering.Category`, at the prices
    of now.
    """

    offering_id: UUID
    position: int
    issuer_id: UUID
    title: str
    kind: str
    currency: str
    categories: Sequence[dict[str, Any]]
    capacity: int
    sale_from: datetime
    sale_until: datetime
    valid_from: datetime
    valid_until: datetime
    cancelled_at: datetime | None


class OfferingsView(View):
    """The table `offerings`: a row for each offering."""

    name = "offerings"
    tables = ("offerings",)

    def listed(
        self,
        *,
        issuer_id: UUID | None = None,
        on_sale_at: datetime | None = None,
        before: int | None = None,
        limit: int = OFFERINGS_MAX,
    ) -> Sequence[OfferingLine]:
        """Return offerings, the newest first; of one issuer, on sale at a moment."""
        moment = on_sale_at
        rows = self.rows(
            "SELECT * FROM offerings WHERE (%s::uuid IS NULL OR issuer_id = %s)"
            " AND (%s::timestamptz IS NULL"
            " OR (sale_from <= %s AND sale_until > %s AND valid_until > %s"
            " AND (cancelled_at IS NULL OR cancelled_at > %s)))"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (
                *(issuer_id, issuer_id),
                *(moment, moment, moment, moment, moment),
                *(before, before),
                limit,
            ),
        )
        return [OfferingLine(**row) for row in rows]

    def update(
        self,
        tracking: Tracking,
        event: Offering.Event,
        changes: LiteralString,
        values: Sequence[object],
    ) -> None:
        """Change an offering's row."""
        text: LiteralString = (
            "UPDATE offerings SET " + changes + " WHERE offering_id = %s"  # noqa: S608, literals
        )
        self.change(tracking, (text, (*values, event.originator_id)))


class Offerings(Projection[OfferingsView]):
    """Follows what issuers open, extend, reprice and cancel."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Offering.Opened, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO offerings (offering_id, position, issuer_id, title, kind,"
                " currency, categories, capacity, sale_from, sale_until, valid_from,"
                " valid_until)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.issuer_id,
                    domain_event.title,
                    domain_event.kind,
                    domain_event.currency,
                    Jsonb(domain_event.categories),
                    _places_in(domain_event.blocks),
                    domain_event.sale_from,
                    domain_event.sale_until,
                    domain_event.valid_from,
                    domain_event.valid_until,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Offering.Extended, tracking: Tracking) -> None:
        more = (_places_in(domain_event.blocks),)
        self.view.update(tracking, domain_event, "capacity = capacity + %s", more)

    @process_event.register
    def _(self, domain_event: Offering.Repriced, tracking: Tracking) -> None:
        """Only the category that has this name changes; the order stays."""
        changes: LiteralString = (
            "categories = (SELECT jsonb_agg("
            "CASE WHEN each->'name' = %s THEN %s ELSE each END ORDER BY number)"
            " FROM jsonb_array_elements(categories)"
            " WITH ORDINALITY AS listed (each, number))"
        )
        priced = {
            "name": domain_event.category,
            "price_minor": domain_event.price_minor,
            "fees_minor": domain_event.fees_minor,
        }
        values = (Jsonb(domain_event.category), Jsonb(priced))
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: Offering.Cancelled, tracking: Tracking) -> None:
        when = (domain_event.timestamp,)
        self.view.update(tracking, domain_event, "cancelled_at = %s", when)


def _places_in(blocks: Sequence[dict[str, Any]]) -> int:
    return sum(each["count"] for each in blocks)
