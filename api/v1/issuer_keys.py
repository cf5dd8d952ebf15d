"""Public keys, by which anybody checks tickets and the log's checkpoints."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Hex, Strict, about
from api.openapi.routes import Routes
from ledger.log.checkpoint import Verifier
from ledger.ports import Secrets


class IssuerKeyOut(Strict):
    kid = Hex(size=4, metadata=about("As signatures name it."))
    public = Hex(size=32)
    algorithm = fields.String(metadata=about("", "Ed25519"))


class IssuerKeysOut(Strict):
    log_key = fields.String(metadata=about("A signed-note verifier key: checkpoints."))
    origin = fields.String(metadata=about("The log's name, part of every signature."))
    keys = fields.List(fields.Nested(IssuerKeyOut))


def blueprint(secrets: Secrets, verifier: Verifier, *, origin: str) -> Blueprint:
    routes = Routes("issuer-keys", "/v1", "What tickets are checked by.")

    @routes.get("/issuer-keys", gives=IssuerKeysOut)
    def tell() -> Any:
        """Tell the public keys of the issuer and of the log."""
        keys = [
            {"kid": kid, "public": key.public_bytes_raw(), "algorithm": "Ed25519"}
            for kid, key in secrets.issuer_public_keys().items()
        ]
        return {"origin": origin, "keys": keys, "log_key": str(verifier)}

    return routes.blueprint
