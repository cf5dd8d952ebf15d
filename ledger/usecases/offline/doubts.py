"""Why somebody has to look at what a machine reports, and the case it opens.

A case takes from nobody what the fact does not put in question: who owns a ticket goes
on using it unless its paper, or its uses, are what is in doubt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import CaseType
from ledger.aggregates.device import Device, DeviceNotAuthorised
from ledger.aggregates.e_ticket import ETicket, HoldEffect, HoldKind, Life
from ledger.aggregates.medium import Medium
from ledger.application import Work
from ledger.usecases import cases
from ledger.usecases.offline.facts import (
    MACHINE,
    Fact,
    PrintedOffline,
    kind_of,
    said_of,
)
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.ids import case_id, medium_id

OPENED_BY = "ledger"

ALL = (
    HoldEffect.NO_TITLE,
    HoldEffect.NO_DISPENSE,
    HoldEffect.NO_REDEEM,
    HoldEffect.NO_REFUND,
)
STAYS = (HoldEffect.NO_TITLE, HoldEffect.NO_REFUND)
FLAG = (HoldEffect.FLAG_ONLY,)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why somebody has to look at a fact, and what waits meanwhile."""

    type: CaseType
    why: str
    effects: Collection[HoldEffect]
    kind: HoldKind = HoldKind.IN_DOUBT
    ticket_ids: tuple[UUID, ...] = ()


def about_machine(device: Device, fact: Fact, ticket: ETicket) -> Iterator[Doubt]:
    """What the machine may not have done is looked at, and is a fact all the same."""
    try:
        device.require(
            MACHINE[kind_of(fact)],
            issuer_id=ticket.issuer_id,
            offering_id=ticket.offering_id,
            serial=fact.serial if isinstance(fact, PrintedOffline) else None,
        )
    except DeviceNotAuthorised as refused:
        effects = ALL if device.revoked_version else FLAG
        yield Doubt(CaseType.OFFLINE_CONFLICT, str(refused.facts["why"]), effects)
        return
    if not device.rights.offline:
        why = "it may not work without the line"
        yield Doubt(CaseType.OFFLINE_CONFLICT, why, FLAG)


def about_medium(medium: Medium) -> Iterator[Doubt]:
    """What can be copied whole speaks for nobody where the ledger is not asked."""
    if medium.can_be_copied:
        why = "a flash card or a disk is not taken without the line"
        yield Doubt(CaseType.OFFLINE_CONFLICT, why, FLAG)


def is_before_loss(medium: Medium, fact: Fact) -> bool:
    return medium.lost_at is not None and fact.device_time < medium.lost_at


def after_loss(medium: Medium, fact: Fact, ticket: ETicket) -> Doubt | None:
    """Used after the report: disputed. A right that was reissued stays usable."""
    if medium.lost_at is None or is_before_loss(medium, fact):
        return None
    gone = ticket.life != Life.OWNED or ticket.form.medium_uid == medium.uid
    why = "the card had been reported lost"
    return Doubt(CaseType.LOST_MEDIUM, why, ALL if gone else FLAG, kind=HoldKind.MEDIUM)


def open_case(
    work: Work, device: Device, fact: Fact, doubt: Doubt, at: datetime
) -> UUID:
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
        "kind": kind_of(fact),
        "said": said_of(fact),
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
