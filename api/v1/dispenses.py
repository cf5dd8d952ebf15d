"""Dispensing: a lease, the mark on the card, one numbered paper, and its record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, device
from api.openapi.fields import Flag, Hex, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.schemas import (
    CardReading,
    MediumWriteOut,
    NothingOut,
    OutcomeIn,
    leased_write,
    proof_of,
    reading_of,
    write_out,
)
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import CardAuthority, Secrets
from ledger.usecases import dispensing
from ledger.vocabulary.medium_record import EPOCH_MAX, SLOTS_MAX, UID_LENGTH

SERIAL_MAX = 32


class DispenseIn(Strict):
    reading = fields.Nested(CardReading, required=True)
    slot = Whole(most=SLOTS_MAX - 1, required=True)
    epoch = Whole(least=1, most=EPOCH_MAX, required=True)
    answered = Flag(
        required=True,
        metadata=about("Whether the holder's answer was the one that is sealed."),
    )


class DispenseOut(Strict):
    job_id = fields.UUID()
    lease_until = Time()
    write = fields.Nested(MediumWriteOut, metadata=about("The mark to make."))


class MarkIn(OutcomeIn):
    serial = Text(most=SERIAL_MAX, required=True, metadata=about("", "D1-000017"))
    uid = Hex(size=UID_LENGTH, metadata=about("The leased ticket's, unless said."))
    write_id = Id(metadata=about("The lease's, unless said."))


class PrintOut(Strict):
    """What the paper says."""

    serial = fields.String()
    code = fields.String(metadata=about("Printed as a QR code."))
    title = fields.String()
    right = fields.String()
    not_before = Time()
    not_after = Time()
    ticket_id = fields.UUID()
    origin = fields.String()


class MarkOut(Strict):
    print = fields.Nested(PrintOut)


class PrintedIn(Strict):
    serial = Text(most=SERIAL_MAX, required=True)
    device_time = Time(load_default=None, allow_none=True)


class AbortedIn(Strict):
    reason = Text(required=True)


def blueprint(
    ledger: Ledger,
    cards: CardAuthority,
    secrets: Secrets,
    clock: Clock,
    *,
    origin: str,
) -> Blueprint:
    routes = Routes(
        "dispenses", "/v1/tickets/<uuid:ticket_id>/dispenses", "Tickets onto paper."
    )

    @routes.post("", takes=DispenseIn, gives=DispenseOut)
    def start(body: Json, ticket_id: UUID) -> Answer:
        """Lease a ticket that lies before me on a card."""
        reading = reading_of(body["reading"])
        job_id, write_id = new_id(), new_id()
        lease = attempt(
            lambda: dispensing.start(
                ledger,
                ticket_id=ticket_id,
                reading=reading,
                slot=body["slot"],
                expected_epoch=body["epoch"],
                answered=body["answered"],
                device_id=device(),
                job_id=job_id,
                write_id=write_id,
                at=clock.now(),
                cause=cause(),
            )
        )
        key = cards.record_public_key(reading.uid).public_bytes_raw()
        answer = {
            "job_id": job_id,
            "lease_until": lease.until,
            "write": write_out(lease.write, record_key=key, origin=origin),
        }
        return answer, recorded(lease.position)

    @routes.put("/<uuid:job_id>/mark", takes=MarkIn, gives=MarkOut)
    def mark(body: Json, ticket_id: UUID, job_id: UUID) -> Answer:
        """Hand in the card's proof of its mark; printing one paper is allowed then."""
        uid, write_id = leased_write(ledger, ticket_id, body)
        allowed = attempt(
            lambda: dispensing.mark(
                ledger,
                cards,
                secrets,
                ticket_id=ticket_id,
                job_id=job_id,
                uid=uid,
                write_id=write_id,
                proof=proof_of(body),
                serial=body["serial"],
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"print": printed_out(allowed, origin)}, recorded(allowed.position)

    @routes.put("/<uuid:job_id>/printed", takes=PrintedIn, gives=NothingOut)
    def printed(body: Json, ticket_id: UUID, job_id: UUID) -> Answer:
        """Report the paper: the right is on it from now on. May be said again."""
        told: dict[str, Any] = {}
        if body["device_time"] is not None:
            told["device_time"] = body["device_time"].isoformat()
        position = attempt(
            lambda: dispensing.printed(
                ledger,
                ticket_id=ticket_id,
                job_id=job_id,
                serial=body["serial"],
                device_id=device(),
                device_time=body["device_time"],
                at=clock.now(),
                cause=cause(**told),
            )
        )
        return {}, recorded(position)

    @routes.put("/<uuid:job_id>/aborted", takes=AbortedIn, gives=NothingOut)
    def aborted(body: Json, ticket_id: UUID, job_id: UUID) -> Answer:
        """Report that no paper was printed."""
        position = attempt(
            lambda: dispensing.abort(
                ledger,
                ticket_id=ticket_id,
                job_id=job_id,
                reason=body["reason"],
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {}, recorded(position)

    return routes.blueprint


def printed_out(allowed: dispensing.Print, origin: str) -> dict[str, Any]:
    ticket = allowed.ticket
    return {
        "serial": allowed.serial,
        "code": allowed.code,
        "title": allowed.ticket.title,
        "right": ticket.right,
        "not_before": ticket.not_before,
        "not_after": ticket.not_after,
        "ticket_id": ticket.id,
        "origin": origin,
    }
