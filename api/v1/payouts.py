"""What sellers were paid out of the sales of their tickets."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import party
from api.openapi.fields import Strict, Time, about
from api.openapi.routes import Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting
from ledger.projections.sales import SalesView


class PayoutOut(Strict):
    """Out of a sale's escrow to my purse, fees and taxes taken off."""

    sale_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was paid out."))
    amount_minor = fields.Integer()
    currency = fields.String()
    paid_out_at = Time()


class PayoutsOut(Paged):
    payouts = fields.List(fields.Nested(PayoutOut))


def blueprint(view: SalesView, waiting: Waiting) -> Blueprint:
    routes = Routes("payouts", "/v1/me/payouts", "Sellers' money.", waiting=waiting)

    @routes.get("", gives=PayoutsOut, asks=PageAsked, view="sales")
    def list_mine(asked: Json) -> Any:
        """List what I was paid for tickets that I sold, newest first."""
        return page(asked, "payouts", view.payouts, seller_id=party())

    return routes.blueprint
