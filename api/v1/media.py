"""Cards: personalised, registered, told about, and brought in line at a terminal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, device, has, party, principal
from api.openapi.fields import Base64, Choice, Hex, Id, Strict, Whole, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.schemas import (
    CardReading,
    MediumWriteOut,
    OutcomeIn,
    proof_of,
    reading_of,
    write_out,
)
from api.v1.tickets import MomentAsked
from ledger.aggregates.medium import Medium, MediumStatus, MediumUnknown
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.errors import Malformed
from ledger.ports import CardAuthority, PersonalData, Secrets
from ledger.usecases import audit, media
from ledger.vocabulary.codes import Role
from ledger.vocabulary.device_keys import BUNDLE_MAX
from ledger.vocabulary.medium_record import SLOTS_MAX, UID_LENGTH

# What a medium is made by, and which kind of medium that is.
PROFILES = {"desfire-8k": "ic_card", "flash-card": "flash_card", "disk": "disk"}


class OtherCard(Malformed):
    code = "malformed"
    says = "The reading is of another card than the address names."


class PersonalisationIn(Strict):
    holder_id = Id(required=True)
    profile = Choice(*PROFILES, required=True)


class SealedOut(Strict):
    sealed = Base64(
        most=BUNDLE_MAX, metadata=about("HPKE, for the device's public key.")
    )


class MediumIn(Strict):
    holder_id = Id(required=True)
    profile = Choice(*PROFILES, required=True)
    key_version = Whole(most=255, required=True)


class SlotOut(Strict):
    slot = fields.Integer()
    status = Choice("EMPTY", "LIVE", "DISPENSED", "SPENT")
    epoch = fields.Integer()
    uses_left = fields.Integer()
    ticket_id = fields.UUID(allow_none=True)


class MediumOut(Strict):
    """A medium as far as the ledger has its proof."""

    uid = Hex(size=UID_LENGTH)
    holder_id = fields.UUID()
    status = Choice(*words(MediumStatus))
    seq = fields.Integer()
    version = fields.Integer()
    digest = fields.String()
    slots = fields.List(fields.Nested(SlotOut))
    record_public_key = Hex(size=32, metadata=about("Tickets are sealed for this."))


class WriteIn(Strict):
    reading = fields.Nested(CardReading, required=True)
    terminal_id = Id(required=True)
    load_ids = fields.List(
        Id(),
        data_key="load",
        load_default=list,
        validate=validate.Length(max=SLOTS_MAX),
        metadata=about("Tickets to put on the card."),
    )
    unload_ids = fields.List(
        Id(),
        data_key="unload",
        load_default=list,
        validate=validate.Length(max=SLOTS_MAX),
        metadata=about("Tickets to take off the card."),
    )


class SettledOut(Strict):
    seq = fields.Integer(metadata=about("The medium's sequence number now."))
    verdict = fields.String(metadata=about("What the card is now.", "FRESH"))


def blueprint(
    ledger: Ledger,
    cards: CardAuthority,
    personal: PersonalData,
    secrets: Secrets,
    clock: Clock,
    *,
    origin: str,
) -> Blueprint:
    routes = Routes("media", "/v1/media/<uid:uid>", "Cards.")

    def record_key(uid: bytes) -> bytes:
        return cards.record_public_key(uid).public_bytes_raw()

    @routes.post(
        "/personalisation", takes=PersonalisationIn, gives=SealedOut, status=200
    )
    def personalise(body: Json, uid: bytes) -> Answer:
        """Hand out one card's own keys, sealed for the personaliser."""
        ledger.party(body["holder_id"])
        sealed = media.personalisation_keys(ledger, cards, device_id=device(), uid=uid)
        return {"sealed": sealed}, recorded(ledger.position())

    @routes.put("", takes=MediumIn, gives=MediumOut, status=201)
    def register(body: Json, uid: bytes) -> Answer:
        """Register a personalised card; saying it again changes nothing."""
        position = attempt(
            lambda: media.register(
                ledger,
                device_id=device(),
                uid=uid,
                holder_id=body["holder_id"],
                profile=body["profile"],
                key_version=body["key_version"],
                kind=PROFILES[body["profile"]],
                at=clock.now(),
                cause=cause(),
            )
        )
        return _told(ledger.medium(uid), record_key(uid)), recorded(position)

    @routes.get("", gives=MediumOut, asks=MomentAsked, versioned=True)
    def look_at(asked: Json, uid: bytes) -> Any:
        """Tell a card to its holder, to an operator, an auditor or a machine."""
        medium = _seen(ledger, uid, when=audit.when_of(asked["as_of"]))
        return _told(medium, record_key(uid))

    @routes.post("/writes", takes=WriteIn, gives=MediumWriteOut)
    def prepare(body: Json, uid: bytes) -> Any:
        """Bring my card in line with the ledger, loading tickets if asked."""
        reading = reading_of(body["reading"])
        if reading.uid != uid:
            raise OtherCard
        write_id = new_id()
        prepared = attempt(
            lambda: media.prepare_write(
                ledger,
                personal,
                secrets,
                reading=reading,
                write_id=write_id,
                load=body["load_ids"],
                unload=body["unload_ids"],
                terminal_id=body["terminal_id"],
                by=party(),
                origin=origin,
                at=clock.now(),
                cause=cause(),
            )
        )
        position = recorded(prepared.position)
        if prepared.write is None:
            return {"write_id": None}, 200, position
        write = write_out(prepared.write, record_key=record_key(uid), origin=origin)
        return write, position

    @routes.put("/writes/<uuid:write_id>", takes=OutcomeIn, gives=SettledOut)
    def settle(body: Json, uid: bytes, write_id: UUID) -> Answer:
        """Report a write's outcome with the card's proof; may be said again."""
        settled = attempt(
            lambda: media.settle_write(
                ledger,
                cards,
                uid=uid,
                write_id=write_id,
                proof=proof_of(body),
                by=party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        answer = {"seq": settled.seq, "verdict": "FRESH"}
        return answer, recorded(settled.position)

    return routes.blueprint


def _seen(ledger: Ledger, uid: bytes, *, when: audit.When) -> Medium:
    """Return a card as it was at a moment; not yours answers like not there."""
    medium = ledger.medium(uid)
    mine = has(Role.BUYER) and medium.holder_id == party()
    sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
    if not (mine or sees_all or principal().device_id):
        raise MediumUnknown
    if when is not None:
        medium, _ = audit.stream_at(ledger, Medium, medium.id, when=when)
    return medium


def _told(medium: Medium, record_key: bytes) -> dict[str, Any]:
    slots = [
        {
            "slot": number,
            "status": state.entry().status.name,
            "epoch": state.epoch,
            "uses_left": state.uses_left,
            "ticket_id": state.ticket_id,
        }
        for number, state in enumerate(medium.slots)
    ]
    return {
        **vars(medium),
        "version": medium.version,
        "slots": slots,
        "record_public_key": record_key,
    }
