"""A card lies before a machine: judged, settled by what it shows, or accused.

Suspicion never takes a right from anybody: the case that a suspicious tap opens holds
the tickets on the card only from being dispensed or redeemed, and once the medium is
blocked (or cleared) they are free again, to be recorded on another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.case import Case, CaseType
from ledger.aggregates.e_ticket import ETicket, HoldEffect, HoldKind
from ledger.aggregates.medium import Judgement, Medium, Reading, SlotState, judge
from ledger.aggregates.medium.judge import SUSPICIOUS, Known, TicketNow, said, suspect
from ledger.application import Cause, Ledger, Work
from ledger.usecases import cases
from ledger.usecases.media.settling import settle_by_reading, tickets_on
from ledger.usecases.media.shapes import NotFresh
from ledger.vocabulary.codes import OFFLINE_HORIZON_S, Verdict
from ledger.vocabulary.ids import case_id, medium_id

OPENED_BY = "ledger"
ON_THE_CARD = (HoldEffect.NO_DISPENSE, HoldEffect.NO_REDEEM)


class Freshness(Protocol):
    """A view of all media that answers in one query."""

    def known(
        self, uid: bytes
    ) -> tuple[Known | None, Sequence[SlotState], Mapping[UUID, TicketNow]]: ...


@dataclass(frozen=True, slots=True)
class Tapped:
    judgement: Judgement
    position: int


def tap(
    ledger: Ledger,
    freshness: Freshness,
    *,
    reading: Reading,
    machine_id: UUID | None,
    at: datetime,
    cause: Cause,
) -> Tapped:
    """Say whether a card is fresh.

    The view answers the good case with one query and no write. Anything else is
    judged again by the streams themselves, for a view may lag. A write that was never
    answered for is settled by what the card shows, and a suspicious reading is kept
    as evidence, in a case. `machine_id` is the dispenser or till that has read the
    card; None at its holder's terminal.
    """
    judgement = judge(reading, *freshness.known(reading.uid))
    if judgement.code is None:
        return Tapped(judgement, ledger.position())
    work = ledger.work()
    if machine_id is not None:
        # What follows may be recorded: a revoked machine settles and accuses nothing.
        ledger.device(machine_id).require("dispenser", "point_of_sale")
    medium = work.find(Medium, medium_id(reading.uid))
    if medium is None:
        if machine_id is not None:
            _report_unknown(work, reading, machine_id, at)
        return Tapped(said(Verdict.COUNTERFEIT), work.record(cause))
    by_machine = machine_id is not None
    settle_by_reading(work, medium, reading, by_machine=by_machine, at=at)
    judgement = judge_by_streams(work, medium, reading)
    if judgement.code == "medium_suspect":
        # Both cards, or both images, belong into the case, the good one as well.
        ahead = reading.stamp.seq > medium.seq
        shown = Verdict.AHEAD if ahead else Verdict.FRESH
        _accuse(work, medium, shown, reading, machine_id, at)
    elif judgement.verdict in SUSPICIOUS:
        _accuse(work, medium, judgement.verdict, reading, machine_id, at)
    elif judgement.verdict == Verdict.AHEAD:
        judgement = _wait(work, medium, judgement, reading, machine_id, at)
    return Tapped(judgement, work.record(cause))


def judge_by_streams(work: Work, medium: Medium, reading: Reading) -> Judgement:
    """Judge a reading by the streams of the medium and of the tickets on it."""
    ids = {state.ticket_id for state in medium.slots if state.ticket_id}
    work.fetch(*ids)
    tickets = {ticket_id: now(work.ticket(ticket_id)) for ticket_id in ids}
    return judge(reading, known_of(medium), medium.slots, tickets)


def require_fresh(work: Work, medium: Medium, reading: Reading) -> None:
    """Raise unless the card is in the ledger's last state and not under suspicion.

    Whether the one slot that matters is current, the ticket itself decides.
    """
    medium.require_trusted()
    judgement = judge_by_streams(work, medium, reading)
    if judgement.code is not None and not judgement.slots:
        raise NotFresh(judgement)


def known_of(medium: Medium) -> Known:
    pending = medium.pending
    return Known(
        medium.status,
        medium.seq,
        medium.digest,
        pending=pending is not None,
        pending_digest=pending.digest if pending else None,
    )


def now(ticket: ETicket) -> TicketNow:
    return TicketNow(
        ticket_id=ticket.id,
        epoch=ticket.epoch,
        life=ticket.life,
        medium_uid=ticket.form.medium_uid,
        slot=ticket.form.slot,
        serial=ticket.form.serial,
        uses_left=ticket.uses.left,
        held=ticket.is_held,
    )


def _wait(
    work: Work,
    medium: Medium,
    judgement: Judgement,
    reading: Reading,
    machine_id: UUID | None,
    at: datetime,
) -> Judgement:
    """A machine without the line has the horizon to report; then it is suspicious."""
    if medium.ahead is None:
        medium.notice_ahead(seq=reading.stamp.seq, at=at)
        return judgement
    horizon = timedelta(seconds=OFFLINE_HORIZON_S)
    if not is_over(medium.ahead.since + horizon, at):
        return judgement
    _accuse(work, medium, Verdict.AHEAD, reading, machine_id, at)
    return suspect() if judgement.code != "medium_blocked" else judgement


def _accuse(
    work: Work,
    medium: Medium,
    verdict: Verdict,
    reading: Reading,
    machine_id: UUID | None,
    at: datetime,
) -> None:
    """Keep what the tap showed, in a case with the tap before it.

    The same suspicious tap again adds no evidence.
    """
    seen = reading.as_evidence()
    if medium.last_suspicion == (str(verdict), seen):
        return
    case = cases.open_within(
        work,
        case_id=case_id(CaseType.CLONED_MEDIUM, medium.uid),
        type=CaseType.CLONED_MEDIUM,
        ticket_ids=[ticket.id for ticket in tickets_on(work, medium)],
        medium_uid=medium.uid,
        facts={
            "verdict": str(verdict),
            "shown": seen,
            "at_machine": str(machine_id) if machine_id else None,
            "expected": _expected(medium),
        },
        kind=HoldKind.MEDIUM,
        effects=ON_THE_CARD,
        opened_by=OPENED_BY,
        at=at,
    )
    medium.suspect(verdict=verdict, seen=seen, case_id=case.id, at=at)


def _expected(medium: Medium) -> dict[str, Any]:
    """The other tap: who brought the medium to the state that the ledger knows."""
    last = medium.last_write
    return {
        "seq": medium.seq,
        "digest": medium.digest,
        "written_by": str(last.device_id) if last else None,
        "written_at": last.at.isoformat() if last else None,
        "event": f"{medium.id}/{medium.seq_version}",
    }


def _report_unknown(
    work: Work, reading: Reading, machine_id: UUID, at: datetime
) -> None:
    """A machine has read a card that nobody personalised: one case for each."""
    uid = reading.uid.hex()
    wanted = case_id("counterfeit", uid)
    if work.find(Case, wanted) is None:
        cases.open_within(
            work,
            case_id=wanted,
            type=CaseType.CLONED_MEDIUM,
            medium_uid=uid,
            facts={
                "verdict": str(Verdict.COUNTERFEIT),
                "shown": reading.as_evidence(),
                "at_machine": str(machine_id),
            },
            kind=HoldKind.MEDIUM,
            effects=(HoldEffect.FLAG_ONLY,),
            opened_by=OPENED_BY,
            at=at,
        )
