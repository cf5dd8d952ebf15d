"""What is written on a card, in which order: a pure function of what was prepared.

Bodies first, then the entries that point at them, the stamp last; the card makes all
of it true at once, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from card_bridge.gateway import MediumWrite
from card_bridge.profile.card import CardReading
from card_bridge.profile.records import Body
from ledger.vocabulary.medium_record import (
    MalformedRecord,
    SlotEntry,
    Stamp,
    digest,
)


@dataclass(frozen=True, slots=True)
class WriteBody:
    slot: int
    body: Body


@dataclass(frozen=True, slots=True)
class WriteEntry:
    slot: int
    entry: bytes


@dataclass(frozen=True, slots=True)
class WriteStamp:
    stamp: bytes


Step = WriteBody | WriteEntry | WriteStamp


class PlanRefused(MalformedRecord):
    """What the ledger prepared does not fit the card as it was read."""

    code = "incomplete"


def plan(
    reading: CardReading, write: MediumWrite, sealed: Mapping[int, bytes]
) -> tuple[Step, ...]:
    """Return the steps of a write; `sealed` has a ticket for each slot with a body.

    Raises `PlanRefused` unless the stamp is the one that follows from the card as it
    was read and these changes: what is written is what the ledger will look for.
    """
    stamp, entries = Stamp.decode(write.stamp), list(reading.entries())
    if write.uid != reading.uid or stamp.uid != reading.uid:
        raise PlanRefused("the write was prepared for another card")
    for change in write.changes:
        if not 0 <= change.slot < len(entries):
            raise PlanRefused("the card has no such slot")
        entries[change.slot] = SlotEntry.decode(change.entry)
    if stamp.seq != reading.stamped().seq + 1 or stamp.digest != digest(
        uid=reading.uid, seq=stamp.seq, slots=entries
    ):
        raise PlanRefused("the write does not follow from what the card shows")
    bodies = [
        WriteBody(change.slot, Body(change.ticket_id, sealed[change.slot]))
        for change in write.changes
        if change.ticket_id is not None and change.slot in sealed
    ]
    return (
        *bodies,
        *(WriteEntry(change.slot, change.entry) for change in write.changes),
        WriteStamp(write.stamp),
    )
