"""An e-coupon and a purchase: lease a use, mark it on the card, record it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.medium import Reading
from ledger.application import Cause, Ledger
from ledger.ports import CardAuthority
from ledger.usecases import media
from ledger.usecases.dispensing import require_fresh
from ledger.usecases.media import MediumWrite, Proof
from ledger.vocabulary.medium_record import SlotStatus
from ledger.vocabulary.money import Money

LEASE_S = 120


@dataclass(frozen=True, slots=True)
class Session:
    session_id: UUID
    until: datetime
    write: MediumWrite
    position: int


def start(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    reading: Reading,
    slot: int,
    expected_epoch: int,
    receipt: str,
    purchase: Money,
    device_id: UUID,
    session_id: UUID,
    write_id: UUID,
    at: datetime,
    cause: Cause,
) -> Session:
    """Lease one use of a coupon and prepare its mark on the card."""
    ledger.device(device_id).require("point_of_sale")
    medium = ledger.medium(reading.uid)
    ticket = ledger.ticket(ticket_id)
    ticket.require_owned()
    require_fresh(ledger, medium, reading)
    until = at + timedelta(seconds=LEASE_S)
    ticket.start_redemption(
        session_id=session_id,
        write_id=write_id,
        device_id=device_id,
        expected_epoch=expected_epoch,
        medium_uid=medium.uid,
        slot=slot,
        receipt=receipt,
        purchase_minor=purchase.amount_minor,
        currency=purchase.currency,
        until=until,
        at=at,
    )
    left = ticket.uses.left - 1
    status = SlotStatus.LIVE if left else SlotStatus.SPENT
    used = replace(medium.slot(slot), status=int(status), uses_left=left)
    write = media.prepare_mark(
        medium, write_id=write_id, slot=slot, after=used, device_id=device_id, at=at
    )
    position = ledger.record(ticket, medium, cause=cause)
    return Session(session_id, until, write, position)


@dataclass(frozen=True, slots=True)
class Redeemed:
    uses_left: int
    position: int


def redeem(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    ticket_id: UUID,
    session_id: UUID,
    uid: bytes,
    write_id: UUID,
    proof: Proof,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> Redeemed:
    """Take the card's proof and record the use; or release the use if there is none."""
    ledger.device(device_id).require("point_of_sale")
    ticket = ledger.ticket(ticket_id)
    if str(session_id) in ticket.redemptions:
        return Redeemed(ticket.uses.left, ledger.position())  # Said again.
    medium = ledger.medium(uid)
    if proof.committed:
        ticket.redeem(
            session_id=session_id, write_id=write_id, device_id=device_id, at=at
        )
    else:
        ticket.release_redemption(
            session_id=session_id,
            write_id=write_id,
            device_id=device_id,
            reason=proof.reason,
            at=at,
        )
    # A mark sends no body, so it changes no other ticket.
    media.settle(ledger, cards, medium, write_id=write_id, proof=proof, at=at)
    position = ledger.record(ticket, medium, cause=cause)
    return Redeemed(ticket.uses.left, position)
