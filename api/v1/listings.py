"""Reselling a ticket: listed at a price, repriced, taken down, bought with e-money."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Choice, Id, Strict, Text, Time, Whole, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.orders import ANSWER_MAX
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData
from ledger.usecases import resale
from ledger.usecases.listings import ListingState
from ledger.usecases.listings import look_at as look_at_listing

LISTING_LIFETIME = timedelta(days=30)


class ListingIn(Strict):
    price_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)
    to_party_id = Id(
        load_default=None,
        allow_none=True,
        metadata=about("Only this purchaser; everybody, unless said."),
    )
    until = Time(
        load_default=None,
        allow_none=True,
        metadata=about(f"{LISTING_LIFETIME.days} days from now, unless said."),
    )


class ListingMade(Strict):
    listing_id = fields.UUID()
    cap_minor = fields.Integer(metadata=about("The highest price allowed."))


class ListingOut(Strict):
    """A listing as it stands now; its `version` is the ticket's."""

    listing_id = fields.UUID()
    price_minor = fields.Integer()
    cap_minor = fields.Integer(metadata=about("The highest price allowed."))
    currency = fields.String()
    until = Time()
    state = Choice(
        *words(ListingState),
        metadata=about("Matched: a purchaser's payment is under way."),
    )
    version = fields.Integer()


class PriceIn(Strict):
    price_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)


class PurchaseIn(Strict):
    answer = Text(
        most=ANSWER_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("The new holder's, if the ticket has a question."),
    )


class SplitOut(Strict):
    """Who got how much; together they are the price."""

    seller_minor = fields.Integer()
    royalty_minor = fields.Integer()
    platform_minor = fields.Integer(metadata=about("Left out if it is nothing."))
    tax_minor = fields.Integer(metadata=about("Left out if it is nothing."))


class SaleOut(Strict):
    sale_id = fields.UUID()
    entry_id = fields.UUID(allow_none=True, metadata=about("null: it was free."))
    split = fields.Nested(SplitOut)


def blueprint(ledger: Ledger, personal: PersonalData, clock: Clock) -> Blueprint:
    routes = Routes(
        "listings", "/v1/tickets/<uuid:ticket_id>/listings", "Reselling tickets."
    )

    @routes.post(
        "", takes=ListingIn, gives=ListingMade, matches="ticket_id", previewed=True
    )
    def list_ticket(body: Json, ticket_id: UUID) -> Answer:
        """List my ticket for resale, to everybody or to one purchaser."""
        listing_id, at = new_id(), clock.now()
        listed = attempt(
            lambda: resale.list_ticket(
                ledger,
                ticket_id=ticket_id,
                listing_id=listing_id,
                by=party(),
                price_minor=body["price_minor"],
                to=body["to_party_id"],
                until=body["until"] or at + LISTING_LIFETIME,
                at=at,
                cause=cause(),
            )
        )
        return listed, recorded(listed.position)

    @routes.get("/<uuid:listing_id>", gives=ListingOut, versioned=True)
    def look_at(ticket_id: UUID, listing_id: UUID) -> Any:
        """Tell a listing to its seller, and to whoever may buy it."""
        told = look_at_listing(
            ledger,
            ticket_id=ticket_id,
            listing_id=listing_id,
            by=party(),
            at=clock.now(),
        )
        return asdict(told)

    @routes.put(
        "/<uuid:listing_id>/price",
        takes=PriceIn,
        gives=ListingMade,
        matches="ticket_id",
    )
    def reprice(body: Json, ticket_id: UUID, listing_id: UUID) -> Answer:
        """Ask another price for my ticket, under the cap in force now."""
        listed = attempt(
            lambda: resale.reprice(
                ledger,
                ticket_id=ticket_id,
                listing_id=listing_id,
                by=party(),
                price_minor=body["price_minor"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return listed, recorded(listed.position)

    @routes.delete("/<uuid:listing_id>", matches="ticket_id")
    def unlist(ticket_id: UUID, listing_id: UUID) -> Response:
        """Take my listing down."""
        position = attempt(
            lambda: resale.unlist(
                ledger,
                ticket_id=ticket_id,
                listing_id=listing_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    @routes.post(
        "/<uuid:listing_id>/purchase",
        takes=PurchaseIn,
        gives=SaleOut,
        matches="ticket_id",
        previewed=True,
    )
    def buy(body: Json, ticket_id: UUID, listing_id: UUID) -> Answer:
        """Buy a listed ticket with e-money: money and title move in one commit."""
        sale_id, entry_id = new_id(), new_id()
        sale = attempt(
            lambda: resale.buy(
                ledger,
                personal,
                ticket_id=ticket_id,
                listing_id=listing_id,
                sale_id=sale_id,
                entry_id=entry_id,
                by=party(),
                answer=body["answer"],
                at=clock.now(),
                cause=cause(),
            )
        )
        answer = {
            "sale_id": sale.sale_id,
            "entry_id": sale.entry_id,
            "split": {
                f"{name}_minor": amount_minor
                for name, amount_minor in sale.split_minor.items()
                if amount_minor or name in ("seller", "royalty")
            },
        }
        return answer, recorded(sale.position)

    return routes.blueprint
