"""Offerings: what is sold, and how much of it is left."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Choice, Flag, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.schemas import CURRENCY, QUESTIONS
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.offering import PLACES_MAX, TITLE_MAX, Offering
from ledger.application import Ledger
from ledger.clock import Clock, new_id
from ledger.ports import StockDesk
from ledger.usecases import catalogue, stock_search
from ledger.vocabulary.medium_record import USES_MAX
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import RIGHT_MAX

PURCHASE_LIMIT_MAX = 10_000


class TermsIn(Strict):
    """What the issuer lets an owner do. Percentages are whole numbers."""

    giftable = Flag(load_default=True)
    resellable = Flag(load_default=True)
    resale_cap_percent = Whole(most=1000, load_default=100)
    royalty_percent = Whole(most=100, load_default=0)
    on_medium = Choice(
        "surrender",
        "exposure",
        load_default="surrender",
        metadata=about("Whether a card must be cleared before the title moves."),
    )


class OfferingIn(Strict):
    title = Text(most=TITLE_MAX, required=True, metadata=about("", "Hamlet"))
    kind = Choice("admission", "coupon", required=True)
    currency = fields.String(required=True, validate=CURRENCY)
    price_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)
    places = fields.List(
        Text(most=RIGHT_MAX),
        required=True,
        validate=validate.Length(min=1, max=PLACES_MAX),
        metadata=about("Each sold once.", ["Row 4 seat 12", "Row 4 seat 13"]),
    )
    sale_from = Time(required=True)
    sale_until = Time(required=True)
    valid_from = Time(required=True)
    valid_until = Time(required=True)
    purchase_limit = Whole(least=1, most=PURCHASE_LIMIT_MAX, required=True)
    question = Whole(
        least=1,
        most=255,
        load_default=None,
        allow_none=True,
        metadata=about(QUESTIONS),
    )
    uses_limit = Whole(
        least=1,
        most=USES_MAX,
        load_default=1,
        metadata=about("How often a coupon can be used."),
    )
    terms = fields.Nested(TermsIn, load_default=lambda: TermsIn().load({}))


class OfferingMade(Strict):
    offering_id = fields.UUID()


class CategoryOut(Strict):
    name = fields.String(allow_none=True, metadata=about("null: the only one."))
    price_minor = fields.Integer()
    fees_minor = fields.Integer()


class OfferingOut(Strict):
    offering_id = fields.UUID()
    issuer_id = fields.UUID()
    title = fields.String()
    kind = Choice("admission", "coupon")
    currency = fields.String()
    price_minor = fields.Integer(metadata=about("Of the first category, no fees."))
    categories = fields.List(fields.Nested(CategoryOut))
    sale_from = Time()
    sale_until = Time()
    valid_from = Time()
    valid_until = Time()
    purchase_limit = fields.Integer()
    question = fields.Integer(allow_none=True, metadata=about(QUESTIONS))
    uses_limit = fields.Integer()
    terms = fields.Nested(TermsIn)
    available = fields.Integer(metadata=about("Places free now."))
    held = fields.Integer(metadata=about("Places reserved and not yet paid."))
    sold = fields.Integer()


def blueprint(ledger: Ledger, desk: StockDesk, clock: Clock) -> Blueprint:
    routes = Routes("offerings", "/v1/offerings", "What is sold.")

    @routes.post("", takes=OfferingIn, gives=OfferingMade)
    def open_offering(body: Json) -> Answer:
        """Open an offering with a stock of places."""
        given = dict(body)
        price = Money(given.pop("price_minor"), given.pop("currency"))
        terms = Terms(**given.pop("terms"))
        offering_id = new_id()
        position = catalogue.open_offering(
            ledger,
            offering_id=offering_id,
            issuer_id=party(),
            price=price,
            terms=terms,
            at=clock.now(),
            cause=cause(),
            **given,
        )
        return {"offering_id": offering_id}, recorded(position)

    @routes.get("/<uuid:offering_id>", gives=OfferingOut)
    def look_at(offering_id: UUID) -> Any:
        """Tell an offering and how much of it is left."""
        offering = ledger.offering(offering_id)
        free, held = desk.count(stock_search.layout(offering), at=clock.now())
        return _told(offering, free, held)

    return routes.blueprint


def _told(offering: Offering, free: int, held: int) -> dict[str, Any]:
    return {
        **vars(offering),
        "offering_id": offering.id,
        "price_minor": offering.price.amount_minor,
        "categories": list(offering.categories.values()),
        "terms": offering.terms.as_dict(),
        "available": free,
        "held": held,
        "sold": offering.capacity - free - held,
    }
