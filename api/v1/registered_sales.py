"""Sold elsewhere: what a seller with a shop of its own tells the centre.

One reference is one sale: told again in the same words it is answered alike.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party
from api.openapi.fields import (
    Choice,
    Flag,
    Id,
    Strict,
    Text,
    Time,
    Whole,
    about,
    words,
)
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.orders import ANSWER_MAX
from api.v1.schemas import CURRENCY
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.offering import CATEGORY_MAX
from ledger.aggregates.order import LINES_MAX
from ledger.aggregates.registered_sale import REFERENCE_PATTERN, RegisteredSaleState
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData, StockDesk
from ledger.projections.elsewhere import ElsewhereView
from ledger.usecases import elsewhere
from ledger.vocabulary.codes import Role
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import RIGHT_MAX

_REFERENCE = validate.Regexp(
    f"^(?:{REFERENCE_PATTERN.pattern})\\Z",
    error="A reference has 1 to 64 letters, digits, dots, hyphens, slashes and _.",
)


class TakenIn(Strict):
    """What the seller took for all of them, fees included: the issuer's price."""

    amount_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)
    currency = fields.String(required=True, validate=CURRENCY)


class RegistrationIn(Strict):
    reference = fields.String(
        required=True, validate=_REFERENCE, metadata=about("The seller's own.", "S-17")
    )
    offering_id = Id(required=True)
    purchaser_id = Id(required=True)
    count = Whole(least=1, most=LINES_MAX, load_default=1)
    category = Text(most=CATEGORY_MAX, load_default=None, allow_none=True)
    place = Text(
        most=RIGHT_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("Any free one, unless named."),
    )
    together = Flag(load_default=False, metadata=about("Places side by side alone."))
    taken = fields.Nested(TakenIn, required=True)
    answers = fields.List(
        Text(most=ANSWER_MAX),
        load_default=list,
        validate=validate.Length(max=LINES_MAX),
        metadata=about("The holders', one a ticket, if the offering asks."),
    )


class RegistrationOut(Strict):
    sale_id = fields.UUID()
    ticket_ids = fields.List(fields.UUID(), metadata=about("The purchaser's now."))
    price_minor = fields.Integer()
    commission_minor = fields.Integer(metadata=about("What the seller keeps of it."))
    currency = fields.String()


class RegisteredOut(Strict):
    sale_id = fields.UUID()
    seller_id = fields.UUID()
    issuer_id = fields.UUID()
    offering_id = fields.UUID()
    purchaser_id = fields.UUID()
    reference = fields.String()
    ticket_ids = fields.List(fields.UUID())
    price_minor = fields.Integer()
    commission_minor = fields.Integer()
    currency = fields.String()
    state = Choice(*words(RegisteredSaleState))
    version = fields.Integer()


class RegisteredAsked(PageAsked):
    of = Choice(
        "seller",
        "issuer",
        load_default="seller",
        metadata=about("What I sold for others, or what others sold for me."),
    )


class RegisteredListedOut(Strict):
    sale_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was registered."))
    seller_id = fields.UUID()
    issuer_id = fields.UUID()
    offering_id = fields.UUID()
    reference = fields.String()
    tickets = fields.Integer(metadata=about("How many."))
    price_minor = fields.Integer()
    commission_minor = fields.Integer()
    currency = fields.String()
    state = Choice(*words(RegisteredSaleState))
    registered_at = Time()


class RegisteredPageOut(Paged):
    sales = fields.List(fields.Nested(RegisteredListedOut))


class CancellationIn(Strict):
    reason = Text(required=True, metadata=about("", "returned at the counter"))


def blueprint(
    ledger: Ledger,
    desk: StockDesk,
    personal: PersonalData,
    view: ElsewhereView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes(
        "registered_sales", "/v1/registered-sales", "Sold elsewhere.", waiting=waiting
    )

    @routes.post("", takes=RegistrationIn, gives=RegistrationOut, previewed=True)
    def register(body: Json) -> Answer:
        """Tell a sale as its seller: the purchaser owns e-tickets from now on."""
        entry_id = new_id()
        ticket_ids = [new_id() for _ in range(body["count"])]
        said = {name: each for name, each in body.items() if name != "count"}
        told = attempt(
            lambda: elsewhere.register(
                ledger,
                desk,
                personal,
                **{**said, "taken": Money(**body["taken"])},
                seller_id=party(),
                ticket_ids=ticket_ids,
                entry_id=entry_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        return told, recorded(told.position)

    @routes.get("", gives=RegisteredPageOut, asks=RegisteredAsked, view="elsewhere")
    def list_mine(asked: Json) -> Any:
        """List what I sold for issuers, or sellers for me, newest first."""
        as_issuer = asked["of"] == "issuer"
        return page(asked, "sales", view.sales, party_id=party(), as_issuer=as_issuer)

    @routes.get("/<uuid:sale_id>", gives=RegisteredOut, versioned=True)
    def look_at(sale_id: UUID) -> Any:
        """Tell a registered sale to its seller and its issuer."""
        sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
        by = None if sees_all else party()
        return asdict(elsewhere.look_at(ledger, sale_id=sale_id, by=by))

    @routes.post(
        "/<uuid:sale_id>/cancellation",
        takes=CancellationIn,
        gives=RegisteredOut,
        status=200,
        matches="sale_id",
    )
    def cancel(body: Json, sale_id: UUID) -> Answer:
        """Take a sale back as its seller; none of its tickets may have been used."""
        seller_id, entry_id = party(), new_id()
        told = elsewhere.look_at(ledger, sale_id=sale_id, by=seller_id)
        position = attempt(
            lambda: elsewhere.cancel(
                ledger,
                desk,
                seller_id=seller_id,
                reference=told.reference,
                reason=body["reason"],
                entry_id=entry_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        now = elsewhere.look_at(ledger, sale_id=sale_id, by=seller_id)
        return now, recorded(position)

    return routes.blueprint
