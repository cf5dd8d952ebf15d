"""The log itself, for auditors: all of it, and a signed word on how long it is."""

from __future__ import annotations

from flask import Response
from flask_smorest import Blueprint

from api.openapi.routes import Routes
from ledger.application import Ledger
from ledger.log.checkpoint import Signer
from ledger.log.export import Head, export

JSON_LINES = "application/jsonl"
PLAIN = "text/plain"


def blueprint(ledger: Ledger, signer: Signer, *, origin: str) -> Blueprint:
    routes = Routes("log", "/v1/log", "What is recorded, and its proof.")
    head = Head(ledger.recorder, signer, origin)

    @routes.text("/export", JSON_LINES)
    def everything() -> Response:
        """Send every event and a signed checkpoint, as JSON lines.

        `ledgerctl log verify` checks them without trusting this server.
        """
        lines = export(ledger.recorder, signer, origin)
        return Response(lines, mimetype=JSON_LINES)

    @routes.text("/checkpoint", PLAIN)
    def checkpoint() -> Response:
        """Sign how long the log is and what its root is (C2SP tlog-checkpoint)."""
        return Response(head.checkpoint(), mimetype=PLAIN)

    return routes.blueprint
