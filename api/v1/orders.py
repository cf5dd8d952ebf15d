"""Orders: places are reserved, then paid or released."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Choice, Flag, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.tickets import MomentAsked
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.offering import CATEGORY_MAX
from ledger.aggregates.order import LINES_MAX, Order
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PaymentProvider, PersonalData, StockDesk
from ledger.usecases import audit, checkout, sales
from ledger.usecases.accounts import E_MONEY
from ledger.usecases.checkout import Checkout
from ledger.usecases.tenders import KINDS, Tender
from ledger.vocabulary.sealed_ticket import RIGHT_MAX

ANSWER_MAX = 100
TOKEN_MAX = 200


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


class TenderIn(Strict):
    tender = Choice(*KINDS, required=True)
    amount_minor = Whole(least=1, most=AMOUNT_MAX_MINOR, required=True)
    points = Whole(
        most=AMOUNT_MAX_MINOR,
        load_default=0,
        metadata=about("How many are worth the amount, where points pay."),
    )
    instrument = Text(
        most=TOKEN_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("The card's token of the payment provider, never its number."),
    )


class PaymentIn(Strict):
    tender = Choice(
        E_MONEY,
        load_default=None,
        allow_none=True,
        metadata=about("Pays the whole price; or say `tenders`."),
    )
    tenders = fields.List(
        fields.Nested(TenderIn),
        load_default=list,
        validate=validate.Length(max=len(KINDS)),
        metadata=about("Each kind once at most; together they are the price."),
    )
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
    order_id = fields.UUID()
    state = fields.String(
        metadata=about(
            "CONFIRMED: paid. PAYMENT_IN_FLIGHT: the card's provider has not answered"
            " yet, ask again."
        )
    )
    in_doubt = fields.Boolean(
        metadata=about("The provider has not answered for so long that it is in doubt.")
    )
    ticket_id = fields.UUID(
        allow_none=True, metadata=about("The first ticket; null: none yet.")
    )
    ticket_ids = fields.List(fields.UUID())
    entry_id = fields.UUID(
        allow_none=True, metadata=about("null: it was free, or is not paid yet.")
    )


class OrderNowOut(PaymentOut):
    """An order as it stands; where it is HELD, `held_until` ends it."""

    offering_id = fields.UUID()
    places = fields.List(fields.Nested(PlaceOut))
    price_minor = fields.Integer(metadata=about("All places, fees included."))
    currency = fields.String()
    held_until = Time()
    refunded_minor = fields.Integer(metadata=about("What went back of what was paid."))
    version = fields.Integer()


class DecisionIn(Strict):
    give_up = Flag(required=True, metadata=about("Or only ask the provider once more."))


def blueprint(
    ledger: Ledger,
    desk: StockDesk,
    provider: PaymentProvider,
    personal: PersonalData,
    clock: Clock,
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

    @routes.get("/<uuid:order_id>", gives=OrderNowOut, asks=MomentAsked, versioned=True)
    def look_at(asked: Json, order_id: UUID) -> Any:
        """Tell where an order of mine stands, or stood at a moment."""
        when, at = audit.when_of(asked["as_of"]), clock.now()
        done = checkout.look_at(ledger, order_id=order_id, by=party(), at=at)
        order = ledger.order(order_id)
        if when is not None:
            order, its = audit.stream_at(ledger, Order, order_id, when=when)
            done = checkout.told(order, its.at or at, its.position)
        return _out(done) | {
            "offering_id": order.offering_id,
            "places": order.lines,
            "price_minor": order.price.amount_minor,
            "currency": order.currency,
            "held_until": order.until,
            "refunded_minor": order.refunded_minor,
            "version": order.version,
        }

    @routes.post(
        "/<uuid:order_id>/payment",
        takes=PaymentIn,
        gives=PaymentOut,
        matches="order_id",
    )
    def pay(body: Json, order_id: UUID) -> Answer:
        """Pay a reservation: the buyer owns the tickets once it is CONFIRMED."""
        entry_id, at = new_id(), clock.now()
        answer = body["answer"]
        answers = body["answers"] or ([] if answer is None else [answer])
        paying = [Tender(kind=each.pop("tender"), **each) for each in body["tenders"]]
        if not paying:
            price = ledger.order(order_id).price.amount_minor
            paying = [Tender(E_MONEY, price)] if price else []
        paid = attempt(
            lambda: checkout.begin(
                ledger,
                desk,
                provider,
                personal,
                order_id=order_id,
                by=party(),
                paying=paying,
                answers=answers,
                entry_id=entry_id,
                at=at,
                cause=cause(),
            )
        )
        return _out(paid), recorded(paid.position)

    @routes.post("/<uuid:order_id>/payment/check", gives=PaymentOut, status=200)
    def check(order_id: UUID) -> Answer:
        """Ask the provider for the answer that a payment of mine waits for."""
        at = clock.now()
        checkout.look_at(ledger, order_id=order_id, by=party(), at=at)
        done = checkout.advance(
            ledger, desk, provider, order_id=order_id, at=at, cause=cause()
        )
        return _out(done), recorded(done.position)

    @routes.post(
        "/<uuid:order_id>/payment/decision",
        takes=DecisionIn,
        gives=PaymentOut,
        status=200,
    )
    def decide(body: Json, order_id: UUID) -> Answer:
        """Settle a payment in doubt as an operator."""
        done = checkout.decide_payment(
            ledger,
            desk,
            provider,
            order_id=order_id,
            give_up=body["give_up"],
            at=clock.now(),
            cause=cause(),
        )
        return _out(done), recorded(done.position)

    @routes.delete("/<uuid:order_id>", matches="order_id")
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


def _out(done: Checkout) -> dict[str, Any]:
    first = done.ticket_ids[0] if done.ticket_ids else None
    return {**asdict(done), "ticket_id": first}
