"""Offerings: what is sold, by which rules, and how much of it is left."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import ValidationError, fields, validate, validates_schema

from api.auth import cause, party
from api.openapi.fields import Choice, Flag, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.schemas import CURRENCY, QUESTIONS
from api.v1.tickets import MomentAsked
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.e_ticket.states import MEDIUM_KINDS, MODIFIABLE
from ledger.aggregates.offering import (
    CATEGORY_MAX,
    PLACES_MAX,
    TITLE_MAX,
    Block,
    Category,
    Offering,
)
from ledger.aggregates.offering.checks import CATEGORIES_MAX, POINTS_PER_100_MAX
from ledger.application import Ledger
from ledger.clock import Clock, new_id
from ledger.ports import StockDesk
from ledger.projections.offerings import OfferingsView
from ledger.usecases import audit, catalogue, stock_search
from ledger.vocabulary.medium_record import USES_MAX
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import RIGHT_MAX

PURCHASE_LIMIT_MAX = 10_000
CUT_OFF_MAX_S = 10 * 365 * 24 * 3600

_CUT_OFF = "Until so many seconds before it becomes valid; null: no cut-off."


def _cut_off() -> Whole:
    return Whole(
        most=CUT_OFF_MAX_S,
        load_default=None,
        allow_none=True,
        metadata=about(_CUT_OFF, 3600),
    )


class TermsIn(Strict):
    """What the issuer lets an owner do. Percentages are whole numbers."""

    giftable = Flag(load_default=True)
    gift_until_s = _cut_off()
    resellable = Flag(load_default=True)
    resale_until_s = _cut_off()
    resale_cap_percent = Whole(most=1000, load_default=100)
    royalty_percent = Whole(most=100, load_default=0)
    platform_percent = Whole(most=100, load_default=0)
    tax_percent = Whole(
        most=100,
        load_default=0,
        metadata=about("With royalty and platform 100 at most."),
    )
    payout = Choice(
        "at_sale",
        "after_start",
        load_default="at_sale",
        metadata=about("When a seller is paid."),
    )
    refundable = Flag(load_default=False)
    refund_percent = Whole(
        most=100,
        load_default=100,
        metadata=about("Of what was paid; also what it is worth in an exchange."),
    )
    refund_until_s = _cut_off()
    exchangeable = Flag(load_default=False)
    together = Flag(
        load_default=False,
        metadata=about("Tickets bought together move and go back together."),
    )
    modifiable = fields.List(
        Choice(*MODIFIABLE),
        load_default=list,
        validate=validate.Length(max=len(MODIFIABLE)),
        metadata=about("What an owner may change without being asked.", ["right"]),
    )
    sender_use = Choice(
        "wins",
        "blocked",
        load_default="wins",
        metadata=about("Whether the sender may use what he has offered as a gift."),
    )
    on_medium = Choice(
        "surrender",
        "exposure",
        load_default="surrender",
        metadata=about("Whether a card must be cleared before the title moves."),
    )
    media = fields.List(
        Choice(*MEDIUM_KINDS),
        load_default=lambda: list(MEDIUM_KINDS),
        validate=validate.Length(max=len(MEDIUM_KINDS)),
        metadata=about("What it may be recorded on.", list(MEDIUM_KINDS)),
    )

    @validates_schema(skip_on_field_errors=True)
    def _make_sense(self, data: Json, **_: Any) -> None:
        try:
            Terms(**data)
        except ValueError as error:
            raise ValidationError(f"{str(error).capitalize()}.") from None


class CategoryIn(Strict):
    name = Text(most=CATEGORY_MAX, required=True, metadata=about("", "Stalls"))
    price_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)
    fees_minor = Whole(most=AMOUNT_MAX_MINOR, load_default=0)


class PlacesBlockIn(Strict):
    """Places side by side: named ones, or so many that are numbered on."""

    category = Text(
        most=CATEGORY_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("null where there is one price.", "Stalls"),
    )
    names = fields.List(
        Text(most=RIGHT_MAX),
        load_default=list,
        validate=validate.Length(max=PLACES_MAX),
        metadata=about("", ["Row 4 seat 12", "Row 4 seat 13"]),
    )
    count = Whole(most=PLACES_MAX, load_default=0)


def blocks_of(given: list[Json]) -> list[Block]:
    return [
        Block(each["category"], tuple(each["names"]), each["count"]) for each in given
    ]


class OfferingIn(Strict):
    """Either `price_minor` and `places`, or `categories` and `blocks`."""

    title = Text(most=TITLE_MAX, required=True, metadata=about("", "Hamlet"))
    kind = Choice("admission", "coupon", required=True)
    currency = fields.String(
        required=True, validate=CURRENCY, metadata=about("ISO 4217.", "EUR")
    )
    price_minor = Whole(most=AMOUNT_MAX_MINOR, load_default=None, allow_none=True)
    places = fields.List(
        Text(most=RIGHT_MAX),
        load_default=list,
        validate=validate.Length(max=PLACES_MAX),
        metadata=about("Each sold once.", ["Row 4 seat 12", "Row 4 seat 13"]),
    )
    categories = fields.List(
        fields.Nested(CategoryIn),
        load_default=list,
        validate=validate.Length(max=CATEGORIES_MAX),
        metadata=about("Instead of one price."),
    )
    blocks = fields.List(
        fields.Nested(PlacesBlockIn),
        load_default=list,
        validate=validate.Length(max=PLACES_MAX),
        metadata=about("The places of the categories."),
    )
    presale_from = Time(
        load_default=None,
        allow_none=True,
        metadata=about("From when those on the waiting list may buy."),
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
        metadata=about("How often a coupon can be used, or for how much."),
    )
    uses_unit = Choice(
        "count",
        "money",
        load_default="count",
        metadata=about("Whether a coupon's limit counts uses or minor units."),
    )
    earn_points_per_100 = Whole(
        most=POINTS_PER_100_MAX,
        load_default=0,
        metadata=about("Points for 100 minor units."),
    )
    point_value_minor = Whole(least=1, most=AMOUNT_MAX_MINOR, load_default=1)
    max_points_percent = Whole(
        most=100, load_default=100, metadata=about("So much of a price points may pay.")
    )
    terms = fields.Nested(TermsIn, load_default=lambda: TermsIn().load({}))

    @validates_schema(skip_on_field_errors=True)
    def _priced_once(self, data: Json, **_: Any) -> None:
        one = data["price_minor"] is not None and data["places"]
        several = data["categories"] and data["blocks"]
        mixed = (data["price_minor"] is not None or data["places"]) and (
            data["categories"] or data["blocks"]
        )
        if mixed or not (one or several):
            raise ValidationError(
                "Give price_minor with places, or categories with blocks.",
                "blocks" if data["categories"] else "places",
            )


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
    presale_from = Time(allow_none=True)
    sale_from = Time()
    sale_until = Time()
    valid_from = Time()
    valid_until = Time()
    purchase_limit = fields.Integer()
    question = fields.Integer(allow_none=True, metadata=about(QUESTIONS))
    uses_limit = fields.Integer()
    uses_unit = Choice("count", "money")
    earn_points_per_100 = fields.Integer()
    point_value_minor = fields.Integer()
    max_points_percent = fields.Integer()
    terms = fields.Nested(TermsIn)
    available = fields.Integer(
        metadata=about("Places free now; these three are left out as of a moment.")
    )
    held = fields.Integer(metadata=about("Places reserved and not yet paid."))
    sold = fields.Integer()
    cancelled_because = fields.String(
        allow_none=True, metadata=about("null: it is not cancelled.")
    )
    version = fields.Integer()


class OfferingsAsked(PageAsked):
    issuer_id = Id(load_default=None, metadata=about("Only this issuer's."))
    on_sale_at = Time(
        load_default=None,
        metadata=about(
            "Only what is on sale to everybody then.", "2026-11-22T12:00:00Z"
        ),
    )


class OfferingListedOut(Strict):
    offering_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was opened."))
    issuer_id = fields.UUID()
    title = fields.String()
    kind = Choice("admission", "coupon")
    currency = fields.String()
    categories = fields.List(fields.Nested(CategoryOut))
    capacity = fields.Integer(metadata=about("All its places, sold or not."))
    sale_from = Time()
    sale_until = Time()
    valid_from = Time()
    valid_until = Time()
    cancelled_at = Time(allow_none=True)


class OfferingsOut(Paged):
    offerings = fields.List(fields.Nested(OfferingListedOut))


def blueprint(
    ledger: Ledger,
    desk: StockDesk,
    view: OfferingsView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("offerings", "/v1/offerings", "What is sold.", waiting=waiting)

    @routes.get("", gives=OfferingsOut, asks=OfferingsAsked, view="offerings")
    def list_offerings(asked: Json) -> Any:
        """List offerings, the newest first, at the prices of now."""
        return page(
            asked,
            "offerings",
            view.listed,
            issuer_id=asked["issuer_id"],
            on_sale_at=asked["on_sale_at"],
        )

    @routes.post("", takes=OfferingIn, gives=OfferingMade)
    def open_offering(body: Json) -> Answer:
        """Open an offering with a stock of places."""
        given = dict(body)
        price_minor, currency = given.pop("price_minor"), given.pop("currency")
        one = price_minor is not None
        categories = [Category(**each) for each in given.pop("categories")]
        offering_id = new_id()
        position = catalogue.open_offering(
            ledger,
            offering_id=offering_id,
            issuer_id=party(),
            price=Money(price_minor, currency) if one else None,
            currency=None if one else currency,
            categories=categories,
            blocks=blocks_of(given.pop("blocks")),
            terms=Terms(**given.pop("terms")),
            at=clock.now(),
            cause=cause(),
            **given,
        )
        return {"offering_id": offering_id}, recorded(position)

    @routes.get(
        "/<uuid:offering_id>", gives=OfferingOut, asks=MomentAsked, versioned=True
    )
    def look_at(asked: Json, offering_id: UUID) -> Any:
        """Tell an offering, now with how much is left, or as it was at a moment."""
        offering, when = ledger.offering(offering_id), audit.when_of(asked["as_of"])
        if when is not None:
            offering, _ = audit.stream_at(ledger, Offering, offering_id, when=when)
            return _told(offering)
        free, held = desk.count(stock_search.layout(offering), at=clock.now())
        left = offering.capacity - free - held
        return _told(offering) | {"available": free, "held": held, "sold": left}

    return routes.blueprint


def _told(offering: Offering) -> dict[str, Any]:
    return {
        **vars(offering),
        "offering_id": offering.id,
        "price_minor": offering.price.amount_minor,
        "categories": list(offering.categories.values()),
        "terms": offering.terms.as_dict(),
        "version": offering.version,
    }
