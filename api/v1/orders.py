"""Orders: a place is reserved, then paid or released."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Choice, Flag, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from ledger.aggregates.offering import CATEGORY_MAX
from ledger.aggregates.order import LINES_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData, StockDesk
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
    places = fields.List(
        Text(most=RIGHT_MAX),
        load_default=list,
        validate=validate.Length(max=LINES_MAX),
        metadata=about("Several named ones, instead of one."),
    )
    count = Whole(
        least=1,
        most=LINES_MAX,
        load_default=1,
        metadata=about("How many, if none is named."),
    )
    category = Text(
        most=CATEGORY_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("A price category; needed where there are several."),
    )
    together = Flag(
        load_default=False, metadata=about("Only places that are side by side.")
    )
    partial_ok = Flag(load_default=False, metadata=about("Fewer will do."))


class PlaceOut(Strict):
    place = fields.String()
    category = fields.String(allow_none=True)
    price_minor = fields.Integer()
    fees_minor = fields.Integer()


class OrderOut(Strict):
    order_id = fields.UUID()
    place = fields.String(metadata=about("The first place."))
    places = fields.List(fields.Nested(PlaceOut))
    price_minor = fields.Integer(metadata=about("All places, fees included."))
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
    answers = fields.List(
        Text(most=ANSWER_MAX),
        load_default=list,
        validate=validate.Length(max=LINES_MAX),
        metadata=about("One for each ticket, where there are several."),
    )


class PaymentOut(Strict):
    ticket_id = fields.UUID(metadata=about("The first ticket."))
    ticket_ids = fields.List(fields.UUID())
    entry_id = fields.UUID(allow_none=True, metadata=about("null: it was free."))


def blueprint(
    ledger: Ledger, desk: StockDesk, personal: PersonalData, clock: Clock
) -> Blueprint:
    routes = Routes("orders", "/v1/orders", "Reservations and their payment.")

    @routes.post("", takes=OrderIn, gives=OrderOut)
    def reserve(body: Json) -> Answer:
        """Reserve places for ten minutes."""
        order_id = new_id()
        held = attempt(
            lambda: sales.reserve(
                ledger,
                desk,
                order_id=order_id,
                buyer_id=party(),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        answer = {
            "order_id": order_id,
            "place": held.place,
            "places": held.places,
            "price_minor": held.price.amount_minor,
            "currency": held.price.currency,
            "held_until": held.held_until,
        }
        return answer, recorded(held.position)

    @routes.post("/<uuid:order_id>/payment", takes=PaymentIn, gives=PaymentOut)
    def pay(body: Json, order_id: UUID) -> Answer:
        """Pay a reservation: the buyer owns the tickets from this moment on."""
        entry_id, answer = new_id(), body["answer"]
        answers = body["answers"] or ([] if answer is None else [answer])
        bought = attempt(
            lambda: sales.pay(
                ledger,
                personal,
                order_id=order_id,
                entry_id=entry_id,
                by=party(),
                answers=answers,
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
                ledger,
                desk,
                order_id=order_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    return routes.blueprint
