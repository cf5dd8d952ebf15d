"""An e-coupon and a purchase: lease a use, mark it on the card, record it, reverse it.

A receipt of a shop redeems once, whichever coupon; a redemption can be taken back by
its shop for a while, and is final then: what issuer and shop settle counts that alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.device import Device, DeviceNotAuthorised
from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.e_ticket.refusals import RedemptionUnknown
from ledger.aggregates.medium import Reading
from ledger.aggregates.receipt import Receipt
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Malformed, Unknown
from ledger.ports import CardAuthority
from ledger.usecases import gift_lines, media
from ledger.usecases.media import MediumWrite, Proof
from ledger.vocabulary.ids import medium_id, receipt_id
from ledger.vocabulary.medium_record import SlotStatus
from ledger.vocabulary.money import Money

LEASE_S = 120
# So long a shop takes a redemption back by itself; then it is final.
REVERSAL_S = 14 * 24 * 3600
# How a purchase with a coupon may be paid.
TENDERS = ("card", "e-money", "points", "cash")


class BadTender(Malformed):
    code = "malformed"
    says = "A purchase is paid by one of these: {tenders}."


class OtherCurrency(Conflict):
    code = "limit"
    says = "The coupon is worth money in {currency}; the purchase is in another."


class MoreThanThePurchase(Conflict):
    code = "limit"
    says = "A coupon pays {purchase_minor} minor units at most, the purchase's price."


class Final(Conflict):
    code = "expired"
    says = "The redemption became final at {until}; a decision alone undoes it."


class OtherShop(DeviceNotAuthorised):
    code = "device_not_authorised"
    says = "Only the shop that redeemed a coupon takes that back."


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
    amount: int = 1,
    tender: str | None = None,
) -> Session:
    """Lease a use of a coupon, or `amount` of it, and prepare its mark on the card.

    `amount` is in the coupon's unit: uses, or minor units. `tender` says how the
    purchase is paid: by credit card, from the purse on an IC card, with points.
    """
    work = ledger.work()
    work.fetch(ticket_id, device_id, medium_id(reading.uid))
    ticket = work.ticket(ticket_id)
    shop_id = _require_till(work, device_id, ticket).keeper_id
    medium = work.medium(reading.uid)
    ticket.require_owned()
    media.require_fresh(work, medium, reading)
    _require_purchase(ticket, purchase, amount, tender)
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
        amount=amount,
        tender=tender,
        until=until,
        at=at,
    )
    receipt_of(work, shop_id, receipt, at=at).claim_for(
        session_id=session_id, ticket_id=ticket_id, until=until, at=at
    )
    left = ticket.uses.left - amount
    status = SlotStatus.LIVE if left else SlotStatus.SPENT
    used = replace(medium.slot(slot), status=int(status), uses_left=left)
    write = media.prepare_mark(
        medium, write_id=write_id, slot=slot, after=used, device_id=device_id, at=at
    )
    return Session(session_id, until, write, work.record(cause))


def receipt_of(work: Work, shop_id: UUID, receipt: str, *, at: datetime) -> Receipt:
    """Return a shop's receipt, beginning its story if need be."""
    stream = receipt_id(shop_id, receipt)
    known = work.find(Receipt, stream)
    return known or work.add(
        Receipt.begin(receipt_id=stream, shop_id=shop_id, receipt=receipt, at=at)
    )


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
    work = ledger.work()
    work.fetch(ticket_id, device_id, medium_id(uid))
    till = work.get(Device, device_id, Unknown(what="device"))
    till.require("point_of_sale")
    ticket = work.ticket(ticket_id)
    if str(session_id) in ticket.redemptions:
        return Redeemed(ticket.uses.left, work.reached())  # Said again.
    medium = work.medium(uid)
    leased = ticket.lease.receipt if ticket.lease else None
    session = {"session_id": session_id, "write_id": write_id, "device_id": device_id}
    if proof.committed:
        medium.require_trusted()  # It may have been reported lost since the lease.
        ticket.redeem(**session, at=at)
        if ticket.life == Life.SPENT:
            gift_lines.go_on(work, [ticket_id], at=at)
    else:
        ticket.release_redemption(**session, reason=proof.reason, at=at)
    if leased is not None:
        receipt = receipt_of(work, till.keeper_id, leased, at=at)
        if proof.committed:
            receipt.redeem(session_id=session_id, ticket_id=ticket_id, at=at)
        else:
            receipt.release(session_id=session_id, at=at)
    # A mark sends no body, so it changes no other ticket.
    media.settle(work, cards, medium, write_id=write_id, proof=proof, at=at)
    return Redeemed(ticket.uses.left, work.record(cause))


def reverse(
    ledger: Ledger,
    *,
    ticket_id: UUID,
    session_id: UUID,
    reversal_id: UUID,
    amount: int,
    reason: str,
    device_id: UUID,
    at: datetime,
    cause: Cause,
) -> Redeemed:
    """Take back what one redemption took, or a part, at a till of the same shop.

    Its receipt stays used, and the coupon ends when it would have ended. The card
    shows it after its next tap at a terminal.
    """
    work = ledger.work()
    ticket = work.ticket(ticket_id)
    shop_id = _require_till(work, device_id, ticket).keeper_id
    done = ticket.redemptions.get(str(session_id))
    if done is None:
        raise RedemptionUnknown
    if work.get(Device, done.device_id, Unknown(what="device")).keeper_id != shop_id:
        raise OtherShop(because=ticket.names(done.version))
    until = done.at + timedelta(seconds=REVERSAL_S)
    if is_over(until, at) and str(reversal_id) not in ticket.reversals:
        raise Final(until=until.isoformat(), because=ticket.names(done.version))
    ticket.reverse_redemption(
        session_id=session_id,
        reversal_id=reversal_id,
        amount=amount,
        reason=reason,
        at=at,
    )
    return Redeemed(ticket.uses.left, work.record(cause))


def _require_till(work: Work, device_id: UUID, ticket: ETicket) -> Device:
    """Raise unless this is a point of sale that may redeem this coupon."""
    till = work.get(Device, device_id, Unknown(what="device"))
    till.require(
        "point_of_sale", issuer_id=ticket.issuer_id, offering_id=ticket.offering_id
    )
    return till


def _require_purchase(
    ticket: ETicket, purchase: Money, amount: int, tender: str | None
) -> None:
    """What is bought is paid in a way we know; worth in money fits what it pays for."""
    if tender is not None and tender not in TENDERS:
        raise BadTender(tenders=", ".join(TENDERS))
    if ticket.uses.unit != "money":
        return
    if purchase.currency != ticket.currency:
        raise OtherCurrency(currency=ticket.currency, because=ticket.names(1))
    if amount > purchase.amount_minor:
        raise MoreThanThePurchase(purchase_minor=purchase.amount_minor)
