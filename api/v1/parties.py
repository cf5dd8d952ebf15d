"""Parties and the tokens by which they, and their devices, come in."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, principal
from api.openapi.fields import Choice, Id, Strict, Text, Time, Whole, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.devices import KINDS
from ledger.adapters.tokens import LABEL_MAX, LIFETIME_MAX_S, TokenStore
from ledger.application import Ledger
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData
from ledger.usecases import parties
from ledger.vocabulary.codes import Role


class PartyIn(Strict):
    kind = Choice("person", "organisation", required=True)
    name = Text(required=True, metadata=about("Sealed in the log.", "Ada Byron"))
    contact = Text(load_default=None, allow_none=True, metadata=about("Sealed too."))


class PartyOut(Strict):
    party_id = fields.UUID()


class TokenIn(Strict):
    party_id = Id(load_default=None, allow_none=True)
    device_id = Id(load_default=None, allow_none=True)
    roles = fields.List(
        Choice(*words(Role)),
        required=True,
        validate=validate.Length(min=1, max=len(Role)),
    )
    lifetime_s = Whole(least=1, most=LIFETIME_MAX_S, required=True)
    label = Text(least=0, most=LABEL_MAX, load_default="")


class TokenOut(Strict):
    token = fields.String(metadata=about("Shown this once."))
    expires_at = Time()


class MeOut(Strict):
    party_id = fields.UUID(allow_none=True)
    device_id = fields.UUID(allow_none=True)
    roles = fields.List(Choice(*words(Role)))


def blueprint(
    ledger: Ledger, personal: PersonalData, tokens: TokenStore, clock: Clock
) -> Blueprint:
    routes = Routes("parties", "/v1", "Who takes part, and their tokens.")

    @routes.post("/parties", takes=PartyIn, gives=PartyOut)
    def register(body: Json) -> Answer:
        """Register a person or an organisation."""
        party_id = new_id()
        position = parties.register(
            ledger,
            personal,
            party_id=party_id,
            kind=body["kind"],
            name=body["name"],
            contact=body["contact"],
            at=clock.now(),
            cause=cause(),
        )
        return {"party_id": party_id}, recorded(position)

    @routes.post("/tokens", takes=TokenIn, gives=TokenOut)
    def issue(body: Json) -> Answer:
        """Make a bearer token for a party, a device or both."""
        if body["party_id"] is not None:
            ledger.party(body["party_id"])
        if body["device_id"] is not None:
            ledger.device(body["device_id"]).require(*KINDS)
        token, expires_at = tokens.issue(
            party_id=body["party_id"],
            device_id=body["device_id"],
            roles=[Role(name) for name in body["roles"]],
            lifetime_s=body["lifetime_s"],
            label=body["label"],
            at=clock.now(),
        )
        answer = {"token": token, "expires_at": expires_at}
        return answer, recorded(ledger.position())

    @routes.get("/me", gives=MeOut)
    def me() -> Any:
        """Tell whom my token speaks for."""
        found = principal()
        return {
            "party_id": found.party_id,
            "device_id": found.device_id,
            "roles": sorted(found.roles),
        }

    return routes.blueprint
