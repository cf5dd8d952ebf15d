"""Cards that are lost, found, blocked, replaced, handed in or no longer suspected."""

from __future__ import annotations

from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, has, party
from api.openapi.fields import Choice, Hex, Strict, Text, Time, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from ledger.aggregates.medium import MediumStatus, MediumUnknown
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.usecases import media
from ledger.usecases.media import Recalled
from ledger.vocabulary.codes import Role
from ledger.vocabulary.medium_record import UID_LENGTH


class ExposedOut(Strict):
    ticket_id = fields.UUID()
    until = Time(metadata=about("A machine without the line may print it until then."))


class LostOut(Strict):
    """Every machine on the line refuses the card from now on."""

    exposed = fields.List(fields.Nested(ExposedOut))


class StatusOut(Strict):
    status = Choice(*words(MediumStatus))


class BlockIn(Strict):
    reason = Text(required=True, metadata=about("", "stolen"))


class ReplacementIn(Strict):
    new_uid = Hex(
        size=UID_LENGTH, required=True, metadata=about("Another card of the holder's.")
    )


class RecalledOut(Strict):
    """What was on the card: no right is lost, copies on it are stale now."""

    ticket_ids = fields.List(
        fields.UUID(), metadata=about("To be recorded on another card.")
    )
    printing = fields.List(
        fields.UUID(), metadata=about("Just being printed; these stay as they are.")
    )


def blueprint(ledger: Ledger, clock: Clock) -> Blueprint:
    routes = Routes("lost_media", "/v1/media/<uid:uid>", "Cards lost and found.")

    @routes.post("/loss", gives=LostOut, matches="uid")
    def report_lost(uid: bytes) -> Answer:
        """Report a card lost; what is on it is told, and until when it is exposed."""
        lost = attempt(
            lambda: media.report_lost(
                ledger,
                uid=uid,
                by=_holder(ledger, uid),
                as_operator=has(Role.OPERATOR),
                at=clock.now(),
                cause=cause(),
            )
        )
        return lost, recorded(lost.position)

    @routes.delete("/loss", matches="uid")
    def restore(uid: bytes) -> Response:
        """Say that a lost card was found: it is taken again."""
        position = attempt(
            lambda: media.restore(
                ledger,
                uid=uid,
                by=_holder(ledger, uid),
                as_operator=has(Role.OPERATOR),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    @routes.post("/block", takes=BlockIn, gives=RecalledOut, matches="uid")
    def block(body: Json, uid: bytes) -> Answer:
        """Block a card for ever and give its tickets back."""
        return _recalled(
            attempt(
                lambda: media.block(
                    ledger,
                    uid=uid,
                    by=_holder(ledger, uid),
                    as_operator=has(Role.OPERATOR),
                    reason=body["reason"],
                    at=clock.now(),
                    cause=cause(),
                )
            )
        )

    @routes.post("/replacement", takes=ReplacementIn, gives=RecalledOut, matches="uid")
    def replace(body: Json, uid: bytes) -> Answer:
        """Let another card of the holder's take this one's place."""
        return _recalled(
            attempt(
                lambda: media.replace(
                    ledger,
                    uid=uid,
                    new_uid=body["new_uid"],
                    by=_holder(ledger, uid),
                    as_operator=has(Role.OPERATOR),
                    at=clock.now(),
                    cause=cause(),
                )
            )
        )

    @routes.post("/return", gives=RecalledOut, matches="uid")
    def hand_in(uid: bytes) -> Answer:
        """Hand a card in; its tickets are given back."""
        return _recalled(
            attempt(
                lambda: media.hand_in(
                    ledger,
                    uid=uid,
                    by=_holder(ledger, uid),
                    as_operator=has(Role.OPERATOR),
                    at=clock.now(),
                    cause=cause(),
                )
            )
        )

    @routes.post("/clearance", gives=StatusOut, status=200, matches="uid")
    def clear(uid: bytes) -> Answer:
        """Say, as an operator, that a suspect card is the true one."""
        position = attempt(
            lambda: media.clear_suspicion(
                ledger, uid=uid, by=party(), at=clock.now(), cause=cause()
            )
        )
        return {"status": ledger.medium(uid).status}, recorded(position)

    return routes.blueprint


def _holder(ledger: Ledger, uid: bytes) -> UUID:
    """Return the caller; another's card answers him like one that is not there."""
    by = party()
    if not has(Role.OPERATOR) and ledger.medium(uid).holder_id != by:
        raise MediumUnknown
    return by


def _recalled(done: Recalled) -> Answer:
    return done, recorded(done.position)
