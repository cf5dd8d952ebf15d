"""What a party is told: a gift offered, a ticket sold, a card that became stale."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import party
from api.openapi.fields import Strict, Time, about
from api.openapi.routes import Routes
from api.positions import Waiting
from ledger.projections.notices import NoticesView


class NoticeOut(Strict):
    position = fields.Integer(metadata=about("Of the event that it tells."))
    kind = fields.String(metadata=about("", "gift_offered"))
    ticket_id = fields.UUID()
    at = Time()
    detail = fields.Dict()


class NoticesOut(Strict):
    notices = fields.List(fields.Nested(NoticeOut))


def blueprint(notices: NoticesView, waiting: Waiting) -> Blueprint:
    routes = Routes("notices", "/v1/me/notices", "What I am told.", waiting=waiting)

    @routes.get("", gives=NoticesOut, view="notices")
    def mine() -> Any:
        """List my notices, oldest first."""
        return {"notices": notices.of_party(party())}

    return routes.blueprint
