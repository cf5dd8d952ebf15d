"""Shapes that several nouns share: cards as they are read, written and proven."""

from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import ValidationError, fields, validate, validates_schema

from api.openapi.fields import (
    Base64,
    Choice,
    Hex,
    Id,
    Strict,
    Text,
    Time,
    Whole,
    about,
)
from api.openapi.routes import Json
from ledger.aggregates.e_ticket import Life
from ledger.aggregates.e_ticket.refusals import NotOnThisMedium
from ledger.aggregates.e_ticket.states import MODIFIABLE
from ledger.aggregates.medium import Reading, WriteUnknown
from ledger.aggregates.offering import CATEGORY_MAX, TITLE_MAX
from ledger.application import Ledger
from ledger.ports import CardOperation
from ledger.usecases.media import MediumWrite, Proof
from ledger.vocabulary.codes import Question
from ledger.vocabulary.medium_record import (
    SLOT_ENTRY_LENGTH,
    SLOTS_MAX,
    STAMP_LENGTH,
    UID_LENGTH,
)
from ledger.vocabulary.sealed_ticket import RIGHT_MAX, SEALED_MAX

OPERATIONS_MAX = 256  # Eight tickets, read and written in small frames.
OPERATION_DATA_MAX = 288
QUESTIONS = "Asked of the holder. " + " ".join(
    f"{question.value}: {question.text}" for question in Question
)
CURRENCY = validate.Regexp("^[A-Z]{3}\\Z", error="A currency is three capital letters.")


class NothingOut(Strict):
    """Done; there is nothing more to say."""


class ChangesIn(Strict):
    """What a ticket shall say instead; what is left out stays."""

    right = Text(most=RIGHT_MAX, metadata=about("", "Row 5 seat 1"))
    title = Text(most=TITLE_MAX)
    category = Text(most=CATEGORY_MAX, allow_none=True)
    not_before = Time()
    not_after = Time()

    @validates_schema(skip_on_field_errors=True)
    def _change_something(self, data: Json, **_: Any) -> None:
        if not changes_of(data):
            raise ValidationError(f"Name what shall change: {', '.join(MODIFIABLE)}.")


def changes_of(body: Json) -> dict[str, str | None]:
    """Return changes as a ticket's events hold them: times in ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in body.items()
        if name in MODIFIABLE
    }


class CardReading(Strict):
    """What a device has read from a card, in an authenticated session."""

    uid = Hex(size=UID_LENGTH, required=True, metadata=about("The card's unique id."))
    stamp = Hex(size=STAMP_LENGTH, required=True, metadata=about("File 05."))
    slots = Hex(
        size=SLOTS_MAX * SLOT_ENTRY_LENGTH,
        required=True,
        metadata=about("File 02, all slots."),
    )
    terminal_id = Id(
        load_default=None,
        allow_none=True,
        metadata=about("The user terminal the card lies on."),
    )


def reading_of(body: Json) -> Reading:
    return Reading.parse(uid=body["uid"], stamp=body["stamp"], slots=body["slots"])


class SlotChangeOut(Strict):
    """One slot to write."""

    slot = fields.Integer(metadata=about("0 to 7.", 0))
    entry = Hex(size=SLOT_ENTRY_LENGTH, metadata=about("The slot's entry, as written."))
    ticket_id = fields.UUID(allow_none=True, metadata=about("None: to be cleared."))
    epoch = fields.Integer(metadata=about("The epoch that is sealed."))
    transmission = Base64(
        most=SEALED_MAX,
        allow_none=True,
        metadata=about("The ticket, sealed for the terminal; null: no new body."),
    )


class MediumWriteOut(Strict):
    """A write that the ledger has prepared: all of it is committed, or nothing."""

    write_id = fields.UUID(allow_none=True, metadata=about("null: nothing to write."))
    uid = Hex(size=UID_LENGTH)
    seq = fields.Integer(metadata=about("The medium's sequence number afterwards."))
    stamp = Hex(size=STAMP_LENGTH, metadata=about("The stamp to write."))
    changes = fields.List(fields.Nested(SlotChangeOut))
    record_public_key = Hex(size=32, metadata=about("Tickets are sealed for this."))
    origin = fields.String(metadata=about("The log's name, part of each seal."))


def write_out(write: MediumWrite, *, record_key: bytes, origin: str) -> dict[str, Any]:
    return {
        "write_id": write.write_id,
        "uid": write.uid,
        "seq": write.seq,
        "stamp": write.stamp,
        "changes": [
            {
                "slot": change.slot,
                "entry": change.entry,
                "ticket_id": change.ticket_id,
                "epoch": change.epoch,
                "transmission": change.transmission,
            }
            for change in write.changes
        ],
        "record_public_key": record_key,
        "origin": origin,
    }


class OperationIn(Strict):
    """One command of the card's transaction, for the proof."""

    cmd = Hex(size=1, required=True, metadata=about("The native command.", "8d"))
    file = Whole(most=31, required=True)
    offset = Whole(most=0xFF_FF_FF, required=True)
    length = Whole(most=0xFF_FF_FF, required=True)
    data = Hex(most=OPERATION_DATA_MAX, required=True, metadata=about("In the clear."))


class OutcomeIn(Strict):
    """What became of a write: the card's own proof, or that it did not happen."""

    outcome = Choice("committed", "aborted", required=True)
    tmc = Whole(
        most=0xFF_FF_FF_FF,
        metadata=about("The card's transaction counter; 0 of a medium without a chip."),
    )
    tmv = Hex(
        size=8,
        metadata=about("The card's transaction MAC; zeros of a medium without one."),
    )
    operations = fields.List(
        fields.Nested(OperationIn), validate=validate.Length(max=OPERATIONS_MAX)
    )
    reason = Text(load_default="", least=0)

    @validates_schema
    def _whole(self, body: dict[str, Any], **_: Any) -> None:
        if body["outcome"] == "committed":
            for name in ("tmc", "tmv", "operations"):
                if name not in body:
                    raise ValidationError("A committed write needs it.", name)


def proof_of(body: Json) -> Proof:
    if body["outcome"] == "aborted":
        return Proof(committed=False, reason=body["reason"])
    return Proof(
        committed=True,
        transaction_counter=body["tmc"],
        transaction_mac=body["tmv"],
        operations=tuple(
            CardOperation(
                cmd=operation["cmd"][0],
                file=operation["file"],
                offset=operation["offset"],
                length=operation["length"],
                data=operation["data"],
            )
            for operation in body["operations"]
        ),
    )


class LockOut(Strict):
    """What holds a ticket exclusively just now."""

    kind = fields.String(metadata=about("", "GIFT"))
    ref = fields.UUID()
    until = Time(allow_none=True)


class FormOut(Strict):
    """The one form in which the right is valid."""

    kind = Choice("electronic", "on_medium", "paper")
    medium_uid = fields.String(allow_none=True)
    slot = fields.Integer(allow_none=True)
    serial = fields.String(allow_none=True)


class HoldOut(Strict):
    """What a case forbids with the ticket until it is settled."""

    case_id = fields.UUID()
    kind = fields.String(metadata=about("On whose account.", "DISPUTE"))
    effects = fields.List(fields.String(metadata=about("", "no_title")))


class UsesOut(Strict):
    """How often a right may be used, and how often it was."""

    limit = fields.Integer()
    redeemed = fields.Integer()
    reversed = fields.Integer(metadata=about("Given back of what was redeemed."))
    unit = Choice("count", "money")


class TicketOut(Strict):
    """An e-ticket as it is now."""

    ticket_id = fields.UUID()
    offering_id = fields.UUID()
    title = fields.String(metadata=about("The offering's.", "Hamlet, opening night"))
    kind = Choice("admission", "coupon")
    right = fields.String(metadata=about("What this one is for.", "Row 4 seat 12"))
    category = fields.String(allow_none=True)
    owner_id = fields.UUID()
    epoch = fields.Integer(metadata=about("Copies of an earlier epoch are stale."))
    life = Choice(*Life)
    lock = fields.Nested(LockOut, allow_none=True)
    holds = fields.List(fields.Nested(HoldOut))
    form = fields.Nested(FormOut)
    uses = fields.Nested(UsesOut)
    currency = fields.String(metadata=about("ISO 4217.", "EUR"))
    points_spent = fields.Integer(metadata=about("Reward points that paid for it."))
    points_earned = fields.Integer()
    not_before = Time()
    not_after = Time()
    question = fields.Integer(allow_none=True, metadata=about(QUESTIONS))
    version = fields.Integer(metadata=about("Events so far."))


def leased_write(ledger: Ledger, ticket_id: UUID, body: Json) -> tuple[bytes, UUID]:
    """Return the card and the write that a leased ticket is waiting for.

    Once the mark was recorded, it is the last write of the card that has the ticket.
    """
    uid, write_id = body.get("uid"), body.get("write_id")
    if uid is not None and write_id is not None:
        return uid, write_id
    ticket = ledger.ticket(ticket_id)
    if uid is None:
        if ticket.form.medium_uid is None:
            ticket.require_owned()
            raise NotOnThisMedium
        uid = bytes.fromhex(ticket.form.medium_uid)
    if write_id is None:
        lease = ticket.lease
        write_id = lease.write_id if lease else ledger.medium(uid).last_write_id
    if write_id is None:
        raise WriteUnknown
    return uid, write_id
