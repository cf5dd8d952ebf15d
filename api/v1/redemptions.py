"""Coupons at a point of sale: a use is leased, marked on the card, then recorded."""

from __future__ import annotations

from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, device
from api.openapi.fields import Choice, Hex, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.schemas import (
    CURRENCY,
    CardReading,
    MediumWriteOut,
    OutcomeIn,
    leased_write,
    proof_of,
    reading_of,
    write_out,
)
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import CardAuthority
from ledger.usecases import coupons
from ledger.vocabulary.medium_record import EPOCH_MAX, SLOTS_MAX, UID_LENGTH, USES_MAX
from ledger.vocabulary.money import Money

RECEIPT_MAX = 64


class PurchaseAtShop(Strict):
    """What the coupon is redeemed with."""

    amount_minor = Whole(most=AMOUNT_MAX_MINOR, required=True)
    currency = fields.String(required=True, validate=CURRENCY)


class RedemptionIn(Strict):
    reading = fields.Nested(CardReading, required=True)
    slot = Whole(most=SLOTS_MAX - 1, required=True)
    epoch = Whole(least=1, most=EPOCH_MAX, required=True)
    receipt = Text(most=RECEIPT_MAX, required=True, metadata=about("The shop's own."))
    purchase = fields.Nested(PurchaseAtShop, required=True)
    amount = Whole(
        least=1,
        most=USES_MAX,
        load_default=1,
        metadata=about("Uses, or minor units of a coupon that is worth money."),
    )
    tender = Choice(
        *coupons.TENDERS,
        load_default=None,
        allow_none=True,
        metadata=about("How the purchase is paid."),
    )


class RedemptionOut(Strict):
    session_id = fields.UUID()
    lease_until = Time()
    write = fields.Nested(MediumWriteOut, metadata=about("The mark to make."))


class UsedIn(OutcomeIn):
    uid = Hex(size=UID_LENGTH, metadata=about("The leased coupon's, unless said."))
    write_id = Id(metadata=about("The lease's, unless said."))


class UsedOut(Strict):
    uses_left = fields.Integer()


def blueprint(
    ledger: Ledger, cards: CardAuthority, clock: Clock, *, origin: str
) -> Blueprint:
    routes = Routes(
        "redemptions", "/v1/tickets/<uuid:ticket_id>/redemptions", "Coupons used."
    )

    @routes.post("", takes=RedemptionIn, gives=RedemptionOut)
    def start(body: Json, ticket_id: UUID) -> Answer:
        """Lease one use of a coupon that lies before me on a card."""
        reading = reading_of(body["reading"])
        session_id, write_id = new_id(), new_id()
        session = attempt(
            lambda: coupons.start(
                ledger,
                ticket_id=ticket_id,
                reading=reading,
                slot=body["slot"],
                expected_epoch=body["epoch"],
                receipt=body["receipt"],
                purchase=Money(**body["purchase"]),
                amount=body["amount"],
                tender=body["tender"],
                device_id=device(),
                session_id=session_id,
                write_id=write_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        key = cards.record_public_key(reading.uid).public_bytes_raw()
        answer = {
            "session_id": session_id,
            "lease_until": session.until,
            "write": write_out(session.write, record_key=key, origin=origin),
        }
        return answer, recorded(session.position)

    @routes.put("/<uuid:session_id>", takes=UsedIn, gives=UsedOut)
    def redeem(body: Json, ticket_id: UUID, session_id: UUID) -> Answer:
        """Hand in the card's proof: the use is recorded. May be said again."""
        uid, write_id = leased_write(ledger, ticket_id, body)
        redeemed = attempt(
            lambda: coupons.redeem(
                ledger,
                cards,
                ticket_id=ticket_id,
                session_id=session_id,
                uid=uid,
                write_id=write_id,
                proof=proof_of(body),
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return redeemed, recorded(redeemed.position)

    return routes.blueprint
