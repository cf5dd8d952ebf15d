"""Sending an e-ticket to a user terminal: signed by the issuer, sealed for it alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.e_ticket.refusals import NoLongerValid, NotTheOwner
from ledger.application import Ledger
from ledger.ports import PersonalData, Secrets
from ledger.usecases.parties import public_key_of
from ledger.vocabulary.codes import Question
from ledger.vocabulary.sealed_ticket import (
    HolderCheck,
    TicketClaims,
    Transmission,
    answer_digest,
    seal,
    sign,
)


@dataclass(frozen=True, slots=True)
class Transmitted:
    sealed: bytes
    epoch: int
    position: int


def transmit(
    ledger: Ledger,
    personal: PersonalData,
    secrets: Secrets,
    *,
    ticket_id: UUID,
    terminal_id: UUID,
    by: UUID,
    origin: str,
    at: datetime,
) -> Transmitted:
    """Send the owner's ticket, as it is now, to a terminal. Records nothing.

    A ticket whose validity is over is not sent, whether `Expired` was recorded or not.
    """
    ticket = ledger.ticket(ticket_id)
    if ticket.owner_id != by:
        raise NotTheOwner(because=ticket.names(ticket.title_version))
    ticket.require_owned()
    if is_over(ticket.not_after, at):
        raise NoLongerValid(
            not_after=ticket.not_after.isoformat(),
            because=ticket.names(ticket.validity_version),
        )
    terminal = ledger.device(terminal_id)
    terminal.require("terminal")
    sealed = sealed_for(
        terminal, personal, secrets, ticket=ticket, epoch=ticket.epoch, origin=origin
    )
    return Transmitted(sealed, ticket.epoch, ledger.position())


def sealed_for(
    terminal: Device,
    personal: PersonalData,
    secrets: Secrets,
    *,
    ticket: ETicket,
    epoch: int,
    origin: str,
) -> bytes:
    """Sign a ticket at an epoch and seal it for a terminal's public key.

    Every credential is made here, so none is made of a ticket that has ended.
    """
    ticket.require_owned()
    claims = TicketClaims(
        ticket_id=ticket.id,
        epoch=epoch,
        offering_id=ticket.offering_id,
        kind=ticket.kind,
        right=ticket.right,
        not_before=ticket.not_before,
        not_after=ticket.not_after,
        uses=ticket.uses.left,
        check=_check(personal, ticket),
    )
    signed = sign(claims, key=secrets.issuer_key(), origin=origin)
    context = Transmission(origin, ticket.id, epoch, terminal.id)
    return seal(signed, to=public_key_of(terminal), context=context)


def _check(personal: PersonalData, ticket: ETicket) -> HolderCheck | None:
    """Digest the holder's answer; an erased person can no longer be asked."""
    if ticket.question is None or ticket.check_sealed is None:
        return None
    answer = personal.open(ticket.owner_id, ticket.check_sealed)
    if answer is None:
        return None
    return HolderCheck(Question(ticket.question), answer_digest(ticket.id, answer))
