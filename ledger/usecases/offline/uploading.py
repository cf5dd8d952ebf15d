"""What machines did while the line was down: each fact is recorded once, none dropped.

A fact that fits the ledger's story becomes part of it. One that contradicts it is kept
beside it, and in the same commit a case is opened in which somebody looks. What a
machine may not have done is a fact all the same. Its clock is evidence: it decides
nothing but whether a lost card was used before it was reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.device import Device, DeviceNotAuthorised
from ledger.aggregates.offline_fact import OfflineFact
from ledger.application import Cause, Ledger
from ledger.errors import Unknown
from ledger.usecases.offline.doubts import open_case
from ledger.usecases.offline.facts import (
    BadFact,
    Fact,
    check_fact,
    digest_of,
    kind_of,
    said_of,
)
from ledger.usecases.offline.stories import story_goes_on
from ledger.vocabulary.ids import fact_id

FACTS_MAX = 200


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
        check_fact(fact)
    return [
        _take_in(ledger, device_id, fact, at=at, cause=cause)
        for fact in sorted(facts, key=lambda each: each.device_seq)
    ]


def _take_in(
    ledger: Ledger, device_id: UUID, fact: Fact, *, at: datetime, cause: Cause
) -> Outcome:
    work = ledger.work()
    digest = digest_of(fact)
    stream = fact_id(device_id, fact.device_seq)
    known = work.find(OfflineFact, stream)
    number_used = known is not None and known.digest != digest
    if number_used:
        stream = fact_id(device_id, fact.device_seq, digest)
        known = work.find(OfflineFact, stream)
    if known is not None:
        return Outcome(fact.device_seq, known.agrees, known.case_ids, ledger.position())
    device = work.get(Device, device_id, Unknown(what="device"))
    agrees, doubts = story_goes_on(work, device, fact, stream, number_used, at)
    case_ids = [open_case(work, device, fact, doubt, at) for doubt in doubts]
    work.add(
        OfflineFact.report(
            fact_id=stream,
            device_id=device_id,
            device_seq=fact.device_seq,
            device_time=fact.device_time,
            known_position=fact.known_position,
            kind=kind_of(fact),
            ticket_id=fact.ticket_id,
            said=said_of(fact),
            digest=digest,
            agrees=agrees,
            case_ids=case_ids,
            at=at,
        )
    )
    return Outcome(fact.device_seq, agrees, tuple(case_ids), work.record(cause))
