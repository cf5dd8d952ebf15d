"""A dispute from its complaint to its end: what parties and operators do in a case.

Planning and carrying out what was decided is in `unwinding`; cases that are opened of
themselves begin in `cases`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import Case, CaseType, Decision
from ledger.aggregates.case.refusals import PartyToTheCase
from ledger.aggregates.e_ticket.states import HoldEffect, HoldKind
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Denied, Malformed
from ledger.ports import PersonalData
from ledger.usecases import cases, stories

TICKETS_MAX = 100

_ALL = (
    HoldEffect.NO_TITLE,
    HoldEffect.NO_DISPENSE,
    HoldEffect.NO_REDEEM,
    HoldEffect.NO_REFUND,
)
_STAYS = (HoldEffect.NO_TITLE, HoldEffect.NO_REFUND)

# What a person may complain of, and what is forbidden until it is settled. What says
# nothing against the owner lets him use his ticket meanwhile.
COMPLAINTS: Mapping[CaseType, Sequence[HoldEffect]] = {
    CaseType.UNAUTHORISED_TRANSFER: _ALL,
    CaseType.WRONG_RECIPIENT: _ALL,
    CaseType.NOT_RECEIVED: _STAYS,
    CaseType.DUPLICATE_DISPENSE: _ALL,
    CaseType.LOST_MEDIUM: (HoldEffect.NO_TITLE, HoldEffect.NO_DISPENSE),
    CaseType.DISPENSER_FAULT: _STAYS,
    CaseType.CAP_BREACH: (HoldEffect.NO_REFUND,),
    CaseType.COUPON_ERROR: _STAYS,
}


class NotTheirTicket(Denied):
    code = "not_owner"
    says = "Only who had a part in the ticket may complain about it."


class NoComplaint(Malformed):
    code = "malformed"
    says = "A complaint is about 1 to {tickets_max} tickets, of one of these: {types}."


class CaseOfAnother(Conflict):
    code = "case_state"
    says = "This is the id of another case; a complaint begins one of its own."


@dataclass(frozen=True, slots=True)
class Opened:
    case_id: UUID
    position: int


def complain(
    ledger: Ledger,
    *,
    case_id: UUID,
    case_type: CaseType | str,
    ticket_ids: Sequence[UUID],
    by: UUID,
    as_operator: bool,
    at: datetime,
    cause: Cause,
) -> Opened:
    """Open a case as a party, or as an operator on somebody's behalf.

    The tickets are frozen in the same commit, each to the extent that the kind of
    complaint asks for.
    """
    wanted = str(case_type)
    if wanted not in COMPLAINTS or not 1 <= len(set(ticket_ids)) <= TICKETS_MAX:
        raise NoComplaint(tickets_max=TICKETS_MAX, types=", ".join(COMPLAINTS))
    work = ledger.work()
    known = work.find(Case, case_id)
    if known is not None and (known.opened_by, known.type) != (str(by), wanted):
        raise CaseOfAnother(because=known.names(1))
    for ticket_id in ticket_ids:
        story = stories.story_of(work, ticket_id, held_since=at)
        if not as_operator and by not in story.parties():
            raise NotTheirTicket
    case = cases.open_within(
        work,
        case_id=case_id,
        type=wanted,
        ticket_ids=ticket_ids,
        facts={"owners": [str(work.ticket(each).owner_id) for each in ticket_ids]},
        kind=HoldKind.DISPUTE,
        effects=COMPLAINTS[CaseType(wanted)],
        opened_by=str(by),
        at=at,
    )
    return Opened(case.id, work.record(cause))


@dataclass(frozen=True, slots=True)
class Committed:
    sha256: str
    position: int


def give_evidence(
    ledger: Ledger,
    personal: PersonalData,
    *,
    case_id: UUID,
    evidence_id: UUID,
    by: UUID,
    as_operator: bool,
    description: str,
    content: bytes,
    media_type: str,
    at: datetime,
    cause: Cause,
) -> Committed:
    """Commit to a piece of evidence on receipt, by the hash of its content.

    The content itself is kept by whoever received it: its hash shows for ever that it
    is the same. The words are sealed under the giver's key.
    """
    work = ledger.work()
    case = cases.case_of(work, case_id)
    if not as_operator and str(by) not in stories.parties_of(work, case):
        raise NotTheirTicket
    sha256 = hashlib.sha256(content).hexdigest()
    case.give_evidence(
        evidence_id=evidence_id,
        by=str(by),
        description_sealed=personal.seal(by, description),
        sha256=sha256,
        size=len(content),
        media_type=media_type,
        at=at,
    )
    return Committed(sha256, work.record(cause))


def note_unused(
    ledger: Ledger,
    *,
    case_id: UUID,
    serials: Sequence[str],
    by: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Note, as an operator, that papers were found unused, before the decision.

    A paper may have been used as soon as its ticket is valid; who watches the doors
    knows better.
    """
    work = ledger.work()
    case = cases.case_of(work, case_id)
    if str(by) in stories.parties_of(work, case):
        raise PartyToTheCase(because=case.names(1))
    facts = {stories.UNUSED: sorted(serials), "by": str(by)}
    case.add_facts(facts=facts, ticket_ids=(), at=at)
    return work.record(cause)


def start_review(
    ledger: Ledger, *, case_id: UUID, by: UUID, at: datetime, cause: Cause
) -> int:
    """Take the case as an operator who has no part in it."""
    work = ledger.work()
    case = cases.case_of(work, case_id)
    parties = stories.parties_of(work, case)
    case.start_review(by=str(by), parties=parties, at=at)
    return work.record(cause)


def decide(
    ledger: Ledger,
    personal: PersonalData,
    *,
    case_id: UUID,
    by: UUID,
    decision: Decision,
    grounds: str,
    at: datetime,
    cause: Cause,
) -> int:
    """Decide as the reviewer. The log position that was looked at is pinned.

    The grounds are sealed under a key of the case's own.
    """
    judged_at = ledger.position()
    work = ledger.work()
    case = cases.case_of(work, case_id)
    case.decide(
        by=str(by),
        decision=decision,
        grounds_sealed=personal.seal(case_id, grounds),
        judged_at_position=judged_at,
        parties=stories.parties_of(work, case),
        at=at,
    )
    return work.record(cause)


def appeal(
    ledger: Ledger,
    personal: PersonalData,
    *,
    case_id: UUID,
    by: UUID,
    reason: str,
    at: datetime,
    cause: Cause,
) -> int:
    """Ask, as a party, that another operator judges the case: once."""
    work = ledger.work()
    case = cases.case_of(work, case_id)
    case.appeal(
        by=str(by),
        parties=stories.parties_of(work, case),
        reason_sealed=personal.seal(by, reason),
        at=at,
    )
    return work.record(cause)


def withdraw(
    ledger: Ledger,
    *,
    case_id: UUID,
    by: UUID,
    as_operator: bool,
    reason: str,
    at: datetime,
    cause: Cause,
) -> int:
    """End a case without executing anything; its holds are released."""
    work = ledger.work()
    case = cases.case_of(work, case_id)
    case.withdraw(by=str(by), reason=reason, as_operator=as_operator, at=at)
    cases.release_holds(work, case, at=at)
    return work.record(cause)


def merge(
    ledger: Ledger,
    *,
    case_id: UUID,
    into_id: UUID,
    by: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Let another case go on with this one, which holds all tickets from then on."""
    work = ledger.work()
    case, other = cases.case_of(work, case_id), cases.case_of(work, into_id)
    case.merge_into(case_id=into_id, by=str(by), at=at)
    other.take_in(other=case, at=at)
    _hand_over(work, case, other, at=at)
    return work.record(cause)


def _hand_over(work: Work, case: Case, other: Case, *, at: datetime) -> None:
    """Hold by the other case first, so that nothing comes free in between."""
    for ticket_id in case.ticket_ids:
        ticket = work.ticket(ticket_id)
        for hold in ticket.holds:
            if hold.case_id == case.id:
                ticket.freeze(
                    case_id=other.id, kind=hold.kind, effects=hold.effects, at=at
                )
        ticket.unfreeze(case_id=case.id, at=at)


def close(
    ledger: Ledger, *, case_id: UUID, by: UUID, at: datetime, cause: Cause
) -> int:
    """Close an executed case; exactly its own holds are released."""
    work = ledger.work()
    case = cases.case_of(work, case_id)
    case.close(by=str(by), at=at)
    cases.release_holds(work, case, at=at)
    return work.record(cause)
