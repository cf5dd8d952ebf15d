"""Gifts of several tickets as their recipient answers them, with a claim or without."""

from __future__ import annotations

from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, party
from api.openapi.fields import Id, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.gift_offers import EXPOSED, TERMS_HASH_LENGTH
from api.v1.gifts import GivenBackIn, GivenNowOut, GivenOut, told_now
from api.v1.orders import ANSWER_MAX
from ledger.aggregates.gift import LINES_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.ports import PersonalData
from ledger.usecases import gift_offers, gifts
from ledger.usecases.gifts import CLAIM_LENGTH, Acceptance


class ClaimIn(Strict):
    claim = Text(least=CLAIM_LENGTH, most=CLAIM_LENGTH, required=True)


class WithClaim(Strict):
    """An answer to a gift, with its claim if it has one."""

    claim = Text(
        least=CLAIM_LENGTH,
        most=CLAIM_LENGTH,
        load_default=None,
        allow_none=True,
        metadata=about("As it was handed over; none if the gift is for my account."),
    )


class GivenTicketIn(Strict):
    ticket_id = Id(required=True)
    terms_hash = Text(
        least=TERMS_HASH_LENGTH,
        most=TERMS_HASH_LENGTH,
        required=True,
        metadata=about("As the gift shows it: what is accepted is what was seen."),
    )
    answer = Text(
        most=ANSWER_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("The new holder's, if the ticket has a question."),
    )


class GivenAcceptanceIn(WithClaim):
    tickets = fields.List(
        fields.Nested(GivenTicketIn),
        required=True,
        validate=validate.Length(min=1, max=LINES_MAX),
        metadata=about("All, or those of a gift per line that I want."),
    )


class GivenTakenOut(Strict):
    ticket_id = fields.UUID()
    epoch = fields.Integer(metadata=about("The ticket's, from now on."))
    exposed_until = Time(allow_none=True, metadata=about(EXPOSED))


class GivenAcceptedOut(Strict):
    tickets = fields.List(fields.Nested(GivenTakenOut))


class GivenDeclineIn(WithClaim, GivenBackIn):
    """Which tickets are declined."""


def blueprint(ledger: Ledger, personal: PersonalData, clock: Clock) -> Blueprint:
    routes = Routes("gift_answers", "/v1/gifts/<uuid:offer_id>", "Gifts answered.")

    @routes.post("/claim", takes=ClaimIn, gives=GivenOut, status=200)
    def show(body: Json, offer_id: UUID) -> Answer:
        """Tell a gift to whoever has its claim. It is accepted with the claim, too."""
        told = told_now(ledger, personal, offer_id, claim=body["claim"], at=clock.now())
        return told, recorded(ledger.position())

    @routes.post(
        "/acceptance",
        takes=GivenAcceptanceIn,
        gives=GivenAcceptedOut,
        status=200,
        matches="offer_id",
        previewed=True,
    )
    def accept(body: Json, offer_id: UUID) -> Answer:
        """Accept the tickets, or some of a gift per line: their titles move now."""
        done = attempt(
            lambda: gifts.accept(
                ledger,
                personal,
                offer_id=offer_id,
                by=party(),
                wanted=[Acceptance(**each) for each in body["tickets"]],
                claim=body["claim"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"tickets": done.lines}, recorded(done.position)

    @routes.post(
        "/decline",
        takes=GivenDeclineIn,
        gives=GivenNowOut,
        status=200,
        matches="offer_id",
    )
    def decline(body: Json, offer_id: UUID) -> Answer:
        """Decline as the recipient; what is told is how the gift stands then."""
        by, at, claim = party(), clock.now(), body["claim"]
        position = attempt(
            lambda: gifts.decline(
                ledger,
                offer_id=offer_id,
                by=by,
                ticket_ids=body["ticket_ids"],
                claim=claim,
                at=at,
                cause=cause(),
            )
        )
        now = gift_offers.look_at_gift(
            ledger, offer_id=offer_id, by=by, claim=claim, at=at
        )
        return now, recorded(position)

    return routes.blueprint
