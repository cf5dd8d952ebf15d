"""How far the views have come behind the log."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Choice, Strict, about
from api.openapi.routes import Routes
from ledger.clock import Clock
from ledger.projections.runner import Runner


class ProjectionOut(Strict):
    name = fields.String(metadata=about("", "wallet"))
    position = fields.Integer(metadata=about("The last event it has taken in."))
    lag_events = fields.Integer(metadata=about("How many it has not."))
    lag_s = fields.Float(
        allow_none=True, metadata=about("The age of the first of these.")
    )
    state = Choice("following", "unattended", "stopped")
    error = fields.String(allow_none=True, metadata=about("Why it stopped."))


class ProjectionsOut(Strict):
    projections = fields.List(fields.Nested(ProjectionOut))


def blueprint(runner: Runner, clock: Clock) -> Blueprint:
    routes = Routes("projections", "/v1/projections", "The views.")

    @routes.get("", gives=ProjectionsOut)
    def status() -> Any:
        """Tell how far every view is."""
        return {"projections": runner.status(clock.now())}

    @routes.get("/<name>", gives=ProjectionOut)
    def look_at(name: str) -> Any:
        """Tell how far one view is."""
        return runner.status_of(name, clock.now())

    return routes.blueprint
