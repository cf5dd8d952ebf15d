"""Mandates: which sellers with shops of their own may sell for an issuer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Choice, Flag, Strict, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.projections.elsewhere import ElsewhereView
from ledger.usecases import mandates


class MandateIn(Strict):
    commission_percent = Whole(
        most=100,
        required=True,
        metadata=about("What the seller keeps of what he takes.", 5),
    )


class MandateOut(Strict):
    seller_id = fields.UUID()
    commission_percent = fields.Integer()


class MandateListedOut(Strict):
    position = fields.Integer(metadata=about("Where it was given first."))
    issuer_id = fields.UUID()
    seller_id = fields.UUID()
    commission_percent = fields.Integer()
    in_force = Flag()
    changed_at = Time()


class MandatesAsked(PageAsked):
    of = Choice(
        "given",
        "received",
        load_default="given",
        metadata=about("Given as the issuer, or received as the seller."),
    )


class MandatesOut(Paged):
    mandates = fields.List(fields.Nested(MandateListedOut))


def blueprint(
    ledger: Ledger, view: ElsewhereView, waiting: Waiting, clock: Clock
) -> Blueprint:
    routes = Routes(
        "mandates", "/v1/mandates", "Who may sell for whom.", waiting=waiting
    )

    @routes.get("", gives=MandatesOut, asks=MandatesAsked, view="elsewhere")
    def list_mine(asked: Json) -> Any:
        """List the mandates that I gave, or was given, newest first."""
        as_issuer = asked["of"] == "given"
        return page(
            asked, "mandates", view.mandates, party_id=party(), as_issuer=as_issuer
        )

    @routes.put("/<uuid:seller_id>", takes=MandateIn, gives=MandateOut)
    def give(body: Json, seller_id: UUID) -> Answer:
        """Authorise a seller as the issuer, or change his commission."""
        position = attempt(
            lambda: mandates.give_mandate(
                ledger,
                issuer_id=party(),
                seller_id=seller_id,
                commission_percent=body["commission_percent"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return {**body, "seller_id": seller_id}, recorded(position)

    @routes.delete("/<uuid:seller_id>")
    def withdraw(seller_id: UUID) -> Response:
        """Take my word back as the issuer; what was sold under it stands."""
        position = attempt(
            lambda: mandates.withdraw_mandate(
                ledger,
                issuer_id=party(),
                seller_id=seller_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    return routes.blueprint
