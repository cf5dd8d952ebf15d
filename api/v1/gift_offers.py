"""Giving a ticket away: offered, then accepted, declined or withdrawn."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Choice, Id, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.orders import ANSWER_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData
from ledger.usecases import gift_offers, ownership
from ledger.usecases.gifts import MESSAGE_MAX

OFFER_LIFETIME = timedelta(days=3)
TERMS_HASH_LENGTH = 32


EXPOSED = "Until then an offline dispenser could take the copy on the giver's card."


class GiftIn(Strict):
    to_party_id = Id(required=True, metadata=about("Nobody else can accept."))
    until = Time(
        load_default=None,
        allow_none=True,
        metadata=about(f"{OFFER_LIFETIME.days} days from now, unless said."),
    )
    message = Text(
        most=MESSAGE_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("A word for the recipient; sealed.", "Enjoy the evening!"),
    )


class GiftMade(Strict):
    offer_id = fields.UUID()
    until = Time()
    terms_hash = fields.String(metadata=about("What exactly is offered, as a hash."))


class GiftOut(Strict):
    offer_id = fields.UUID()
    title = fields.String()
    right = fields.String()
    terms_hash = fields.String()
    until = Time()
    state = Choice(
        "open",
        "suspended",
        "accepted",
        "declined",
        "withdrawn",
        "expired",
        "voided",
        metadata=about("Suspended: a dispute stopped its clock. Voided: it was used."),
    )
    exposed_until = Time(allow_none=True, metadata=about(EXPOSED))
    message = fields.String(
        allow_none=True, metadata=about("null: none, or the sender was erased.")
    )


class AcceptanceIn(Strict):
    terms_hash = Text(
        least=TERMS_HASH_LENGTH,
        most=TERMS_HASH_LENGTH,
        required=True,
        metadata=about("As the offer shows it: what is accepted is what was seen."),
    )
    answer = Text(
        most=ANSWER_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("The new holder's, if the ticket has a question."),
    )


class EpochOut(Strict):
    epoch = fields.Integer(metadata=about("The ticket's, from now on."))


class AcceptedOut(EpochOut):
    exposed_until = Time(allow_none=True, metadata=about(EXPOSED))


def blueprint(ledger: Ledger, personal: PersonalData, clock: Clock) -> Blueprint:
    routes = Routes(
        "gift-offers", "/v1/tickets/<uuid:ticket_id>/gift-offers", "Giving tickets."
    )

    @routes.post("", takes=GiftIn, gives=GiftMade, matches="ticket_id", previewed=True)
    def offer(body: Json, ticket_id: UUID) -> Answer:
        """Offer my ticket to another party, who is told and asked."""
        offer_id, at = new_id(), clock.now()
        made = attempt(
            lambda: ownership.offer_gift(
                ledger,
                personal,
                ticket_id=ticket_id,
                offer_id=offer_id,
                by=party(),
                to=body["to_party_id"],
                until=body["until"] or at + OFFER_LIFETIME,
                message=body["message"],
                at=at,
                cause=cause(),
            )
        )
        return made, recorded(made.position)

    @routes.get("/<uuid:offer_id>", gives=GiftOut)
    def look_at(ticket_id: UUID, offer_id: UUID) -> Any:
        """Tell an offer to its sender or its recipient."""
        told = gift_offers.look_at(
            ledger,
            ticket_id=ticket_id,
            offer_id=offer_id,
            by=party(),
            at=clock.now(),
        )
        said = gift_offers.message_of(ledger, personal, offer_id=offer_id, by=party())
        return {**asdict(told), "message": said}

    @routes.post(
        "/<uuid:offer_id>/acceptance",
        takes=AcceptanceIn,
        gives=AcceptedOut,
        status=200,
        matches="ticket_id",
        previewed=True,
    )
    def accept(body: Json, ticket_id: UUID, offer_id: UUID) -> Answer:
        """Accept as the recipient: the title moves now."""
        moved = attempt(
            lambda: ownership.accept_gift(
                ledger,
                personal,
                ticket_id=ticket_id,
                offer_id=offer_id,
                by=party(),
                terms_hash=body["terms_hash"],
                answer=body["answer"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return moved, recorded(moved.position)

    @routes.post(
        "/<uuid:offer_id>/decline", gives=EpochOut, status=200, matches="ticket_id"
    )
    def decline(ticket_id: UUID, offer_id: UUID) -> Answer:
        """Decline as the recipient."""
        moved = attempt(
            lambda: ownership.decline_gift(
                ledger,
                ticket_id=ticket_id,
                offer_id=offer_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return moved, recorded(moved.position)

    @routes.post(
        "/<uuid:offer_id>/withdrawal", gives=EpochOut, status=200, matches="ticket_id"
    )
    def withdraw(ticket_id: UUID, offer_id: UUID) -> Answer:
        """Take an offer back as its sender."""
        moved = attempt(
            lambda: ownership.withdraw_gift(
                ledger,
                ticket_id=ticket_id,
                offer_id=offer_id,
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return moved, recorded(moved.position)

    return routes.blueprint
