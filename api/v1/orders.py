"""Orders: a place is reserved, then paid or released."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Choice, Id, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData
from ledger.usecases import sales
from ledger.usecases.accounts import E_MONEY
from ledger.vocabulary.sealed_ticket import RIGHT_MAX

ANSWER_MAX = 100


class OrderIn(Strict):
    offering_id = Id(required=True)
    place = Text(
        most=RIGHT_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("Any free one, unless named."),
    )


class OrderOut(Strict):
    order_id = fields.UUID()
    place = fields.String()
    price_minor = fields.Integer()
    currency = fields.String()
    held_until = Time()


class PaymentIn(Strict):
    tender = Choice(E_MONEY, required=True)
    answer = Text(
        most=ANSWER_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("To the offering's question, if it has one."),
    )


class PaymentOut(Strict):
    ticket_id = fields.UUID()
    entry_id = fields.UUID(allow_none=True, metadata=about("null: it was free."))


def blueprint(ledger: Ledger, personal: PersonalData, clock: Clock) -> Blueprint:
    routes = Routes("orders", "/v1/orders", "Reservations and their payment.")

    @routes.post("", takes=OrderIn, gives=OrderOut)
    def reserve(body: Json) -> Answer:
        """Reserve a place for ten minutes."""
        order_id = new_id()
        held = attempt(
            lambda: sales.reserve(
                ledger,
                order_id=order_id,
                offering_id=body["offering_id"],
                buyer_id=party(),
                place=body["place"],
                at=clock.now(),
                cause=cause(),
            )
        )
        answer = {
            "order_id": order_id,
            "place": held.place,
            "price_minor": held.price.amount_minor,
            "currency": held.price.currency,
            "held_until": held.held_until,
        }
        return answer, recorded(held.position)

    @routes.post("/<uuid:order_id>/payment", takes=PaymentIn, gives=PaymentOut)
    def pay(body: Json, order_id: UUID) -> Answer:
        """Pay a reservation: the buyer owns the ticket from this moment on."""
        ticket_id, entry_id = new_id(), new_id()
        bought = attempt(
            lambda: sales.pay(
                ledger,
                personal,
                order_id=order_id,
                ticket_id=ticket_id,
                entry_id=entry_id,
                by=party(),
                answer=body["answer"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return bought, recorded(bought.position)

    @routes.delete("/<uuid:order_id>")
    def release(order_id: UUID) -> Response:
        """Give a reservation up."""
        position = attempt(
            lambda: sales.release(
                ledger, order_id=order_id, by=party(), at=clock.now(), cause=cause()
            )
        )
        return Response(status=204, headers=recorded(position))

    return routes.blueprint
