"""Sales of listed tickets, for those who bought or sold, and what was paid out of them.

A row says what was recorded; all the rest of a sale stands in the sale itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.sale import Sale, SaleState
from ledger.projections.base import Projection, View

SALES_MAX = 50

Entered: TypeAlias = (
    Sale.FundsHeld
    | Sale.Escrowed
    | Sale.TitleMoved
    | Sale.Closed
    | Sale.Aborted
    | Sale.Reversed
)
GivenBack: TypeAlias = Sale.Refunded | Sale.ClawedBack

_AFTER: dict[type[Sale.Event], SaleState] = {
    Sale.FundsHeld: SaleState.FUNDS_HELD,
    Sale.Escrowed: SaleState.ESCROWED,
    Sale.TitleMoved: SaleState.TITLE_MOVED,
    Sale.Closed: SaleState.CLOSED,
    Sale.Aborted: SaleState.ABORTED,
    Sale.Reversed: SaleState.REVERSED,
    Sale.Refunded: SaleState.REFUNDED,
    Sale.ClawedBack: SaleState.CLAWBACK,
}


@dataclass(frozen=True, slots=True)
class SaleLine:
    """One sale; `position` is that of its beginning and orders them."""

    sale_id: UUID
    position: int
    buyer_id: UUID
    seller_id: UUID
    price_minor: int
    currency: str
    state: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Payout:
    """What a seller was paid of a sale, at a position that orders payouts."""

    sale_id: UUID
    position: int
    amount_minor: int
    currency: str
    paid_out_at: datetime


class SalesView(View):
    """The table `sales`: a row for each sale."""

    name = "sales"
    tables = ("sales",)

    def of_buyer(
        self, buyer_id: UUID, *, before: int | None = None, limit: int = SALES_MAX
    ) -> Sequence[SaleLine]:
        """Return what a party has bought or tried to, the newest first."""
        return self._of("buyer_id", buyer_id, before, limit)

    def of_seller(
        self, seller_id: UUID, *, before: int | None = None, limit: int = SALES_MAX
    ) -> Sequence[SaleLine]:
        """Return the sales of a seller's listings, the newest first."""
        return self._of("seller_id", seller_id, before, limit)

    def payouts(
        self, seller_id: UUID, *, before: int | None = None, limit: int = SALES_MAX
    ) -> Sequence[Payout]:
        """Return what a seller was paid, the newest first."""
        rows = self.rows(
            "SELECT sale_id, payout_position AS position,"
            " payout_minor AS amount_minor, currency, paid_out_at FROM sales"
            " WHERE seller_id = %s AND payout_position IS NOT NULL"
            " AND (%s::bigint IS NULL OR payout_position < %s)"
            " ORDER BY payout_position DESC LIMIT %s",
            (seller_id, before, before, limit),
        )
        return [Payout(**row) for row in rows]

    def update(
        self,
        tracking: Tracking,
        event: Sale.Event,
        changes: LiteralString,
        values: Sequence[object],
    ) -> None:
        """Change a sale's row."""
        text: LiteralString = "UPDATE sales SET " + changes + " WHERE sale_id = %s"  # noqa: S608, literals
        self.change(tracking, (text, (*values, event.originator_id)))

    def _of(
        self, side: LiteralString, party_id: UUID, before: int | None, limit: int
    ) -> Sequence[SaleLine]:
        rows = self.rows(
            "SELECT sale_id, position, buyer_id, seller_id, price_minor, currency,"  # noqa: S608, literals
            " state, begun_at FROM sales WHERE " + side + " = %s"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (party_id, before, before, limit),
        )
        return [SaleLine(**row) for row in rows]


class Sales(Projection[SalesView]):
    """Follows a sale from state to state."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Sale.Initiated, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO sales (sale_id, position, buyer_id, seller_id, currency,"
                " price_minor, state, lines_left, begun_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.buyer_id,
                    domain_event.seller_id,
                    domain_event.currency,
                    sum(line["price_minor"] for line in domain_event.lines),
                    str(SaleState.INITIATED),
                    len(domain_event.lines),
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Entered, tracking: Tracking) -> None:
        state = (str(_AFTER[type(domain_event)]),)
        self.view.update(tracking, domain_event, "state = %s", state)

    @process_event.register
    def _(self, domain_event: Sale.PaidOut, tracking: Tracking) -> None:
        changes: LiteralString = (
            "state = %s, payout_position = %s, payout_minor = %s, paid_out_at = %s"
        )
        values = (
            str(SaleState.PAID_OUT),
            tracking.notification_id,
            domain_event.split_minor["seller"],
            domain_event.timestamp,
        )
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: GivenBack, tracking: Tracking) -> None:
        """The state says it once no line is left."""
        back = len(domain_event.ticket_ids)
        changes: LiteralString = (
            "lines_left = lines_left - %s,"
            " state = CASE WHEN lines_left = %s THEN %s ELSE state END"
        )
        values = (back, back, str(_AFTER[type(domain_event)]))
        self.view.update(tracking, domain_event, changes, values)
