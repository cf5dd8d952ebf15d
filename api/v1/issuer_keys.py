"""The issuer's public keys, by which anybody checks a ticket's signature."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Hex, Strict, about
from api.openapi.routes import Routes
from ledger.ports import Secrets


class IssuerKeyOut(Strict):
    kid = Hex(size=4, metadata=about("As signatures name it."))
    public = Hex(size=32)
    algorithm = fields.String(metadata=about("", "Ed25519"))


class IssuerKeysOut(Strict):
    origin = fields.String(metadata=about("The log's name, part of every signature."))
    keys = fields.List(fields.Nested(IssuerKeyOut))


def blueprint(secrets: Secrets, *, origin: str) -> Blueprint:
    routes = Routes("issuer-keys", "/v1", "What tickets are checked by.")

    @routes.get("/issuer-keys", gives=IssuerKeysOut)
    def tell() -> Any:
        """Tell the issuer's public keys."""
        keys = [
            {"kid": kid, "public": key.public_bytes_raw(), "algorithm": "Ed25519"}
            for kid, key in secrets.issuer_public_keys().items()
        ]
        return {"origin": origin, "keys": keys}

    return routes.blueprint
