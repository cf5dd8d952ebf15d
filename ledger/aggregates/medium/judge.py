"""Is this card fresh? What a medium shows, held against what the ledger knows.

Stale is not cloned is not torn: each has its own verdict and its own answer for the
person in front of the machine. The UID alone is never authority: a reading comes from
a session that the card's diversified key has authenticated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.medium.states import MediumStatus, SlotState
from ledger.errors import Malformed
from ledger.vocabulary.codes import VERDICT_SAYS, Verdict
from ledger.vocabulary.medium_record import (
    MalformedRecord,
    SlotEntry,
    SlotStatus,
    Stamp,
    decode_slots,
    digest,
)


class BadReading(Malformed):
    code = "malformed"
    says = "The card's contents are not in this form: {why}."


@dataclass(frozen=True, slots=True)
class Reading:
    """A medium's stamp and slots as a device has read them."""

    uid: bytes
    stamp: Stamp
    slots: tuple[SlotEntry, ...]

    @classmethod
    def parse(cls, *, uid: bytes, stamp: bytes, slots: bytes) -> Self:
        """Read the bytes of a stamp and of all slots; raise `BadReading`."""
        try:
            return cls(uid, Stamp.decode(stamp), decode_slots(slots))
        except MalformedRecord as malformed:
            raise BadReading(why=str(malformed)) from None

    def as_evidence(self) -> dict[str, Any]:
        """What is kept of a suspicious tap."""
        return {
            "stamp": self.stamp.encode().hex(),
            "slots": "".join(entry.encode().hex() for entry in self.slots),
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a medium: from its stream, or from a view of it."""

    status: str
    seq: int
    digest: str
    pending: bool
    pending_digest: str | None = None  # A view need not know it: streams decide.


@dataclass(frozen=True, slots=True)
class TicketNow:
    """What the ledger knows of a ticket that a slot names."""

    ticket_id: UUID
    epoch: int
    life: str
    medium_uid: str | None
    slot: int | None
    serial: str | None = None
    uses_left: int = 1
    held: bool = False  # By a case that forbids its use.


@dataclass(frozen=True, slots=True)
class SlotJudgement:
    """One occupied slot: usable, or why not."""

    slot: int
    ticket_id: UUID
    verdict: Verdict
    code: str | None
    says: str


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    code: str | None
    says: str
    slots: tuple[SlotJudgement, ...] = ()


CODES: Mapping[Verdict, str | None] = {
    Verdict.FRESH: None,
    Verdict.STALE: "medium_stale",
    Verdict.ROLLBACK: "rollback",
    Verdict.FORK: "fork",
    Verdict.CLONE: "clone",
    Verdict.COUNTERFEIT: "counterfeit",
    Verdict.AHEAD: "incomplete",
    Verdict.IN_DOUBT: "in_doubt",
    Verdict.AMBIGUOUS: "ambiguous",
}

# These make the medium suspect: somebody wrote it, or put an old image back.
SUSPICIOUS = frozenset({Verdict.CLONE, Verdict.FORK, Verdict.ROLLBACK})

_SEEN_BEFORE = (
    "This card was found suspicious before; please see the transaction centre."
)

# Whatever it shows, a medium that is not in use is not accepted: what the person reads.
NOT_IN_USE: Mapping[str, str] = {
    MediumStatus.SUSPENDED: (
        "This card was reported lost and is not accepted;"
        " if it was found, please see the transaction centre."
    ),
    MediumStatus.BLOCKED: (
        "This card is blocked; its tickets are not lost,"
        " they can be recorded on another card."
    ),
    MediumStatus.REPLACED: "This card was replaced by another; please use that one.",
    MediumStatus.RETURNED: "This card was handed in and is not in use any more.",
}


def judge(
    reading: Reading,
    known: Known | None,
    slots: Sequence[SlotState],
    tickets: Mapping[UUID, TicketNow],
) -> Judgement:
    """Judge a reading. `known` is None for a medium the ledger never personalised."""
    verdict = _of_medium(reading, known)
    if known is not None and known.status in NOT_IN_USE and verdict != Verdict.CLONE:
        return Judgement(verdict, "medium_blocked", NOT_IN_USE[known.status])
    accused = known is not None and known.status == MediumStatus.SUSPECT
    if accused and verdict in (Verdict.FRESH, Verdict.AHEAD):
        return suspect()
    if verdict != Verdict.FRESH:
        return said(verdict)
    judged = [
        _of_slot(reading, number, state, tickets)
        for number, state in enumerate(slots)
        if state.ticket_id is not None
    ]
    return _of_all(tuple(slot for slot in judged if slot))


def _of_all(slots: tuple[SlotJudgement, ...]) -> Judgement:
    """A single bad slot speaks for the card only if no slot is good."""
    usable = [slot for slot in slots if slot.code is None]
    if len(usable) > 1:
        return said(Verdict.AMBIGUOUS, slots)
    if usable or not slots:
        return said(Verdict.FRESH, slots)
    worst = next((s for s in slots if s.verdict == Verdict.STALE), slots[0])
    return Judgement(worst.verdict, worst.code, worst.says, slots)


def suspect() -> Judgement:
    """Judge a medium by what it has shown before."""
    return Judgement(Verdict.FORK, "medium_suspect", _SEEN_BEFORE)


def said(verdict: Verdict, slots: tuple[SlotJudgement, ...] = ()) -> Judgement:
    return Judgement(verdict, CODES[verdict], VERDICT_SAYS[verdict], slots)


def _of_medium(reading: Reading, known: Known | None) -> Verdict:
    stamp = reading.stamp
    if known is None:
        return Verdict.COUNTERFEIT
    if stamp.uid != reading.uid:
        return Verdict.CLONE
    if known.pending and _in_either_state(stamp, known):
        return Verdict.IN_DOUBT
    if stamp.seq < known.seq:
        return Verdict.ROLLBACK
    if stamp.seq > known.seq:
        return Verdict.AHEAD
    shown = digest(uid=reading.uid, seq=stamp.seq, slots=reading.slots)
    if stamp.digest != shown or stamp.digest.hex() != known.digest:
        return Verdict.FORK
    return Verdict.FRESH


def _in_either_state(stamp: Stamp, known: Known) -> bool:
    """Whether a card with an unsettled write shows one of the two states it can be in.

    Without the pending digest any is taken for it: the streams judge again.
    """
    shown = stamp.digest.hex()
    if stamp.seq == known.seq:
        return shown == known.digest
    return stamp.seq == known.seq + 1 and known.pending_digest in (None, shown)


def _of_slot(
    reading: Reading,
    number: int,
    state: SlotState,
    tickets: Mapping[UUID, TicketNow],
) -> SlotJudgement | None:
    assert state.ticket_id is not None
    ticket = tickets.get(state.ticket_id)

    def found(verdict: Verdict, code: str | None, says: str) -> SlotJudgement:
        assert state.ticket_id is not None
        return SlotJudgement(number, state.ticket_id, verdict, code, says)

    if ticket and ticket.life == "DISPENSED":
        return found(
            Verdict.FRESH,
            "already_dispensed",
            "This ticket was printed already; it cannot be printed again.",
        )
    if ticket and ticket.life == "SPENT":
        return found(Verdict.FRESH, "already_used", "This coupon has been used up.")
    # A mark whose print or redemption was called off is mended by a refresh, too.
    marked = state.status != SlotStatus.LIVE
    if marked or ticket is None or not _agrees(reading, number, state, ticket):
        return found(Verdict.STALE, "medium_stale", VERDICT_SAYS[Verdict.STALE])
    if ticket.held:
        return found(
            Verdict.FRESH,
            "frozen",
            "This ticket is frozen by a case; please see the transaction centre.",
        )
    return found(Verdict.FRESH, None, VERDICT_SAYS[Verdict.FRESH])


def _agrees(reading: Reading, number: int, state: SlotState, ticket: TicketNow) -> bool:
    here = (ticket.medium_uid, ticket.slot) == (reading.uid.hex(), number)
    current = (state.epoch, state.uses_left) == (ticket.epoch, ticket.uses_left)
    return here and current
