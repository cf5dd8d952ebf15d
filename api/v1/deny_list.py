"""The deny list: what a machine has to refuse while the line is down.

A machine reads it whole once, and later what is new since the position it was told.
"""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.openapi.fields import Digits, Flag, Hex, Strict, about
from api.openapi.routes import Json, Routes
from api.positions import Waiting
from ledger.projections.media import MediaView
from ledger.vocabulary.medium_record import UID_LENGTH

DENIED_MAX = 1_000


class DeniedAsked(Strict):
    after = Digits(
        load_default=0, metadata=about("`position` of the answer before; 0: the whole.")
    )
    limit = Digits(least=1, most=DENIED_MAX, load_default=DENIED_MAX)


class DeniedOut(Strict):
    uid = Hex(size=UID_LENGTH)
    denied = Flag(metadata=about("false: it was, and is taken again."))
    position = fields.Integer(metadata=about("Since when."))


class DenyListOut(Strict):
    """Cards to refuse without the line; newer words take the place of older ones."""

    media = fields.List(fields.Nested(DeniedOut), metadata=about("Oldest first."))
    position = fields.Integer(metadata=about("For the next `after`."))
    more = Flag(metadata=about("Whether there is more to read at once."))


def blueprint(media: MediaView, waiting: Waiting) -> Blueprint:
    routes = Routes("deny_list", "/v1/deny-list", "Refused cards.", waiting=waiting)

    @routes.get("", gives=DenyListOut, asks=DeniedAsked, view="media")
    def deny_list(asked: Json) -> Any:
        """Tell which cards are to be refused without the line, or what is new of that.

        Lost, suspect, blocked, replaced and returned cards are refused.
        """
        after, limit = asked["after"], asked["limit"]
        found = media.denied(after=after, limit=limit + 1)
        shown = found[:limit]
        return {
            "media": shown,
            "position": shown[-1].position if shown else after,
            "more": len(found) > limit,
        }

    return routes.blueprint
