"""A ticket exchanged for others: offered with what it costs, then confirmed.

begin ─► HELD, ten minutes ─► confirmation ─► CONFIRMED
             └─► given up, or its time is over: all is as before
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Choice, Flag, Id, Strict, Text, Time, Whole, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.orders import ANSWER_MAX, PlaceOut, TenderIn
from api.v1.tickets import readable
from ledger.aggregates.offering import CATEGORY_MAX
from ledger.aggregates.order import LINES_MAX, OrderState
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import exchanges
from ledger.usecases.accounts import E_MONEY
from ledger.usecases.tenders import KINDS, Tender
from ledger.vocabulary.sealed_ticket import RIGHT_MAX


class ExchangeIn(Strict):
    ticket_ids = fields.List(
        Id(),
        required=True,
        validate=validate.Length(min=1, max=LINES_MAX),
        metadata=about("One, or several that stay together."),
    )
    offering_id = Id(required=True, metadata=about("Of the same issuer and currency."))
    count = Whole(
        least=1,
        most=LINES_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("One for each ticket, unless one ticket becomes several."),
    )
    category = Text(most=CATEGORY_MAX, load_default=None, allow_none=True)
    place = Text(
        most=RIGHT_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("Any free one, unless named."),
    )
    together = Flag(load_default=False)


class QuotedOut(Strict):
    exchange_id = fields.UUID()
    places = fields.List(fields.Nested(PlaceOut))
    residual_minor = fields.Integer(metadata=about("What the old tickets are worth."))
    price_minor = fields.Integer(metadata=about("What the new places cost, with fees."))
    due_minor = fields.Integer(metadata=about("To pay; below zero: comes back."))
    currency = fields.String()
    until = Time(metadata=about("So long old and new are kept for it."))


class ExchangeNowOut(Strict):
    exchange_id = fields.UUID()
    offering_id = fields.UUID()
    state = Choice(*words(OrderState))
    ticket_ids = fields.List(fields.UUID())
    places = fields.List(fields.Nested(PlaceOut))
    residual_minor = fields.Integer(
        allow_none=True, metadata=about("null: it is not open any more.")
    )
    price_minor = fields.Integer()
    currency = fields.String()
    until = Time()
    successors = fields.List(fields.UUID(), metadata=about("The new tickets."))
    version = fields.Integer()


class ConfirmationIn(Strict):
    tenders = fields.List(
        fields.Nested(TenderIn),
        load_default=list,
        validate=validate.Length(max=len(KINDS)),
        metadata=about("Together what is due; none: my purse pays it."),
    )
    answers = fields.List(
        Text(most=ANSWER_MAX),
        load_default=list,
        validate=validate.Length(max=LINES_MAX),
        metadata=about("One for each new ticket, if the offering has a question."),
    )


class ExchangedOut(Strict):
    ticket_ids = fields.List(fields.UUID(), metadata=about("The new tickets."))
    residual_minor = fields.Integer()
    paid_minor = fields.Integer(metadata=about("Below zero: this came back."))


def blueprint(
    ledger: Ledger, desk: StockDesk, personal: PersonalData, clock: Clock
) -> Blueprint:
    routes = Routes("exchanges", "/v1/exchanges", "Tickets exchanged for others.")

    @routes.post("", takes=ExchangeIn, gives=QuotedOut, previewed=True)
    def begin(body: Json) -> Answer:
        """Keep new places for my tickets, and tell what the exchange costs."""
        exchange_id = new_id()
        for ticket_id in body["ticket_ids"]:
            readable(ledger, ticket_id)
        quote = attempt(
            lambda: exchanges.offer_exchange(
                ledger,
                desk,
                exchange_id=exchange_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        answer = {
            "exchange_id": exchange_id,
            "places": quote.places,
            "residual_minor": quote.residual_minor,
            "price_minor": quote.price.amount_minor,
            "due_minor": quote.due_minor,
            "currency": quote.price.currency,
            "until": quote.until,
        }
        return answer, recorded(quote.position)

    @routes.get("/<uuid:exchange_id>", gives=ExchangeNowOut, versioned=True)
    def look_at(exchange_id: UUID) -> Any:
        """Tell where an exchange of mine stands."""
        now = exchanges.look_at(
            ledger, exchange_id=exchange_id, by=party(), at=clock.now()
        )
        return {
            "exchange_id": now.exchange_id,
            "offering_id": now.offering_id,
            "state": now.state,
            "ticket_ids": now.ticket_ids,
            "places": now.places,
            "residual_minor": now.residual_minor,
            "price_minor": now.price.amount_minor,
            "currency": now.price.currency,
            "until": now.until,
            "successors": now.successors,
            "version": now.version,
        }

    @routes.post(
        "/<uuid:exchange_id>/confirmation",
        takes=ConfirmationIn,
        gives=ExchangedOut,
        matches="exchange_id",
        previewed=True,
    )
    def confirm(body: Json, exchange_id: UUID) -> Answer:
        """Settle the balance and exchange: all in one, or nothing."""
        at, entry_id = clock.now(), new_id()
        now = exchanges.look_at(ledger, exchange_id=exchange_id, by=party(), at=at)
        ticket_ids = [new_id() for _ in now.places]
        paying = [Tender(kind=each.pop("tender"), **each) for each in body["tenders"]]
        due = now.price.amount_minor - (now.residual_minor or 0)
        if not paying and due > 0:
            paying = [Tender(E_MONEY, due)]
        done = attempt(
            lambda: exchanges.confirm_exchange(
                ledger,
                desk,
                personal,
                exchange_id=exchange_id,
                by=party(),
                ticket_ids=ticket_ids,
                entry_id=entry_id,
                paying=paying,
                answers=body["answers"],
                at=at,
                cause=cause(),
            )
        )
        answer = {
            "ticket_ids": done.successors,
            "residual_minor": done.residual_minor,
            "paid_minor": done.paid_minor,
        }
        return answer, recorded(done.position)

    @routes.delete("/<uuid:exchange_id>", matches="exchange_id")
    def give_up(exchange_id: UUID) -> Response:
        """Give an exchange of mine up: all is as before."""
        exchanges.look_at(ledger, exchange_id=exchange_id, by=party(), at=clock.now())
        position = attempt(
            lambda: exchanges.give_up_exchange(
                ledger,
                desk,
                exchange_id=exchange_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    return routes.blueprint
