"""What machines did while the line was down: each fact is recorded once, none dropped.

A fact that fits the ledger's story becomes part of it. One that contradicts it is kept
beside it, and in the same commit a case is opened in which somebody looks. What a
machine may not have done is a fact all the same. Its clock is evidence: it decides
nothing but whether a lost card was used before it was reported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from ledger.aggregates.case import CaseType
from ledger.aggregates.device import Device, DeviceKind, DeviceNotAuthorised
from ledger.aggregates.e_ticket import ETicket, HoldEffect, HoldKind, Life
from ledger.aggregates.e_ticket.dispensing import check_serial
from ledger.aggregates.medium import Change, Medium
from ledger.aggregates.offline_fact import OfflineFact
from ledger.aggregates.paper import Paper
from ledger.application import Cause, Ledger, Work
from ledger.errors import Malformed, Unknown
from ledger.usecases import cases, gift_lines, media
from ledger.usecases.coupons import receipt_of
from ledger.usecases.dispensing import number_paper
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.ids import case_id, fact_id, medium_id, paper_id
from ledger.vocabulary.medium_record import SLOTS_MAX, SlotStatus

FACTS_MAX = 200
OPENED_BY = "ledger"

_ALL = (
    HoldEffect.NO_TITLE,
    HoldEffect.NO_DISPENSE,
    HoldEffect.NO_REDEEM,
    HoldEffect.NO_REFUND,
)
_STAYS = (HoldEffect.NO_TITLE, HoldEffect.NO_REFUND)
_FLAG = (HoldEffect.FLAG_ONLY,)

# Which machine can have done what.
_MACHINE: Mapping[str, DeviceKind] = {
    "dispensed": "dispenser",
    "redeemed": "point_of_sale",
}


class BadFact(Malformed):
    code = "malformed"
    says = "{says}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the card was marked; `seq` is the state the card was brought to by it."""

    uid: bytes
    slot: int
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class PrintedOffline:
    """A paper came out. `epoch` is what the copy on the card said."""

    device_seq: int
    device_time: datetime
    known_position: int
    ticket_id: UUID
    serial: str
    mark: Mark
    epoch: int


@dataclass(frozen=True, slots=True)
class RedeemedOffline:
    """A coupon was used: `amount` uses or minor units, for a receipt of the shop."""

    device_seq: int
    device_time: datetime
    known_position: int
    ticket_id: UUID
    session_id: UUID
    receipt: str
    amount: int
    mark: Mark


Fact: TypeAlias = PrintedOffline | RedeemedOffline


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a fact; `case_ids` are the cases in which it is looked at."""

    device_seq: int
    agrees: bool
    case_ids: tuple[UUID, ...]
    position: int


def upload(
    ledger: Ledger,
    *,
    device_id: UUID,
    facts: Sequence[Fact],
    at: datetime,
    cause: Cause,
) -> list[Outcome]:
    """Record what a machine did without the line, fact by fact, in its own order.

    Each fact is one commit, so an upload that is cut short is simply made again. Said
    again, a fact has no further effect and the same answer.
    """
    device = ledger.device(device_id)
    if device.kind not in ("dispenser", "point_of_sale"):
        raise DeviceNotAuthorised(
            why=f"it is enrolled as {device.kind}", because=device.names(1)
        )
    if len(facts) > FACTS_MAX:
        raise BadFact(says=f"An upload has at most {FACTS_MAX} facts.")
    for fact in facts:
        _check(fact)
    return [
        _take_in(ledger, device_id, fact, at=at, cause=cause)
        for fact in sorted(facts, key=lambda each: each.device_seq)
    ]


def _check(fact: Fact) -> None:
    if fact.device_time.tzinfo is None or fact.device_seq < 1:
        raise BadFact(says="A fact has a number from 1 on and a time with its zone.")
    if not 0 <= fact.mark.slot < SLOTS_MAX:
        raise BadFact(says=f"A card has {SLOTS_MAX} slots, counted from 0.")
    if isinstance(fact, PrintedOffline):
        check_serial(fact.serial)
    elif fact.amount < 1:
        raise BadFact(says="An amount redeemed is a whole number of at least 1.")


def _take_in(
    ledger: Ledger, device_id: UUID, fact: Fact, *, at: datetime, cause: Cause
) -> Outcome:
    work = ledger.work()
    digest = _digest(fact)
    stream = fact_id(device_id, fact.device_seq)
    known = work.find(OfflineFact, stream)
    number_used = known is not None and known.digest != digest
    if number_used:
        stream = fact_id(device_id, fact.device_seq, digest)
        known = work.find(OfflineFact, stream)
    if known is not None:
        return Outcome(fact.device_seq, known.agrees, known.case_ids, ledger.position())
    device = work.get(Device, device_id, Unknown(what="device"))
    agrees, doubts = _story_goes_on(work, device, fact, stream, number_used, at)
    case_ids = [_open(work, device, fact, doubt, at) for doubt in doubts]
    work.add(
        OfflineFact.report(
            fact_id=stream,
            device_id=device_id,
            device_seq=fact.device_seq,
            device_time=fact.device_time,
            known_position=fact.known_position,
            kind=_kind(fact),
            ticket_id=fact.ticket_id,
            said=_said(fact),
            digest=digest,
            agrees=agrees,
            case_ids=case_ids,
            at=at,
        )
    )
    return Outcome(fact.device_seq, agrees, tuple(case_ids), work.record(cause))


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why somebody has to look at a fact, and what waits meanwhile."""

    type: CaseType
    why: str
    effects: Collection[HoldEffect]
    kind: HoldKind = HoldKind.IN_DOUBT
    ticket_ids: tuple[UUID, ...] = ()


def _story_goes_on(
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
        return False, [Doubt(CaseType.OFFLINE_CONFLICT, why, _FLAG)]
    doubts = list(_about_machine(device, fact, ticket))
    if number_used:
        why = "the machine has used this number for another fact"
        doubts.append(Doubt(CaseType.DISPENSER_FAULT, why, _STAYS))
    # Nothing that it says moves a ticket any more; what it says is kept.
    contradicted = number_used or bool(device.revoked_version)
    contradicted = contradicted or device.kind != _MACHINE[_kind(fact)]
    medium = work.find(Medium, medium_id(fact.mark.uid))
    if isinstance(fact, PrintedOffline):
        agrees, doubt = _printed(
            work, device, fact, ticket, medium, stream, contradicted, at
        )
    else:
        agrees, doubt = _redeemed(work, device, fact, ticket, contradicted, at)
    if medium is not None:
        lost = _after_loss(medium, fact, ticket)
        doubt = lost or doubt
        accused = _marked(work, device, fact, medium, at)
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
        before_loss=medium is not None and _is_before_loss(medium, fact),
        contradicted=contradicted or elsewhere,
        at=at,
    )
    gift_lines.go_on(work, [ticket.id], at=at)
    if agrees:
        return True, None
    if elsewhere:
        why = "the serial stands on another ticket's paper"
        return False, Doubt(CaseType.DUPLICATE_DISPENSE, why, _ALL)
    if ticket.life == Life.DISPENSED:
        why = "the ticket was on paper already"
        return False, Doubt(CaseType.DUPLICATE_DISPENSE, why, _ALL)
    why = "the copy on the card was not the ticket's valid form"
    return False, Doubt(CaseType.OFFLINE_CONFLICT, why, _STAYS)


def _redeemed(
    work: Work,
    device: Device,
    fact: RedeemedOffline,
    ticket: ETicket,
    contradicted: bool,  # noqa: FBT001 - named at its one call
    at: datetime,
) -> tuple[bool, Doubt | None]:
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
        contradicted=contradicted or used,
        at=at,
    )
    if agrees:
        receipt.redeem(session_id=fact.session_id, ticket_id=ticket.id, at=at)
        return True, None
    why = "its receipt has redeemed before" if used else "it is more than was left"
    return False, Doubt(CaseType.COUPON_ERROR, why, _STAYS)


def _about_machine(device: Device, fact: Fact, ticket: ETicket) -> Iterator[Doubt]:
    """What the machine may not have done is looked at, and is a fact all the same."""
    try:
        device.require(
            _MACHINE[_kind(fact)],
            issuer_id=ticket.issuer_id,
            offering_id=ticket.offering_id,
            serial=fact.serial if isinstance(fact, PrintedOffline) else None,
        )
    except DeviceNotAuthorised as refused:
        effects = _ALL if device.revoked_version else _FLAG
        yield Doubt(CaseType.OFFLINE_CONFLICT, str(refused.facts["why"]), effects)
        return
    if not device.rights.offline:
        why = "it may not work without the line"
        yield Doubt(CaseType.OFFLINE_CONFLICT, why, _FLAG)


def _is_before_loss(medium: Medium, fact: Fact) -> bool:
    return medium.lost_at is not None and fact.device_time < medium.lost_at


def _after_loss(medium: Medium, fact: Fact, ticket: ETicket) -> Doubt | None:
    """Used after the report: disputed. A right that was reissued stays usable."""
    if medium.lost_at is None or _is_before_loss(medium, fact):
        return None
    gone = ticket.life != Life.OWNED or ticket.form.medium_uid == medium.uid
    why = "the card had been reported lost"
    return Doubt(
        CaseType.LOST_MEDIUM, why, _ALL if gone else _FLAG, kind=HoldKind.MEDIUM
    )


def _marked(
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


def _open(work: Work, device: Device, fact: Fact, doubt: Doubt, at: datetime) -> UUID:
    """Open the case of this doubt, or add the fact to the one that is open."""
    uid = fact.mark.uid.hex()
    cloned = doubt.type == CaseType.CLONED_MEDIUM
    known = work.find(ETicket, fact.ticket_id) is not None
    said = {
        "why": doubt.why,
        "device_id": str(device.id),
        "device_seq": fact.device_seq,
        "device_time": fact.device_time.isoformat(),
        "known_position": fact.known_position,
        "kind": _kind(fact),
        "said": _said(fact),
    }
    case = cases.open_within(
        work,
        case_id=case_id(doubt.type, uid if cloned else str(fact.ticket_id)),
        type=doubt.type,
        ticket_ids=doubt.ticket_ids or ([fact.ticket_id] if known else []),
        medium_uid=uid,
        facts=said,
        kind=doubt.kind,
        effects=doubt.effects,
        opened_by=OPENED_BY,
        at=at,
    )
    medium = work.find(Medium, medium_id(fact.mark.uid))
    if cloned and medium is not None:
        medium.suspect(verdict=Verdict.FORK, seen=said, case_id=case.id, at=at)
    return case.id


def _kind(fact: Fact) -> str:
    return "dispensed" if isinstance(fact, PrintedOffline) else "redeemed"


def _said(fact: Fact) -> dict[str, Any]:
    """What the machine said of it, as it is stored: text and numbers."""
    said = asdict(fact)
    for name in ("device_seq", "device_time", "known_position", "ticket_id"):
        del said[name]
    mark = said.pop("mark") | {"uid": fact.mark.uid.hex()}
    told = {name: str(v) if isinstance(v, UUID) else v for name, v in said.items()}
    return told | {"mark": mark}


def _digest(fact: Fact) -> str:
    whole = [
        _kind(fact),
        str(fact.ticket_id),
        fact.device_time.isoformat(),
        fact.known_position,
        _said(fact),
    ]
    canonical = json.dumps(whole, sort_keys=True).encode()
    return hashlib.sha256(canonical).hexdigest()
