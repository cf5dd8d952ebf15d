"""Programs that people may let act for them, as an operator registers them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.openapi.fields import Choice, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from ledger.adapters.oauth_clients import (
    REDIRECT_MAX,
    REDIRECTS_MAX,
    OAuthClient,
    OAuthClients,
)
from ledger.application import Ledger
from ledger.clock import Clock, new_id
from ledger.errors import Unknown
from ledger.vocabulary.codes import Role

LENDABLE = (Role.BUYER, Role.ISSUER, Role.SHOP, Role.AUDITOR)
"""No program acts as an operator for a person."""

_URIS = "Exact; one of the person's own machine may have any port."


class ClientIn(Strict):
    name = Text(
        most=80, required=True, metadata=about("As people read it.", "Wallet app")
    )
    redirect_uris = fields.List(
        Text(most=REDIRECT_MAX),
        required=True,
        validate=validate.Length(min=1, max=REDIRECTS_MAX),
        metadata=about(_URIS, ["https://wallet.example.org/back"]),
    )
    roles = fields.List(
        Choice(*LENDABLE),
        required=True,
        validate=validate.Length(min=1, max=len(LENDABLE)),
        metadata=about("At most these, and only those the person has.", ["buyer"]),
    )


class ClientOut(ClientIn):
    client_id = fields.UUID()
    created_at = Time()


class ClientsOut(Strict):
    clients = fields.List(fields.Nested(ClientOut))


def blueprint(ledger: Ledger, clients: OAuthClients, clock: Clock) -> Blueprint:
    routes = Routes("clients", "/v1/clients", "Programs that act for people.")

    @routes.post("", takes=ClientIn, gives=ClientOut)
    def register(body: Json) -> Answer:
        """Register a program; it has no secret and goes back to these URIs alone."""
        client = OAuthClient(
            client_id=new_id(),
            name=body["name"],
            redirect_uris=tuple(body["redirect_uris"]),
            roles=frozenset(Role(name) for name in body["roles"]),
            created_at=clock.now(),
        )
        clients.register(client)
        return _told(client), recorded(ledger.position())

    @routes.get("", gives=ClientsOut)
    def listed() -> Any:
        """Tell all registered programs, 500 at most, the oldest first."""
        return {"clients": [_told(each) for each in clients.all()]}

    @routes.delete("/<uuid:client_id>")
    def remove(client_id: UUID) -> Response:
        """Remove a program; whatever people let it do ends at once."""
        if not clients.remove(client_id):
            raise Unknown(what="client")
        return Response(status=204, headers=recorded(ledger.position()))

    return routes.blueprint


def _told(client: OAuthClient) -> dict[str, Any]:
    return {
        "client_id": client.client_id,
        "name": client.name,
        "redirect_uris": client.redirect_uris,
        "roles": sorted(client.roles),
        "created_at": client.created_at,
    }
