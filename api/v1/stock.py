"""What is left of an offering, place by place, and the line of those who wait."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Choice, Digits, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.tickets import MomentAsked
from ledger.aggregates.offering import CATEGORY_MAX, PLACES_MAX
from ledger.aggregates.order import LINES_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.ports import StockDesk
from ledger.usecases import audit, seats, waiting
from ledger.usecases.waiting import Standing


class CategoryStockOut(Strict):
    category = fields.String(allow_none=True, metadata=about("null: the only one."))
    price_minor = fields.Integer()
    fees_minor = fields.Integer()
    capacity = fields.Integer(metadata=about("free, held and sold together."))
    free = fields.Integer()
    held = fields.Integer(metadata=about("Reserved or promised, and not yet paid."))
    sold = fields.Integer()


class StockOut(Strict):
    """How much is left; a hint, for only a reservation keeps a place."""

    offering_id = fields.UUID()
    currency = fields.String()
    categories = fields.List(fields.Nested(CategoryStockOut))


class SeatsAsked(MomentAsked):
    after = Digits(
        most=PLACES_MAX,
        load_default=0,
        metadata=about("`next` of the page before; 0: from the front."),
    )
    category = Text(
        most=CATEGORY_MAX, load_default=None, metadata=about("Only this one's places.")
    )


class SeatOut(Strict):
    place = fields.String(metadata=about("", "Row 4 seat 12"))
    category = fields.String(allow_none=True)
    state = Choice("free", "held", "sold")


class SeatsOut(Strict):
    """Places in the order in which they stand beside each other."""

    seats = fields.List(fields.Nested(SeatOut))
    next = fields.Integer(
        allow_none=True, metadata=about("For the next page's `after`; null: none.")
    )


class WaitingIn(Strict):
    count = Whole(
        least=1,
        most=LINES_MAX,
        load_default=1,
        metadata=about("How many places at most."),
    )
    category = Text(
        most=CATEGORY_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("null where there is one price."),
    )


class PromiseOut(Strict):
    """Places that an order of mine gets, and nobody else's."""

    promise_id = fields.UUID()
    category = fields.String(allow_none=True)
    places = fields.List(fields.String())
    until = Time()


class StandingOut(Strict):
    before = fields.Integer(
        allow_none=True,
        metadata=about("How many stand before me; null: I am not in line."),
    )
    promises = fields.List(fields.Nested(PromiseOut))


def blueprint(ledger: Ledger, desk: StockDesk, clock: Clock) -> Blueprint:
    routes = Routes(
        "stock", "/v1/offerings/<uuid:offering_id>", "What is left of an offering."
    )

    @routes.get("/stock", gives=StockOut)
    def count(offering_id: UUID) -> Any:
        """Count an offering's places by category."""
        offering = ledger.offering(offering_id)
        counted = seats.count(desk, offering, at=clock.now())
        return {
            "offering_id": offering_id,
            "currency": offering.currency,
            "categories": [
                {
                    "category": name,
                    "price_minor": offering.categories[name].price_minor,
                    "fees_minor": offering.categories[name].fees_minor,
                    "capacity": its.capacity,
                    "free": its.free,
                    "held": its.held,
                    "sold": its.sold,
                }
                for name, its in counted.items()
            ],
        }

    @routes.get("/seats", gives=SeatsOut, asks=SeatsAsked)
    def show_seats(asked: Json, offering_id: UUID) -> Any:
        """Show which places are free now or were at a moment, about 200 a page."""
        return seats.show(
            ledger,
            offering_id=offering_id,
            after=asked["after"],
            category=asked["category"],
            when=audit.when_of(asked["as_of"]),
            at=clock.now(),
        )

    @routes.post("/waiting", takes=WaitingIn, gives=StandingOut)
    def join(body: Json, offering_id: UUID) -> Answer:
        """Stand in line for places that are gone; what is free is promised at once."""
        standing = attempt(
            lambda: waiting.join(
                ledger,
                desk,
                offering_id=offering_id,
                party_id=party(),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        return _told(standing), recorded(ledger.position())

    @routes.get("/waiting", gives=StandingOut)
    def look(offering_id: UUID) -> Any:
        """Tell where I stand in line, and what is promised to me."""
        ledger.offering(offering_id)
        return _told(
            waiting.standing(
                ledger, offering_id=offering_id, party_id=party(), at=clock.now()
            )
        )

    @routes.delete("/waiting")
    def leave(offering_id: UUID) -> Response:
        """Leave the line; what was promised to me goes to the next."""
        position = attempt(
            lambda: waiting.leave(
                ledger,
                desk,
                offering_id=offering_id,
                party_id=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    return routes.blueprint


def _told(standing: Standing) -> dict[str, Any]:
    return {
        "before": standing.before,
        "promises": [
            {
                "promise_id": each.promise_id,
                "category": each.category,
                "places": [place.place for place in each.places],
                "until": each.until,
            }
            for each in standing.promises
        ],
    }
