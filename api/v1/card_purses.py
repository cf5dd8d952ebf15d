"""The purse on a card: topped up at the desk, debited at tills, each with its proof."""

from __future__ import annotations

from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, device
from api.openapi.fields import Strict, Text, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.redemptions import RECEIPT_MAX
from api.v1.schemas import OutcomeIn, proof_of
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import CardAuthority
from ledger.usecases import card_purses
from ledger.vocabulary.medium_record import PURSE_MAX_MINOR


class TopUpOfCardIn(Strict):
    amount_minor = Whole(least=1, most=PURSE_MAX_MINOR, required=True)


class TopUpOfCardOut(Strict):
    top_up_id = fields.UUID(metadata=about("Under which the card's proof is reported."))


class DebitIn(OutcomeIn):
    receipt = Text(most=RECEIPT_MAX, required=True, metadata=about("The shop's own."))


class NotedOut(Strict):
    """Nothing more is to be said of it."""


def blueprint(ledger: Ledger, cards: CardAuthority, clock: Clock) -> Blueprint:
    routes = Routes(
        "card purses", "/v1/media/<uid:uid>/purse", "Money carried on a card."
    )

    @routes.post("/top-ups", takes=TopUpOfCardIn, gives=TopUpOfCardOut)
    def start(body: Json, uid: bytes) -> Answer:
        """Keep money of the holder's account for the purse on a card."""
        top_up_id = new_id()
        done = attempt(
            lambda: card_purses.start_top_up(
                ledger,
                uid=uid,
                amount_minor=body["amount_minor"],
                top_up_id=top_up_id,
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"top_up_id": top_up_id}, recorded(done.position)

    @routes.put("/top-ups/<uuid:top_up_id>", takes=OutcomeIn, gives=NotedOut)
    def settle(body: Json, uid: bytes, top_up_id: UUID) -> Answer:
        """Report a top-up's outcome with the card's proof; may be said again."""
        done = attempt(
            lambda: card_purses.settle_top_up(
                ledger,
                cards,
                uid=uid,
                top_up_id=top_up_id,
                proof=proof_of(body),
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {}, recorded(done.position)

    @routes.put("/debits/<uuid:payment_id>", takes=DebitIn, gives=NotedOut)
    def debit(body: Json, uid: bytes, payment_id: UUID) -> Answer:
        """Report what a till took from a card, with its proof; may be said again."""
        done = attempt(
            lambda: card_purses.report_debit(
                ledger,
                cards,
                uid=uid,
                payment_id=payment_id,
                receipt=body["receipt"],
                proof=proof_of(body),
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {}, recorded(done.position)

    return routes.blueprint
