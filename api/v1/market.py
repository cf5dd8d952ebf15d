"""The market: every listing that can be bought now, and my own."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import party
from api.openapi.fields import Choice, Id, Strict, Time, about
from api.openapi.routes import Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting
from ledger.clock import Clock
from ledger.projections.market import MarketView


class MarketAsked(PageAsked):
    offering_id = Id(load_default=None)
    of = Choice(
        "all",
        "named",
        "mine",
        load_default="all",
        metadata=about(
            "What I could buy, by name or not; what is offered to me by name alone;"
            " what I sell myself, in whatever state."
        ),
    )


class MarketLineOut(Strict):
    """What is offered: bought with its ticket's and its own id."""

    listing_id = fields.UUID()
    ticket_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was listed."))
    offering_id = fields.UUID()
    title = fields.String(metadata=about("", "Hamlet, opening night"))
    right = fields.String(metadata=about("", "Row 4 seat 12"))
    category = fields.String(allow_none=True)
    price_minor = fields.Integer()
    cap_minor = fields.Integer(metadata=about("The highest price allowed."))
    currency = fields.String()
    to_party_id = fields.UUID(
        allow_none=True, metadata=about("The named purchaser; null: everybody.")
    )
    until = Time()
    state = Choice("ACTIVE", "MATCHED", "SUSPENDED", "EXPIRED")


class MarketOut(Paged):
    listings = fields.List(fields.Nested(MarketLineOut))


def blueprint(market: MarketView, waiting: Waiting, clock: Clock) -> Blueprint:
    routes = Routes("market", "/v1/listings", "What is for sale.", waiting=waiting)

    @routes.get("", gives=MarketOut, asks=MarketAsked, view="market")
    def list_all(asked: Json) -> Any:
        """List what is for sale, newest first. The seller is not told."""
        by: dict[str, Any] = {
            "at": clock.now(),
            "offering_id": asked["offering_id"],
        }
        if asked["of"] == "mine":
            return page(asked, "listings", market.of_seller, seller_id=party(), **by)
        named = asked["of"] == "named"
        return page(
            asked, "listings", market.open_to, party_id=party(), named=named, **by
        )

    return routes.blueprint
