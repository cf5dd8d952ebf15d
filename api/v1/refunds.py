"""Tickets given back for money, sales undone, and rights taken away by their issuer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Id, Strict, Text, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.tickets import readable
from ledger.aggregates.order import OrderUnknown
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import StockDesk
from ledger.usecases import refunds, revoking
from ledger.usecases.refunds import TICKETS_MAX, Refund


class RefundIn(Strict):
    ticket_ids = fields.List(
        Id(),
        required=True,
        validate=validate.Length(min=1, max=TICKETS_MAX),
        metadata=about("All go back, or none; those that stay together go together."),
    )


class AmountOut(Strict):
    ticket_id = fields.UUID()
    amount_minor = fields.Integer()


class RefundOut(Strict):
    """Money goes back to the tenders that paid, the last of them first."""

    amounts = fields.List(fields.Nested(AmountOut))
    total_minor = fields.Integer()
    currency = fields.String()


class QuoteOut(Strict):
    amount_minor = fields.Integer()
    currency = fields.String()


class WhyIn(Strict):
    reason = Text(required=True, metadata=about("", "Sold at the wrong price."))


class RevokedOut(Strict):
    life = fields.String(metadata=about("", "REVOKED"))


def blueprint(ledger: Ledger, desk: StockDesk, clock: Clock) -> Blueprint:
    routes = Routes("refunds", "/v1", "Tickets given back or taken away.")

    @routes.post("/refunds", takes=RefundIn, gives=RefundOut, previewed=True)
    def refund(body: Json) -> Answer:
        """Give tickets back for money, as their purchaser or as their issuer."""
        entry_id = new_id()
        for ticket_id in body["ticket_ids"]:
            readable(ledger, ticket_id)
        done = attempt(
            lambda: refunds.refund(
                ledger,
                desk,
                ticket_ids=body["ticket_ids"],
                by=party(),
                entry_id=entry_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        return _told(done), recorded(done.position)

    @routes.get("/tickets/<uuid:ticket_id>/refund", gives=QuoteOut)
    def quote(ticket_id: UUID) -> Any:
        """Tell what would go back for a ticket now, or what forbids it."""
        readable(ledger, ticket_id)
        return refunds.quote(ledger, ticket_id=ticket_id, by=party(), at=clock.now())

    @routes.post(
        "/orders/<uuid:order_id>/voiding",
        takes=WhyIn,
        gives=RefundOut,
        matches="order_id",
        previewed=True,
    )
    def void(body: Json, order_id: UUID) -> Answer:
        """Undo a sale as its issuer, soon after it: every ticket, all the money."""
        entry_id = new_id()
        _require_sold_by_me(ledger, order_id)
        done = attempt(
            lambda: refunds.void(
                ledger,
                desk,
                order_id=order_id,
                by=party(),
                reason=body["reason"],
                entry_id=entry_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        return _told(done), recorded(done.position)

    @routes.post(
        "/tickets/<uuid:ticket_id>/revocation",
        takes=WhyIn,
        gives=RevokedOut,
        matches="ticket_id",
        previewed=True,
    )
    def revoke(body: Json, ticket_id: UUID) -> Answer:
        """End a right for good as its issuer; nothing is paid back by this."""
        position = attempt(
            lambda: revoking.revoke(
                ledger,
                desk,
                ticket_id=ticket_id,
                by=party(),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"life": "REVOKED"}, recorded(position)

    return routes.blueprint


def _require_sold_by_me(ledger: Ledger, order_id: UUID) -> None:
    """Raise `OrderUnknown` unless the caller is the issuer of what was ordered."""
    order = ledger.order(order_id)
    if ledger.offering(order.offering_id).issuer_id != party():
        raise OrderUnknown


def _told(done: Refund) -> dict[str, Any]:
    return {
        "amounts": [
            {"ticket_id": ticket_id, "amount_minor": amount}
            for ticket_id, amount in done.amounts_minor.items()
        ],
        "total_minor": done.total.amount_minor,
        "currency": done.currency,
    }
