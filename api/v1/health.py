"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Strict
from api.openapi.routes import Routes
from ledger.application import Ledger


class HealthOut(Strict):
    status = fields.String()


def blueprint(ledger: Ledger) -> Blueprint:
    routes = Routes("health", "/health", "For whoever watches the server.")

    @routes.get("/live", gives=HealthOut)
    def live() -> Any:
        """Say that the process answers."""
        return {"status": "live"}

    @routes.get("/ready", gives=HealthOut)
    def ready() -> Any:
        """Say that the log can be read; otherwise this refuses with 503."""
        ledger.position()
        return {"status": "ready"}

    return routes.blueprint
