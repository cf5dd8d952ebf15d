"""A card's authentication at a terminal that holds no card keys.

The terminal passes on the card's challenge and gets the answer; once the card has
answered in turn, it gets the keys of that one session, and never a card's key.
"""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from api.auth import party
from api.openapi.fields import Base64, Hex, Id, Strict, Whole, about
from api.openapi.routes import Json, Routes
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.ports import CardAuthority
from ledger.usecases import media

CONTINUATION_MAX = 512


class ChallengeIn(Strict):
    key_no = Whole(least=1, most=4, required=True, metadata=about("1, 3 or 4."))
    challenge = Hex(size=16, required=True, metadata=about("The encrypted RndB."))
    terminal_id = Id(required=True)


class ChallengeOut(Strict):
    answer = Hex(size=32, metadata=about("Part 2 of the authentication."))
    continuation = Base64(most=CONTINUATION_MAX, metadata=about("To be sent back."))


class ResponseIn(Strict):
    continuation = Base64(most=CONTINUATION_MAX, required=True)
    response = Hex(size=32, required=True, metadata=about("The card's answer."))
    terminal_id = Id(required=True)


class SessionOut(Strict):
    """The keys of one session; worthless afterwards."""

    ti = Hex(size=4)
    enc = Hex(size=16)
    mac = Hex(size=16)


def blueprint(ledger: Ledger, cards: CardAuthority, clock: Clock) -> Blueprint:
    routes = Routes(
        "authentications",
        "/v1/media/<uid:uid>/authentications",
        "A card's mutual authentication, at a distance.",
    )

    @routes.post("", takes=ChallengeIn, gives=ChallengeOut, status=200)
    def begin(body: Json, uid: bytes) -> Any:
        """Answer a card's challenge."""
        answer, continuation = media.begin_authentication(
            ledger,
            cards,
            uid=uid,
            key_no=body["key_no"],
            challenge=body["challenge"],
            terminal_id=body["terminal_id"],
            by=party(),
            at=clock.now(),
        )
        return {"answer": answer, "continuation": continuation}

    @routes.post("/answer", takes=ResponseIn, gives=SessionOut, status=200)
    def finish(body: Json, uid: bytes) -> Any:
        """Check the card's answer and hand out the keys of the session."""
        return media.finish_authentication(
            ledger,
            cards,
            uid=uid,
            continuation=body["continuation"],
            response=body["response"],
            terminal_id=body["terminal_id"],
            by=party(),
            at=clock.now(),
        )

    return routes.blueprint
