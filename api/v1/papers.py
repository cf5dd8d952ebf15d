"""Papers in people's hands: which a ticket had, checked, taken back, replaced."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, device, has
from api.openapi.fields import Choice, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.dispenses import SERIAL_MAX, PrintOut, printed_out
from api.v1.schemas import NothingOut
from api.v1.tickets import readable
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.ports import Secrets
from ledger.usecases import papers
from ledger.vocabulary.codes import Role

CODE_MAX = 100
_STATE = Choice(
    "valid", "held", "dead", "unknown", metadata=about("Held: ask the centre.")
)


class PaperIn(Strict):
    """A paper as it lies there: both stand on it."""

    serial = Text(most=SERIAL_MAX, required=True, metadata=about("", "D1-000017"))
    code = Text(most=CODE_MAX, required=True, metadata=about("From its QR code."))


class CheckedOut(Strict):
    """What the person at the door is told; nothing of a ticket if it is unknown."""

    state = _STATE
    code = fields.String(
        allow_none=True, metadata=about("Why it is not valid.", "already_dispensed")
    )
    says = fields.String()
    ticket_id = fields.UUID(allow_none=True)
    title = fields.String()
    right = fields.String()


class PaperNowOut(Strict):
    serial = fields.String()
    numbered_at = Time()
    state = _STATE
    code = fields.String(allow_none=True)
    says = fields.String()


class PapersOut(Strict):
    papers = fields.List(fields.Nested(PaperNowOut))


class SpoiltIn(Strict):
    serial = Text(most=SERIAL_MAX, required=True, metadata=about("The spoilt one's."))
    new_serial = Text(most=SERIAL_MAX, required=True)
    reason = Text(required=True, metadata=about("", "the printer jammed"))


class ReplacedOut(Strict):
    print = fields.Nested(PrintOut)


def blueprint(
    ledger: Ledger, secrets: Secrets, clock: Clock, *, origin: str
) -> Blueprint:
    routes = Routes("papers", "/v1", "Papers in people's hands.")

    @routes.get("/tickets/<uuid:ticket_id>/papers", gives=PapersOut)
    def list_papers(ticket_id: UUID) -> Any:
        """List every paper that a ticket had, and what each is worth now."""
        readable(ledger, ticket_id)
        found = papers.of_ticket(ledger, ticket_id=ticket_id, at=clock.now())
        return {"papers": found}

    @routes.post("/papers/checks", takes=PaperIn, gives=CheckedOut, status=200)
    def check(body: Json) -> Answer:
        """Say what a paper is worth that is shown at the door."""
        told = papers.check(
            ledger,
            secrets,
            serial=body["serial"],
            code=body["code"],
            at=clock.now(),
        )
        return told, recorded(ledger.position())

    @routes.post("/papers/surrenders", takes=PaperIn, gives=NothingOut)
    def surrender(body: Json) -> Answer:
        """Take a paper back: its serial is dead, the right electronic again.

        By a dispenser that takes it in, or by an operator who has it.
        """
        position = attempt(
            lambda: papers.surrender(
                ledger,
                secrets,
                serial=body["serial"],
                code=body["code"],
                device_id=None if has(Role.OPERATOR) else device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return {}, recorded(position)

    @routes.put("/papers/replacements/<uuid:job_id>", takes=SpoiltIn, gives=ReplacedOut)
    def replace(body: Json, job_id: UUID) -> Answer:
        """Replace a paper of mine that came out spoilt, at once. May be said again.

        `job_id` is fresh, of the machine's making.
        """
        allowed = attempt(
            lambda: papers.replace_spoilt(
                ledger,
                secrets,
                old_serial=body["serial"],
                new_serial=body["new_serial"],
                device_id=device(),
                job_id=job_id,
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"print": printed_out(allowed, origin)}, recorded(allowed.position)

    return routes.blueprint
