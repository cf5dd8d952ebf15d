"""What its issuer does with an offering: more places, another price, the end of it.

cancellation ─► repayments, again and again until `next` is null ─► closure
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party
from api.openapi.fields import Strict, Text, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.catalogue import CategoryOut, PlacesBlockIn, blocks_of
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.offering import (
    CATEGORY_MAX,
    PLACES_MAX,
    NotTheIssuer,
    Offering,
)
from ledger.aggregates.offering.checks import REASON_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.usecases import cancellation, catalogue
from ledger.vocabulary.codes import Role

REPAID, REPAID_MAX = 50, 200


class MorePlacesIn(Strict):
    blocks = fields.List(
        fields.Nested(PlacesBlockIn),
        required=True,
        validate=validate.Length(min=1, max=PLACES_MAX),
    )


class CapacityOut(Strict):
    capacity = fields.Integer(metadata=about("All places, sold or not."))
    version = fields.Integer()


class NewPriceIn(Strict):
    category = Text(
        most=CATEGORY_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("null where there is one price.", "Stalls"),
    )
    price_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)
    fees_minor = Whole(most=AMOUNT_MAX_MINOR, load_default=0)


class PricesOut(Strict):
    categories = fields.List(fields.Nested(CategoryOut))
    version = fields.Integer()


class OfferingEndIn(Strict):
    reason = Text(
        most=REASON_MAX, required=True, metadata=about("", "The theatre is flooded.")
    )


class CancelledOut(Strict):
    case_id = fields.UUID(
        metadata=about("Under which every ticket is taken back and paid for.")
    )


class RepaymentIn(Strict):
    begin = Whole(
        load_default=0, metadata=about("`next` of the run before; 0: from the first.")
    )
    limit = Whole(least=1, most=REPAID_MAX, load_default=REPAID)


class RepaidOut(Strict):
    paid_back = fields.Integer()
    passed_over = fields.Integer(metadata=about("These have ended before."))
    kept = fields.List(
        fields.UUID(),
        metadata=about("A case or a printer keeps these for now: run again later."),
    )
    next = fields.Integer(allow_none=True, metadata=about("null: these were the last."))


class ClosedOut(Strict):
    case_id = fields.UUID()


def blueprint(ledger: Ledger, clock: Clock) -> Blueprint:
    routes = Routes(
        "offering_changes", "/v1/offerings/<uuid:offering_id>", "Offerings changed."
    )

    @routes.post(
        "/places", takes=MorePlacesIn, gives=CapacityOut, matches="offering_id"
    )
    def open_more(body: Json, offering_id: UUID) -> Answer:
        """Open more places; those who wait are served before the public."""
        position = attempt(
            lambda: catalogue.open_more(
                ledger,
                offering_id=offering_id,
                by=party(),
                blocks=blocks_of(body["blocks"]),
                at=clock.now(),
                cause=cause(),
            )
        )
        return _told(ledger.offering(offering_id)), recorded(position)

    @routes.put("/price", takes=NewPriceIn, gives=PricesOut, matches="offering_id")
    def reprice(body: Json, offering_id: UUID) -> Answer:
        """Ask another price from now on; what is reserved keeps the one quoted."""
        position = attempt(
            lambda: catalogue.reprice(
                ledger,
                offering_id=offering_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
                **body,
            )
        )
        return _told(ledger.offering(offering_id)), recorded(position)

    @routes.post(
        "/cancellation",
        takes=OfferingEndIn,
        gives=CancelledOut,
        matches="offering_id",
        previewed=True,
    )
    def cancel(body: Json, offering_id: UUID) -> Answer:
        """Sell nothing more of an offering; said again, nothing changes."""
        done = attempt(
            lambda: cancellation.begin(
                ledger,
                offering_id=offering_id,
                by=party(),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return done, recorded(done.position)

    @routes.post("/cancellation/repayments", takes=RepaymentIn, gives=RepaidOut)
    def pay_back(body: Json, offering_id: UUID) -> Answer:
        """Take some tickets of a cancelled offering back and pay for each."""
        _require_mine(ledger.offering(offering_id))
        run = cancellation.pay_back(
            ledger,
            offering_id=offering_id,
            begin=body["begin"],
            most=body["limit"],
            at=clock.now(),
            cause=cause(),
        )
        return run, recorded(ledger.position())

    @routes.post("/cancellation/closure", gives=ClosedOut)
    def close(offering_id: UUID) -> Answer:
        """Close the cancellation as an operator, once every ticket has ended."""
        ledger.offering(offering_id)
        position = attempt(
            lambda: cancellation.finish(
                ledger,
                offering_id=offering_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"case_id": cancellation.case_of(offering_id)}, recorded(position)

    return routes.blueprint


def _require_mine(offering: Offering) -> None:
    if not has(Role.OPERATOR) and offering.issuer_id != party():
        raise NotTheIssuer(because=offering.names(1))


def _told(offering: Offering) -> dict[str, Any]:
    return {
        "capacity": offering.capacity,
        "categories": list(offering.categories.values()),
        "version": offering.version,
    }
