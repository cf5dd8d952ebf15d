"""Money that is carried on a card: kept for it, moved onto it, and taken from it.

    start_top_up ── held in the holder's account ── settle_top_up (the card's proof)
    report_debit (the card's proof)

The account in the ledger is the money; what stands on the card is how much of it a till
may take without asking. Each transaction of a card makes one entry at most, whoever
reports it and however often. docs/decisions/0029-a-purse-on-the-card.md says why so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.account import Entry, require_amount
from ledger.aggregates.device import Device
from ledger.aggregates.medium import Medium, MediumUnknown
from ledger.aggregates.medium.refusals import ProofMismatch
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Unknown
from ledger.ports import CardAuthority
from ledger.usecases.accounts import Leg, move, purse, purse_ref
from ledger.usecases.media.shapes import Proof
from ledger.vocabulary.ids import card_entry_id
from ledger.vocabulary.medium_record import (
    PURSE_CURRENCY,
    PURSE_FILE,
    PURSE_MAX_MINOR,
)
from ledger.vocabulary.money import Money

# So long money waits for a card's proof; afterwards it is the holder's again.
TOP_UP_HELD_S = 30 * 24 * 3600
CREDIT, DEBIT, LIMITED_CREDIT = 0x0C, 0xDC, 0x1C


class TooMuchForAPurse(Conflict):
    code = "limit"
    says = "A card's purse holds {most_minor} minor units at most."


@dataclass(frozen=True, slots=True)
class Done:
    position: int


def start_top_up(
    ledger: Ledger,
    *,
    uid: bytes,
    amount_minor: int,
    top_up_id: UUID,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> Done:
    """Keep a part of the holder's e-money for the purse on a card of theirs.

    Raises `InsufficientFunds`, or what a medium refuses that is not to be written.
    """
    require_amount(amount_minor)
    if amount_minor > PURSE_MAX_MINOR:
        raise TooMuchForAPurse(most_minor=PURSE_MAX_MINOR)
    work = ledger.work()
    work.get(Device, device_id, Unknown(what="device")).require("personaliser")
    medium = _card(work, uid)
    medium.require_trusted()
    purse(work, purse_ref(medium.holder_id, PURSE_CURRENCY), at=at).hold(
        purpose_id=top_up_id,
        amount_minor=amount_minor,
        until=at + timedelta(seconds=TOP_UP_HELD_S),
        at=at,
    )
    return Done(work.record(cause))


def settle_top_up(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    top_up_id: UUID,
    proof: Proof,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> Done:
    """Move what was held onto the card, by the card's proof; or let it go.

    A proof that comes after the money was let go is of money that the card has: it is
    taken from the account even so.
    """
    work = ledger.work()
    work.get(Device, device_id, Unknown(what="device")).require("personaliser")
    medium = _card(work, uid)
    account = purse(work, purse_ref(medium.holder_id, PURSE_CURRENCY), at=at)
    if not proof.committed:
        reason = proof.reason or "the card was not topped up"
        account.release(purpose_id=top_up_id, reason=reason, at=at)
        return Done(work.record(cause))
    amount = _moved(cards, medium, proof, by=CREDIT)
    reference = f"medium/{medium.uid}/{top_up_id}"
    if not _is_new(work, medium, proof, reference):
        return Done(ledger.position())
    held = account.holds.get(str(top_up_id))
    if held is not None and held.amount_minor != amount:
        raise ProofMismatch(because=medium.names(1))
    money = Money(amount, PURSE_CURRENCY)
    taken = Money(-amount, PURSE_CURRENCY)
    move(
        work,
        entry_id=card_entry_id(medium.id, proof.transaction_counter),
        legs=[
            Leg(
                purse_ref(medium.holder_id, PURSE_CURRENCY),
                taken,
                purpose_id=top_up_id if held else None,
            ),
            Leg(carried_by(medium.uid), money),
        ],
        reason="card purse topped up",
        reference=reference,
        at=at,
        overdraw=True,
    )
    return Done(work.record(cause))


def report_debit(
    ledger: Ledger,
    cards: CardAuthority,
    *,
    uid: bytes,
    payment_id: UUID,
    receipt: str,
    proof: Proof,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> Done:
    """Record what a till took from a card's purse: a fact, whatever became of the card.

    One that was given up needs no entry. Raises `ProofMismatch`.
    """
    work = ledger.work()
    till = work.get(Device, device_id, Unknown(what="device"))
    till.require("point_of_sale")
    medium = _card(work, uid)
    if not proof.committed:
        return Done(ledger.position())
    amount = _moved(cards, medium, proof, by=DEBIT)
    reference = f"{payment_id}/{receipt}"
    if not _is_new(work, medium, proof, reference):
        return Done(ledger.position())
    shop_id = till.keeper_id
    move(
        work,
        entry_id=card_entry_id(medium.id, proof.transaction_counter),
        legs=[
            Leg(carried_by(medium.uid), Money(-amount, PURSE_CURRENCY)),
            Leg(owed_to(shop_id), Money(amount, PURSE_CURRENCY)),
        ],
        reason="paid from a card's purse",
        reference=reference,
        at=at,
    )
    return Done(work.record(cause))


def carried_by(uid: str) -> str:
    """Name the account of what a card carries; below zero it took what it never had."""
    return f"card-purse/{uid}/{PURSE_CURRENCY}"


def owed_to(shop_id: UUID) -> str:
    """Name what a shop is owed for purchases that cards have paid."""
    return f"card-purse-sales/{shop_id}/{PURSE_CURRENCY}"


def _card(work: Work, uid: bytes) -> Medium:
    medium = work.medium(uid)
    if medium.can_be_copied:
        raise MediumUnknown  # A flash card or a disk has no purse.
    return medium


def _moved(cards: CardAuthority, medium: Medium, proof: Proof, *, by: int) -> int:
    """Return what one proven transaction moved on the purse, by this command alone."""
    moves = [op for op in proof.operations if op.cmd in (CREDIT, DEBIT, LIMITED_CREDIT)]
    proven = cards.proves(
        uid=bytes.fromhex(medium.uid),
        transaction_counter=proof.transaction_counter,
        transaction_mac=proof.transaction_mac,
        operations=proof.operations,
    )
    if not proven or [(op.cmd, op.file) for op in moves] != [(by, PURSE_FILE)]:
        raise ProofMismatch(because=medium.names(1))
    return int.from_bytes(moves[0].data, "little", signed=True)


def _is_new(work: Work, medium: Medium, proof: Proof, reference: str) -> bool:
    """Whether this transaction of the card has no entry yet.

    One that stands for something else is refused: a proof pays once.
    """
    entry_id = card_entry_id(medium.id, proof.transaction_counter)
    entry = work.find(Entry, entry_id)
    if entry is not None and entry.reference != reference:
        raise ProofMismatch(because=medium.names(1))
    return entry is None
