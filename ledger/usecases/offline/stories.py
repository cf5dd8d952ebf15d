"""A fact that a machine reports goes into the stories of ticket, paper and medium."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import CaseType
from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket, HoldKind, Life
from ledger.aggregates.medium import Change, Medium
from ledger.aggregates.paper import Paper
from ledger.application import Work
from ledger.usecases import gift_lines, media
from ledger.usecases.coupons import receipt_of
from ledger.usecases.dispensing import number_paper
from ledger.usecases.offline.doubts import (
    ALL,
    FLAG,
    STAYS,
    Doubt,
    about_machine,
    about_medium,
    after_loss,
    is_before_loss,
)
from ledger.usecases.offline.facts import (
    MACHINE,
    Fact,
    PrintedOffline,
    RedeemedOffline,
    kind_of,
)
from ledger.vocabulary.ids import medium_id, paper_id
from ledger.vocabulary.medium_record import SlotStatus


def story_goes_on(
    work: Work,
    device: Device,
    fact: Fact,
    stream: UUID,
    number_used: bool,  # noqa: FBT001 - named at its one call
    at: datetime,
) -> tuple[bool, list[Doubt]]:
    """Take the fact into the ticket's story; return whether it fits, and doubts."""
    ticket = work.find(ETicket, fact.ticket_id)
    if ticket is None:
        why = "the ticket is not known here"
        return False, [Doubt(CaseType.OFFLINE_CONFLICT, why, FLAG)]
    doubts = list(about_machine(device, fact, ticket))
    if number_used:
        why = "the machine has used this number for another fact"
        doubts.append(Doubt(CaseType.DISPENSER_FAULT, why, STAYS))
    # Nothing that it says moves a ticket or a card; what it says is kept.
    contradicted = number_used or bool(device.revoked_version)
    contradicted = contradicted or device.kind != MACHINE[kind_of(fact)]
    medium = work.find(Medium, medium_id(fact.mark.uid))
    if isinstance(fact, PrintedOffline):
        agrees, doubt = _printed(
            work, device, fact, ticket, medium, stream, contradicted, at
        )
    else:
        agrees, doubt = _redeemed(work, device, fact, ticket, medium, contradicted, at)
    if agrees and ticket.life != Life.OWNED:
        gift_lines.go_on(work, [ticket.id], at=at)
    if medium is not None:
        doubts += about_medium(medium)
        lost = after_loss(medium, fact, ticket)
        doubt = lost or doubt
        accused = None if contradicted else marked(work, device, fact, medium, at)
        doubts += [accused] if accused else []
    return agrees, [*doubts, doubt] if doubt else doubts


def _printed(
    work: Work,
    device: Device,
    fact: PrintedOffline,
    ticket: ETicket,
    medium: Medium | None,
    stream: UUID,
    contradicted: bool,  # noqa: FBT001 - named at its one call
    at: datetime,
) -> tuple[bool, Doubt | None]:
    paper = work.find(Paper, paper_id(fact.serial))
    if paper is None:
        number_paper(
            work,
            serial=fact.serial,
            ticket_id=ticket.id,
            job_id=stream,
            device_id=device.id,
            at=at,
        )
    elsewhere = paper is not None and paper.ticket_id != ticket.id
    agrees = ticket.observe_dispense(
        serial=fact.serial,
        device_id=device.id,
        medium_uid=fact.mark.uid.hex(),
        slot=fact.mark.slot,
        epoch=fact.epoch,
        device_time=fact.device_time,
        device_seq=fact.device_seq,
        known_position=fact.known_position,
        before_loss=medium is not None and is_before_loss(medium, fact),
        contradicted=contradicted or elsewhere,
        at=at,
    )
    if agrees:
        return True, None
    if elsewhere:
        why = "the serial stands on another ticket's paper"
        return False, Doubt(CaseType.DUPLICATE_DISPENSE, why, ALL)
    if ticket.life == Life.DISPENSED:
        why = "the ticket was on paper already"
        return False, Doubt(CaseType.DUPLICATE_DISPENSE, why, ALL)
    why = "the copy on the card was not the ticket's valid form"
    return False, Doubt(CaseType.OFFLINE_CONFLICT, why, STAYS)


def _redeemed(
    work: Work,
    device: Device,
    fact: RedeemedOffline,
    ticket: ETicket,
    medium: Medium | None,
    contradicted: bool,  # noqa: FBT001 - named at its one call
    at: datetime,
) -> tuple[bool, Doubt | None]:
    is_current = ticket.is_copy(
        fact.mark.uid.hex(),
        fact.mark.slot,
        before_loss=medium is not None and is_before_loss(medium, fact),
    )
    receipt = receipt_of(work, device.keeper_id, fact.receipt, at=at)
    used = receipt.redeemed_by not in (None, fact.session_id)
    agrees = ticket.observe_redemption(
        session_id=fact.session_id,
        receipt=fact.receipt,
        amount=fact.amount,
        device_id=device.id,
        device_time=fact.device_time,
        device_seq=fact.device_seq,
        known_position=fact.known_position,
        contradicted=contradicted or used or not is_current,
        at=at,
    )
    if agrees:
        receipt.redeem(session_id=fact.session_id, ticket_id=ticket.id, at=at)
        return True, None
    if not (used or is_current):
        why = "the copy on the card was not the coupon's valid form"
        return False, Doubt(CaseType.OFFLINE_CONFLICT, why, STAYS)
    why = "its receipt has redeemed before" if used else "it is more than was left"
    return False, Doubt(CaseType.COUPON_ERROR, why, STAYS)


def marked(
    work: Work, device: Device, fact: Fact, medium: Medium, at: datetime
) -> Doubt | None:
    """Bring the medium to the state that the machine has written.

    If another machine says that it wrote that very state, there are two such cards.
    """
    seq, slot = fact.mark.seq, fact.mark.slot
    before = medium.slot(slot)
    if seq is None or before.ticket_id != fact.ticket_id:
        return None
    pending = medium.pending
    if pending is not None and pending.seq == seq:
        reason = "a machine wrote the card without the line"
        media.drop(work, medium, write_id=pending.write_id, reason=reason, at=at)
    if isinstance(fact, PrintedOffline):
        after = replace(before, status=int(SlotStatus.DISPENSED), uses_left=0)
    else:
        left = max(before.uses_left - fact.amount, 0)
        status = SlotStatus.LIVE if left else SlotStatus.SPENT
        after = replace(before, status=int(status), uses_left=left)
    change = Change(slot, after)
    if medium.report_mark(seq=seq, change=change, device_id=device.id, at=at):
        return None
    return Doubt(
        CaseType.CLONED_MEDIUM,
        f"another machine brought a card of this name to state {seq}",
        media.ON_THE_CARD,
        kind=HoldKind.MEDIUM,
        ticket_ids=tuple(each.id for each in media.tickets_on(work, medium)),
    )
