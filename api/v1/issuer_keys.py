"""Public keys, by which anybody checks tickets and the log's checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Hex, Strict, about
from api.openapi.routes import Routes
from ledger.log.note import Verifier
from ledger.ports import Secrets


class IssuerKeyOut(Strict):
    kid = Hex(size=4, metadata=about("As signatures name it."))
    public = Hex(size=32)
    algorithm = fields.String(metadata=about("", "Ed25519"))


class IssuerKeysOut(Strict):
    log_key = fields.String(metadata=about("A signed-note verifier key: checkpoints."))
    log_keys = fields.List(
        fields.String(), metadata=about("All keys of checkpoints, the newest first.")
    )
    receipt_keys = fields.List(
        fields.String(), metadata=about("All keys of receipts, the newest first.")
    )
    origin = fields.String(metadata=about("The log's name, part of every signature."))
    keys = fields.List(fields.Nested(IssuerKeyOut))


def blueprint(
    secrets: Secrets,
    verifiers: Callable[[], tuple[Sequence[Verifier], Sequence[Verifier]]],
    *,
    origin: str,
) -> Blueprint:
    """`verifiers` returns the log's keys, of checkpoints and of receipts."""
    routes = Routes("issuer-keys", "/v1", "What tickets are checked by.")

    @routes.get("/issuer-keys", gives=IssuerKeysOut)
    def tell() -> Any:
        """Tell the public keys of the issuer and of the log."""
        keys = [
            {"kid": kid, "public": key.public_bytes_raw(), "algorithm": "Ed25519"}
            for kid, key in secrets.issuer_public_keys().items()
        ]
        checkpoints, receipts = verifiers()
        return {
            "origin": origin,
            "keys": keys,
            "log_key": str(checkpoints[0]),
            "log_keys": [str(each) for each in checkpoints],
            "receipt_keys": [str(each) for each in receipts],
        }

    return routes.blueprint
