"""Gifts of several tickets as their sender makes them, and as both find them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from secrets import token_urlsafe
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party, terms
from api.openapi.fields import Choice, Digits, Id, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.gift_offers import EXPOSED, OFFER_LIFETIME
from ledger.aggregates.gift import LINES_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData
from ledger.projections.gifts import GiftsView
from ledger.usecases import gift_offers, gifts
from ledger.usecases.gifts import (
    CONTACT_MAX,
    MESSAGE_MAX,
    Offered,
    Recipient,
)
from ledger.vocabulary.codes import Role

CLAIM_BYTES = 32
# Each gift is told as it is at this moment, ticket by ticket.
GIFTS_SHOWN, GIFTS_SHOWN_MAX = 10, 20
STATES = ("open", "suspended", "declined", "withdrawn", "expired", "voided")

_ALL_OPEN = about("All open ones, unless said.")


class TicketIds(fields.List[UUID]):
    """Up to as many tickets as one gift may be of."""

    def __init__(self, **more: Any) -> None:
        length = validate.Length(min=1, max=LINES_MAX)
        super().__init__(Id(), validate=length, **more)


class RecipientIn(Strict):
    """Whom it is for: a party, or through the centre a contact without an account."""

    to_party_id = Id(
        load_default=None,
        allow_none=True,
        metadata=about("A party, or a terminal, whose keeper is meant."),
    )
    contact = Text(
        least=3,
        most=CONTACT_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("Sealed; can be erased.", "dora@example.org"),
    )
    via = Choice(
        "centre",
        "direct",
        load_default="centre",
        metadata=about("Directly: I hand the offer and its claim over myself."),
    )
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


class GivenIn(RecipientIn):
    ticket_ids = TicketIds(required=True)
    mode = Choice("all_or_nothing", "per_line", load_default="all_or_nothing")


class GivenInsteadIn(RecipientIn):
    ticket_ids = TicketIds(
        load_default=None,
        allow_none=True,
        metadata=about("All open ones, unless said."),
    )


class GivenTermsOut(Strict):
    ticket_id = fields.UUID()
    terms_hash = fields.String(metadata=about("What exactly is offered, as a hash."))


class GivenMade(Strict):
    offer_id = fields.UUID()
    until = Time()
    tickets = fields.List(fields.Nested(GivenTermsOut))
    claim = fields.String(
        allow_none=True,
        metadata=about(
            "Told this once: for who is meant, to accept with. null: none is needed."
        ),
    )


class GivenLineOut(Strict):
    """One ticket of a gift, as it is while it can be accepted."""

    ticket_id = fields.UUID()
    title = fields.String()
    right = fields.String()
    terms_hash = fields.String()
    question = fields.Integer(allow_none=True)
    uses_left = fields.Integer()
    until = Time()
    state = Choice(*STATES, "accepted")
    on_medium = Choice(
        "surrender",
        "exposure",
        allow_none=True,
        metadata=about("The giver's card has to be cleared first, or its copy stays."),
    )
    exposed_until = Time(allow_none=True, metadata=about(EXPOSED))


class GivenNowOut(Strict):
    offer_id = fields.UUID()
    sender_id = fields.UUID()
    to_party_id = fields.UUID(allow_none=True, metadata=about("null: not known yet."))
    via = Choice("centre", "direct")
    mode = Choice("all_or_nothing", "per_line")
    state = Choice(
        *STATES,
        "settled",
        metadata=about("Settled: something of it was accepted."),
    )
    lines = fields.List(fields.Nested(GivenLineOut))
    replaced_by = fields.UUID(allow_none=True, metadata=about("Offered so instead."))
    version = fields.Integer()


class GivenOut(GivenNowOut):
    message = fields.String(
        allow_none=True, metadata=about("null: none, or the sender was erased.")
    )


class GivenListedOut(GivenNowOut):
    position = fields.Integer(metadata=about("Where it came to concern me."))
    sent = fields.Boolean()


class GivenAsked(PageAsked):
    direction = Choice(
        "sent", "received", load_default=None, metadata=about("Both, unless said.")
    )
    limit = Digits(least=1, most=GIFTS_SHOWN_MAX, load_default=GIFTS_SHOWN)


class GivenPageOut(Paged):
    gifts = fields.List(fields.Nested(GivenListedOut))


class GivenBackIn(Strict):
    ticket_ids = TicketIds(
        load_default=None,
        allow_none=True,
        metadata=about("All open ones, unless said."),
    )


def blueprint(
    ledger: Ledger,
    personal: PersonalData,
    view: GiftsView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("gifts", "/v1/gifts", "Giving tickets together.", waiting=waiting)

    @routes.post("", takes=GivenIn, gives=GivenMade, previewed=True)
    def offer(body: Json) -> Answer:
        """Offer tickets of mine: the centre asks a party, or a claim opens the gift."""
        offer_id, at, claim = new_id(), clock.now(), _drawn(body)
        made = attempt(
            lambda: gifts.offer(
                ledger,
                personal,
                offer_id=offer_id,
                by=party(),
                ticket_ids=body["ticket_ids"],
                recipient=_recipient(body, claim),
                mode=body["mode"],
                until=body["until"] or at + OFFER_LIFETIME,
                message=body["message"],
                at=at,
                cause=cause(),
            )
        )
        return _made(made, claim)

    @routes.get("", gives=GivenPageOut, asks=GivenAsked, view="gifts")
    def list_mine(asked: Json) -> Any:
        """List my gifts, sent and received, newest first: as they stand now."""
        sent = None if asked["direction"] is None else asked["direction"] == "sent"
        shown = page(asked, "gifts", view.of_party, party_id=party(), sent=sent)
        lines = shown["gifts"]
        told = gift_offers.list_gifts(
            ledger, [line.offer_id for line in lines], by=party(), at=clock.now()
        )
        its = [
            {**asdict(now), "position": line.position, "sent": line.sent}
            for line, now in zip(lines, told, strict=True)
        ]
        return {**shown, "gifts": its}

    @routes.get("/<uuid:offer_id>", gives=GivenOut, versioned=True)
    def look_at(offer_id: UUID) -> Any:
        """Tell a gift to its sender, or to the party that it is for."""
        return told_now(ledger, personal, offer_id, at=clock.now())

    @routes.post(
        "/<uuid:offer_id>/withdrawal",
        takes=GivenBackIn,
        gives=GivenNowOut,
        status=200,
        matches="offer_id",
    )
    def withdraw(body: Json, offer_id: UUID) -> Answer:
        """Take tickets back as the sender; what is told is how the gift stands then."""
        by, at = party(), clock.now()
        position = attempt(
            lambda: gifts.withdraw(
                ledger,
                offer_id=offer_id,
                by=by,
                ticket_ids=body["ticket_ids"],
                at=at,
                cause=cause(),
            )
        )
        now = gift_offers.look_at_gift(ledger, offer_id=offer_id, by=by, at=at)
        return now, recorded(position)

    @routes.post(
        "/<uuid:offer_id>/replacement",
        takes=GivenInsteadIn,
        gives=GivenMade,
        matches="offer_id",
        previewed=True,
    )
    def retarget(body: Json, offer_id: UUID) -> Answer:
        """Offer what is open to somebody else instead; the old claim is dead."""
        new_offer_id, at, claim = new_id(), clock.now(), _drawn(body)
        made = attempt(
            lambda: gifts.retarget(
                ledger,
                personal,
                offer_id=offer_id,
                new_offer_id=new_offer_id,
                by=party(),
                recipient=_recipient(body, claim),
                ticket_ids=body["ticket_ids"],
                until=body["until"] or at + OFFER_LIFETIME,
                message=body["message"],
                at=at,
                cause=cause(),
            )
        )
        return _made(made, claim)

    @routes.delete("/<uuid:offer_id>/contact")
    def forget_contact(offer_id: UUID) -> Response:
        """Have the contact erased to which a claim was sent; the offer stands."""
        position = attempt(
            lambda: gifts.forget_contact(
                ledger,
                personal,
                offer_id=offer_id,
                by=None if has(Role.OPERATOR) else party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    return routes.blueprint


def told_now(
    ledger: Ledger,
    personal: PersonalData,
    offer_id: UUID,
    *,
    at: datetime,
    claim: str | None = None,
) -> dict[str, Any]:
    """Tell the caller a gift of his, or one that he has the claim of."""
    asked: dict[str, Any] = {"offer_id": offer_id, "by": party(), "claim": claim}
    now = gift_offers.look_at_gift(ledger, **asked, at=at)
    return {**asdict(now), "message": gift_offers.message_of(ledger, personal, **asked)}


def _drawn(body: Json) -> str | None:
    """Draw a claim for who has no account, or for what I hand over myself."""
    if body["via"] == "direct" or body["contact"] is not None:
        return token_urlsafe(CLAIM_BYTES)
    return None


def _recipient(body: Json, claim: str | None) -> Recipient:
    return Recipient(
        to=body["to_party_id"], via=body["via"], claim=claim, contact=body["contact"]
    )


def _made(made: Offered, claim: str | None) -> Answer:
    """A claim of what is only tried opens nothing, so it is not told."""
    answer = {
        "offer_id": made.offer_id,
        "until": made.until,
        "tickets": [
            {"ticket_id": ticket_id, "terms_hash": terms_hash}
            for ticket_id, terms_hash in made.terms_hashes.items()
        ],
        "claim": None if terms().dry else claim,
    }
    return answer, recorded(made.position)
