"""What I let programs do for me: looked at, and taken back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import party
from api.openapi.fields import Choice, Strict, Time, about, words
from api.openapi.routes import Routes
from api.positions import recorded
from ledger.adapters.consents import Consents
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.vocabulary.codes import Role


class ConsentOut(Strict):
    consent_id = fields.UUID()
    client_id = fields.UUID()
    name = fields.String(metadata=about("What the program calls itself.", "Wallet app"))
    roles = fields.List(Choice(*words(Role)), metadata=about("", ["buyer"]))
    created_at = Time()
    expires_at = Time(metadata=about("Then the program has to ask anew."))


class ConsentsOut(Strict):
    consents = fields.List(fields.Nested(ConsentOut))


def blueprint(ledger: Ledger, consents: Consents, clock: Clock) -> Blueprint:
    routes = Routes("consents", "/v1/me/consents", "What I let programs do for me.")

    @routes.get("", gives=ConsentsOut)
    def mine() -> Any:
        """List the programs that act for me, the latest 200 consents first."""
        return {"consents": consents.of_party(party(), at=clock.now())}

    @routes.delete("/<uuid:consent_id>")
    def take_back(consent_id: UUID) -> Response:
        """Let a program act for me no longer: its tokens end at once."""
        if not consents.end(consent_id, party_id=party(), at=clock.now()):
            raise Unknown(what="consent of yours")
        return Response(status=204, headers=recorded(ledger.position()))

    return routes.blueprint
