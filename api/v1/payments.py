"""What a payment provider says by itself: one door, opened by its signature."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Strict
from api.openapi.routes import Routes
from ledger.application import Cause, Ledger
from ledger.clock import Clock
from ledger.ports import PaymentProvider, StockDesk
from ledger.usecases import checkout

SIGNATURE = "Payment-Signature"


class HeardOut(Strict):
    position = fields.Integer()


def blueprint(
    ledger: Ledger, desk: StockDesk, provider: PaymentProvider, clock: Clock
) -> Blueprint:
    routes = Routes("payments", "/v1/payments", "Callbacks of the payment provider.")

    @routes.post("/callbacks", gives=HeardOut, status=200)
    def hear() -> Any:
        """Take in a signed callback; said twice, it has its effect once."""
        position = checkout.hear_callback(
            ledger,
            desk,
            provider,
            body=request.get_data(),
            signature=request.headers.get(SIGNATURE, ""),
            at=clock.now(),
            cause=Cause(actor=f"provider/{provider.name}"),
        )
        return {"position": position}

    return routes.blueprint
