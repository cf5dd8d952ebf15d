"""Orders: places are held for a while, then paid for or let go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Place:
    """One place of an order. Amounts are in minor units of the order's currency."""

    place: str
    category: str | None
    price_minor: int
    fees_minor: int


@dataclass(frozen=True, slots=True)
class OrderMade:
    """Places that are held until then."""

    order_id: UUID
    places: tuple[Place, ...]
    price_minor: int
    currency: str
    held_until: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it is now. `in_doubt`: its payment's outcome is not known yet."""

    order_id: UUID
    state: str
    in_doubt: bool
    ticket_ids: tuple[UUID, ...]
    offering_id: UUID
    places: tuple[Place, ...]
    price_minor: int
    currency: str
    held_until: datetime
    refunded_minor: int
    version: int
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class OrderListed:
    """One line of the list of orders."""

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


@dataclass(frozen=True, slots=True)
class Payment:
    """What paying came to. `in_doubt`: look again with `check`, do not pay again."""

    order_id: UUID
    state: str
    in_doubt: bool
    ticket_ids: tuple[UUID, ...]


class Orders:
    """`/v1/orders`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def place(
        self,
        offering_id: UUID,
        *,
        places: Sequence[str] = (),
        count: int | None = None,
        category: str | None = None,
        key: str | None = None,
    ) -> OrderMade:
        """Hold places: those that are named, or so many that are free."""
        body: dict[str, Any] = {"offering_id": str(offering_id)}
        if places:
            body["places"] = list(places)
        if count is not None:
            body["count"] = count
        if category is not None:
            body["category"] = category
        reply = self._calls.command("POST", "/v1/orders", body, key=key)
        return read(OrderMade, reply.said)

    def pay(
        self,
        order_id: UUID,
        *,
        tender: str | None = None,
        answers: Sequence[str] = (),
        key: str | None = None,
        if_match: str | None = None,
    ) -> Payment:
        """Pay what is held; `answers` are the words to each place's question."""
        body: dict[str, Any] = {}
        if tender is not None:
            body["tender"] = tender
        if answers:
            body["answers"] = list(answers)
        path = f"/v1/orders/{order_id}/payment"
        reply = self._calls.command("POST", path, body, key=key, if_match=if_match)
        return read(Payment, reply.said)

    def check(self, order_id: UUID) -> Payment:
        """Have the payment service asked what became of a payment in doubt."""
        path = f"/v1/orders/{order_id}/payment/check"
        return read(Payment, self._calls.command("POST", path).said)

    def let_go(self, order_id: UUID, *, if_match: str | None = None) -> None:
        """Give the places back that are held."""
        self._calls.command("DELETE", f"/v1/orders/{order_id}", if_match=if_match)

    def get(self, order_id: UUID) -> Order:
        reply = self._calls.get(f"/v1/orders/{order_id}")
        return read(Order, {**reply.said, "etag": reply.etag})

    def mine(self) -> Iterator[OrderListed]:
        """Yield the caller's own orders, newest first."""
        return self._calls.list_of(OrderListed, "/v1/orders", "orders")
