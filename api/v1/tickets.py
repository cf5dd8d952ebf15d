"""E-tickets: what I own, what became of one, and its way to my terminal."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, has, party
from api.openapi.fields import Base64, Id, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import Waiting, recorded
from api.v1.schemas import ChangesIn, TicketOut, changes_of
from ledger.aggregates.e_ticket import ETicket, LockKind
from ledger.application import Ledger, TicketUnknown, attempt
from ledger.clock import Clock
from ledger.ports import PersonalData, Secrets
from ledger.projections.ownership import OwnershipView
from ledger.projections.wallet import WalletView
from ledger.usecases import audit, modification, transmission
from ledger.vocabulary.codes import Role
from ledger.vocabulary.sealed_ticket import SEALED_MAX


class MomentAsked(Strict):
    as_of = Text(
        most=40,
        load_default=audit.NOW,
        metadata=about("A position, or a time with its zone; now, unless said.", "57"),
    )


class WalletOut(Strict):
    tickets = fields.List(fields.Nested(TicketOut))


class EventOut(Strict):
    """One recorded event; personal data is left out."""

    position = fields.Integer(metadata=about("Its place in the log."))
    version = fields.Integer(metadata=about("Its place in the ticket's own history."))
    event = fields.String(metadata=about("", "GiftAccepted"))
    at = Time()
    by = fields.String(metadata=about("The party or device that caused it."))
    facts = fields.Dict()


class HistoryOut(Strict):
    events = fields.List(fields.Nested(EventOut))


class OwnerOut(Strict):
    """One owner, from the event that made him so until the next one."""

    owner_id = fields.UUID()
    event = fields.String(metadata=about("", "Resold"))
    position = fields.Integer()
    version = fields.Integer()
    since = Time()
    until = Time(allow_none=True)


class OwnersOut(Strict):
    owners = fields.List(fields.Nested(OwnerOut))


class TransmissionIn(Strict):
    terminal_id = Id(required=True)


class TransmissionOut(Strict):
    """A ticket signed by its issuer and sealed for one terminal."""

    sealed = Base64(most=SEALED_MAX, metadata=about("COSE_Encrypt0 over COSE_Sign1."))
    epoch = fields.Integer()
    terminal_id = fields.UUID()
    origin = fields.String()


class ModificationIn(ChangesIn):
    """What it shall say instead; what is left out stays."""

    reason = Text(required=True)


class ModificationOut(Strict):
    epoch = fields.Integer(metadata=about("Copies of an earlier epoch are stale now."))


def blueprint(
    ledger: Ledger,
    personal: PersonalData,
    secrets: Secrets,
    wallet: WalletView,
    ownership_view: OwnershipView,
    waiting: Waiting,
    clock: Clock,
    *,
    origin: str,
) -> Blueprint:
    routes = Routes("tickets", "/v1/tickets", "E-tickets.", waiting=waiting)

    @routes.get("", gives=WalletOut, view="wallet")
    def list_mine() -> Any:
        """List the tickets that I own."""
        return {"tickets": wallet.of_owner(party())}

    @routes.get("/<uuid:ticket_id>", gives=TicketOut, asks=MomentAsked, versioned=True)
    def look_at(asked: Json, ticket_id: UUID) -> Any:
        """Tell a ticket as it is now, or was at a moment."""
        ticket, when = readable(ledger, ticket_id), audit.when_of(asked["as_of"])
        if when is not None:
            ticket = audit.ticket_at(ledger, ticket_id=ticket_id, when=when)
        return _told(ticket)

    @routes.get("/<uuid:ticket_id>/history", gives=HistoryOut, asks=MomentAsked)
    def history(asked: Json, ticket_id: UUID) -> Any:
        """Tell every event recorded about a ticket, oldest first."""
        readable(ledger, ticket_id)
        when = audit.when_of(asked["as_of"])
        return {"events": audit.history(ledger, ticket_id=ticket_id, when=when)}

    @routes.get(
        "/<uuid:ticket_id>/owners", gives=OwnersOut, asks=MomentAsked, view="ownership"
    )
    def owners(asked: Json, ticket_id: UUID) -> Any:
        """Tell who owned a ticket when, and by which event."""
        readable(ledger, ticket_id)
        when = audit.when_of(asked["as_of"])
        if when is None:
            return {"owners": ownership_view.chain(ticket_id)}
        return {"owners": audit.owners(ledger, ticket_id=ticket_id, when=when)}

    @routes.post(
        "/<uuid:ticket_id>/transmissions", takes=TransmissionIn, gives=TransmissionOut
    )
    def transmit(body: Json, ticket_id: UUID) -> Answer:
        """Send my ticket, sealed, to a user terminal."""
        sent = transmission.transmit(
            ledger,
            personal,
            secrets,
            ticket_id=ticket_id,
            terminal_id=body["terminal_id"],
            by=party(),
            origin=origin,
            at=clock.now(),
        )
        answer = {
            "sealed": sent.sealed,
            "epoch": sent.epoch,
            "terminal_id": body["terminal_id"],
            "origin": origin,
        }
        return answer, recorded(sent.position)

    @routes.post(
        "/<uuid:ticket_id>/modifications",
        takes=ModificationIn,
        gives=ModificationOut,
        matches="ticket_id",
        previewed=True,
    )
    def modify(body: Json, ticket_id: UUID) -> Answer:
        """Change what a ticket says, as its issuer."""
        moved = attempt(
            lambda: modification.modify(
                ledger,
                ticket_id=ticket_id,
                by=party(),
                changes=changes_of(body),
                reason=body["reason"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return moved, recorded(moved.position)

    return routes.blueprint


def readable(ledger: Ledger, ticket_id: UUID) -> ETicket:
    """Return a ticket that the caller may see; not yours answers like not there."""
    ticket = ledger.ticket(ticket_id)
    if has(Role.OPERATOR) or has(Role.AUDITOR):
        return ticket
    if has(Role.BUYER) and ticket.owner_id == party():
        return ticket
    if has(Role.ISSUER) and ticket.issuer_id == party():
        return ticket
    raise TicketUnknown


def _told(ticket: ETicket) -> dict[str, Any]:
    free = ticket.lock.kind == LockKind.NONE
    return {
        **vars(ticket),
        "ticket_id": ticket.id,
        "lock": None if free else ticket.lock,
        "form": {
            "kind": ticket.form.kind.lower(),
            "medium_uid": ticket.form.medium_uid,
            "slot": ticket.form.slot,
            "serial": ticket.form.serial,
        },
        "version": ticket.version,
    }
