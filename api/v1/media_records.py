"""Cards as a list, and what befell one: its history, and its suspicious taps."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import has, party
from api.openapi.fields import Choice, Hex, Id, Strict, Time, about, words
from api.openapi.routes import Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting
from ledger.aggregates.medium import Medium, MediumStatus, MediumUnknown
from ledger.application import Ledger
from ledger.projections.media import MediaView
from ledger.usecases import audit
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import UID_LENGTH


class MediaAsked(PageAsked):
    status = Choice(*words(MediumStatus), load_default=None)
    holder_id = Id(
        load_default=None,
        metadata=about("For operators and auditors; others see their own alone."),
    )


class MediumListedOut(Strict):
    uid = Hex(size=UID_LENGTH)
    position = fields.Integer(metadata=about("Where it was personalised."))
    holder_id = fields.UUID()
    profile = fields.String(metadata=about("", "desfire-8k"))
    status = Choice(*words(MediumStatus))
    personalised_at = Time()
    changed_at = Time(metadata=about("When it came to its status."))


class MediaOut(Paged):
    media = fields.List(fields.Nested(MediumListedOut))


class MediumEventOut(Strict):
    """One recorded event."""

    position = fields.Integer(metadata=about("Its place in the log."))
    version = fields.Integer(metadata=about("Its place in the card's own history."))
    event = fields.String(metadata=about("", "Suspended"))
    at = Time()
    by = fields.String(metadata=about("The party or device that caused it."))
    facts = fields.Dict()


class MediumHistoryOut(Paged):
    events = fields.List(fields.Nested(MediumEventOut))


class SuspiciousTapOut(Strict):
    """A tap at which the card showed what it should not have."""

    position = fields.Integer(metadata=about("Where it was recorded."))
    verdict = Choice(*words(Verdict))
    seen = fields.Dict(metadata=about("What the card showed, in hex."))
    case_id = fields.UUID(
        allow_none=True, metadata=about("Where the evidence is; null: in no case.")
    )
    at = Time()


class SuspiciousTapsOut(Paged):
    taps = fields.List(fields.Nested(SuspiciousTapOut))


def blueprint(ledger: Ledger, view: MediaView, waiting: Waiting) -> Blueprint:
    routes = Routes("media_records", "/v1/media", "Cards, listed.", waiting=waiting)

    @routes.get("", gives=MediaOut, asks=MediaAsked, view="media")
    def list_media(asked: Json) -> Any:
        """List cards, newest first: my own; operators and auditors, anybody's."""
        holder_id = asked["holder_id"] if _sees_all() else party()
        return page(
            asked, "media", view.listed, holder_id=holder_id, status=asked["status"]
        )

    @routes.get("/<uid:uid>/history", gives=MediumHistoryOut, asks=PageAsked)
    def history(asked: Json, uid: bytes) -> Any:
        """Tell every event recorded about a card, newest first."""
        read = partial(audit.stream_history, ledger, _seen(ledger, uid).id)
        return page(asked, "events", read)

    @routes.get(
        "/<uid:uid>/taps", gives=SuspiciousTapsOut, asks=PageAsked, view="media"
    )
    def taps(asked: Json, uid: bytes) -> Any:
        """Tell the suspicious taps of a card with what it showed, newest first.

        A good tap leaves no trace; what it led to stands in the card's history.
        """
        ledger.medium(uid)
        return page(asked, "taps", view.taps, medium_id=medium_id(uid))

    return routes.blueprint


def _sees_all() -> bool:
    return has(Role.OPERATOR) or has(Role.AUDITOR)


def _seen(ledger: Ledger, uid: bytes) -> Medium:
    """Return a card; another's card answers like one that is not there."""
    medium = ledger.medium(uid)
    if not _sees_all() and medium.holder_id != party():
        raise MediumUnknown
    return medium
