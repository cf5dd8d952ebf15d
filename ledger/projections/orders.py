"""Orders, for who reserved and for whose offering it is: one row an order.

A row says what was recorded; that a reservation is over its time is seen when it is
read, for nothing need have recorded it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from psycopg.rows import DictRow

from ledger.aggregates.base import is_over
from ledger.aggregates.order import Order, OrderState
from ledger.projections.base import Projection, View

ORDERS_MAX = 50

Entered: TypeAlias = (
    Order.PaymentBegun
    | Order.PaymentFailed
    | Order.Released
    | Order.Expired
    | Order.PaidLate
    | Order.Refunded
)

_AFTER: dict[type[Order.Event], OrderState] = {
    Order.PaymentBegun: OrderState.PAYMENT_IN_FLIGHT,
    Order.PaymentFailed: OrderState.HELD,
    Order.Released: OrderState.RELEASED,
    Order.Expired: OrderState.EXPIRED,
    Order.PaidLate: OrderState.PAID_LATE,
    Order.Refunded: OrderState.REFUNDED,
}


@dataclass(frozen=True, slots=True)
class OrderListed:
    """One order; `position` is that of its reservation and orders them."""

    order_id: UUID
    position: int
    offering_id: UUID
    buyer_id: UUID
    places: int
    price_minor: int
    currency: str
    state: str
    held_until: datetime
    tickets: int
    refunded_minor: int
    reserved_at: datetime


class OrdersView(View):
    """The table `orders`: a row for each order."""

    name = "orders"
    tables = ("orders",)

    def of_buyer(
        self,
        buyer_id: UUID,
        *,
        at: datetime,
        before: int | None = None,
        limit: int = ORDERS_MAX,
    ) -> Sequence[OrderListed]:
        """Return a buyer's orders as they are at this moment, the newest first."""
        return self._of("buyer_id", buyer_id, at, before, limit)

    def of_offering(
        self,
        offering_id: UUID,
        *,
        at: datetime,
        before: int | None = None,
        limit: int = ORDERS_MAX,
    ) -> Sequence[OrderListed]:
        """Return all orders of an offering, the newest first."""
        return self._of("offering_id", offering_id, at, before, limit)

    def update(
        self,
        tracking: Tracking,
        event: Order.Event,
        changes: LiteralString,
        values: Sequence[object],
    ) -> None:
        """Change an order's row."""
        text: LiteralString = "UPDATE orders SET " + changes + " WHERE order_id = %s"  # noqa: S608, literals
        self.change(tracking, (text, (*values, event.originator_id)))

    def _of(
        self,
        whose: LiteralString,
        its_id: UUID,
        at: datetime,
        before: int | None,
        limit: int,
    ) -> Sequence[OrderListed]:
        rows = self.rows(
            "SELECT * FROM orders WHERE " + whose + " = %s"  # noqa: S608, literals
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (its_id, before, before, limit),
        )
        return [_listed(row, at) for row in rows]


def _listed(row: DictRow, at: datetime) -> OrderListed:
    if row["state"] == OrderState.HELD and is_over(row["held_until"], at):
        row["state"] = str(OrderState.EXPIRED)
    return OrderListed(**row)


class Orders(Projection[OrdersView]):
    """Follows an order from state to state."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Order.Reserved, tracking: Tracking) -> None:
        lines = domain_event.lines
        self.view.change(
            tracking,
            (
                "INSERT INTO orders (order_id, position, offering_id, buyer_id, places,"
                " price_minor, currency, state, held_until, tickets, refunded_minor,"
                " reserved_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.offering_id,
                    domain_event.buyer_id,
                    len(lines),
                    sum(line["price_minor"] + line["fees_minor"] for line in lines),
                    domain_event.currency,
                    str(OrderState.HELD),
                    domain_event.until,
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Entered, tracking: Tracking) -> None:
        state = (str(_AFTER[type(domain_event)]),)
        self.view.update(tracking, domain_event, "state = %s", state)

    @process_event.register
    def _(self, domain_event: Order.Confirmed, tracking: Tracking) -> None:
        values = (str(OrderState.CONFIRMED), len(domain_event.ticket_ids))
        self.view.update(tracking, domain_event, "state = %s, tickets = %s", values)

    @process_event.register
    def _(self, domain_event: Order.RefundNoted, tracking: Tracking) -> None:
        back = (domain_event.amount_minor,)
        changes: LiteralString = "refunded_minor = refunded_minor + %s"
        self.view.update(tracking, domain_event, changes, back)

    @process_event.register
    def _(self, domain_event: Order.CaptureFailed, tracking: Tracking) -> None:
        """The card never paid: without a ticket left, the order is undone."""
        changes: LiteralString = (
            "refunded_minor = 0, state = CASE WHEN tickets <= %s THEN %s ELSE state END"
        )
        values = (len(domain_event.taken_back), str(OrderState.REFUNDED))
        self.view.update(tracking, domain_event, changes, values)
