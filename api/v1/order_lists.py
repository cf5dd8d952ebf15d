"""Which orders there are: a buyer's own, and all of an offering for its issuer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import has, party
from api.openapi.fields import Choice, Strict, Time, about, words
from api.openapi.routes import Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting
from ledger.aggregates.order import OrderState
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.projections.orders import OrdersView
from ledger.vocabulary.codes import Role


class OrderListedOut(Strict):
    order_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was reserved."))
    offering_id = fields.UUID()
    buyer_id = fields.UUID()
    places = fields.Integer()
    price_minor = fields.Integer(metadata=about("All places, fees included."))
    currency = fields.String()
    state = Choice(*words(OrderState))
    held_until = Time(metadata=about("So long it is kept while nobody pays."))
    tickets = fields.Integer(metadata=about("How many were issued for it."))
    refunded_minor = fields.Integer(metadata=about("What went back of what was paid."))
    reserved_at = Time()


class OrdersOut(Paged):
    orders = fields.List(fields.Nested(OrderListedOut))


def blueprint(
    ledger: Ledger, view: OrdersView, waiting: Waiting, clock: Clock
) -> Blueprint:
    routes = Routes("order_lists", "/v1", "Orders listed.", waiting=waiting)

    @routes.get("/orders", gives=OrdersOut, asks=PageAsked, view="orders")
    def list_mine(asked: Json) -> Any:
        """List my orders, the newest first."""
        return page(asked, "orders", view.of_buyer, buyer_id=party(), at=clock.now())

    @routes.get(
        "/offerings/<uuid:offering_id>/orders",
        gives=OrdersOut,
        asks=PageAsked,
        view="orders",
    )
    def list_of_offering(asked: Json, offering_id: UUID) -> Any:
        """List the orders of an offering of mine, the newest first."""
        offering = ledger.offering(offering_id)
        reads_all = has(Role.OPERATOR) or has(Role.AUDITOR)
        if not reads_all and offering.issuer_id != party():
            raise Unknown(what="offering")
        return page(
            asked, "orders", view.of_offering, offering_id=offering_id, at=clock.now()
        )

    return routes.blueprint
