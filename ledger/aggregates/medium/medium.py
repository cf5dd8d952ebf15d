"""A medium's stream: every write in two phases, its sequence number only growing.

ACTIVE ── suspect ──► SUSPECT
no write ── prepare_write ──► pending ── confirm_write (the card's proof) ──► seq+1
                                 └────── abort_write ──► as before
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict, Malformed, Missing
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    REF_LENGTH,
    SLOTS_MAX,
    SlotEntry,
    SlotStatus,
    Stamp,
    digest,
)


class MediumUnknown(Missing):
    code = "unknown"
    says = "There is no such medium."


class MediumSuspect(Conflict):
    code = "medium_suspect"
    says = "The medium is suspected of having been copied; the centre must see it."


class WriteInDoubt(Conflict):
    code = "in_doubt"
    says = "An earlier write of this medium is unsettled; tap it to settle that first."


class WriteUnknown(Missing):
    code = "unknown"
    says = "No such write is pending on this medium."


class ProofMismatch(Conflict):
    code = "counterfeit"
    says = "The card's proof does not fit the write that was prepared."


class NoFreeSlot(Conflict):
    code = "limit"
    says = "The medium has no free slot left."


class BadSlot(Malformed):
    code = "malformed"
    says = "The medium has no slot {slot}."


class MediumStatus(StrEnum):
    ACTIVE = "ACTIVE"
    SUSPECT = "SUSPECT"


@dataclass(frozen=True, slots=True)
class SlotState:
    """What one slot of the medium says, as far as the ledger has its proof."""

    status: int = int(SlotStatus.EMPTY)
    epoch: int = 0
    uses_left: int = 0
    ticket_id: UUID | None = None

    def entry(self) -> SlotEntry:
        """Return the sixteen bytes' worth that stand on the medium."""
        if self.ticket_id is None:
            return EMPTY_SLOT
        return SlotEntry(
            status=SlotStatus(self.status),
            epoch=self.epoch,
            uses_left=self.uses_left,
            ticket_ref=self.ticket_id.bytes[:REF_LENGTH],
        )


EMPTY = SlotState()


@dataclass(frozen=True, slots=True)
class Change:
    """One slot as a write will leave it. `body` says that the ticket is sent anew."""

    slot: int
    state: SlotState
    body: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"slot": self.slot, "body": self.body, **asdict(self.state)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        state = dict(stored)
        return cls(state.pop("slot"), body=state.pop("body"), state=SlotState(**state))


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A write that was prepared and not yet answered for."""

    write_id: UUID
    seq: int
    digest: str
    changes: tuple[Change, ...]
    device_id: UUID
    version: int


class Medium(Recorded):
    TOPIC = "medium"

    class Event(Recorded.Event):
        """An event about one medium."""

    @classmethod
    def personalise(
        cls,
        *,
        medium_id: UUID,
        uid: str,
        holder_id: UUID,
        profile: str,
        key_version: int,
        at: datetime,
    ) -> Self:
        """Register a personalised, empty medium; `uid` is 14 hex digits."""
        return cls._create(
            cls.Personalised,
            id=medium_id,
            timestamp=at,
            uid=uid,
            holder_id=holder_id,
            profile=profile,
            key_version=key_version,
        )

    class Personalised(Event, FirstEvent):
        TOPIC = "medium.personalised"
        uid: str
        holder_id: UUID
        profile: str
        key_version: int

    def __init__(
        self, *, uid: str, holder_id: UUID, profile: str, key_version: int
    ) -> None:
        self.uid = uid
        self.holder_id = holder_id
        self.profile = profile
        self.key_version = key_version
        self.status = MediumStatus.ACTIVE
        self.status_version = 1
        self.seq = 0
        self.seq_version = 1
        self.slots: list[SlotState] = [EMPTY] * SLOTS_MAX
        self.digest = self._digest(0, self.slots).hex()
        self.transaction_counter = 0
        self.pending: PendingWrite | None = None
        self.last_write_id: UUID | None = None
        self.last_suspicion: tuple[str, dict[str, Any]] | None = None

    def stamp(self) -> Stamp:
        """Return the stamp as it stands on the medium now."""
        return self._stamp(self.seq, self.digest)

    def pending_stamp(self) -> Stamp:
        """Return the stamp of the write that is still unanswered."""
        if self.pending is None:
            raise WriteUnknown
        return self._stamp(self.pending.seq, self.pending.digest)

    def prepare_write(
        self,
        *,
        write_id: UUID,
        changes: Sequence[Change],
        device_id: UUID,
        at: datetime,
    ) -> Stamp:
        """Prepare the next state of the medium; return the stamp to write."""
        self.require_trusted()
        if self.pending is not None:
            raise WriteInDoubt(because=self.names(self.pending.version))
        after = self._after(changes)
        seq = self.seq + 1
        new_digest = self._digest(seq, after).hex()
        self.trigger_event(
            self.WritePrepared,
            timestamp=at,
            write_id=write_id,
            seq=seq,
            digest=new_digest,
            changes=[change.as_dict() for change in changes],
            device_id=device_id,
        )
        return self._stamp(seq, new_digest)

    class WritePrepared(Event):
        TOPIC = "medium.write-prepared"
        write_id: UUID
        seq: int
        digest: str
        changes: list[dict[str, Any]]
        device_id: UUID

        def apply(self, aggregate: Medium) -> None:
            aggregate.pending = PendingWrite(
                self.write_id,
                self.seq,
                self.digest,
                tuple(Change.from_dict(change) for change in self.changes),
                self.device_id,
                self.originator_version,
            )

    def confirm_write(
        self,
        *,
        write_id: UUID,
        transaction_counter: int | None,
        transaction_mac: str | None,
        at: datetime,
    ) -> tuple[Change, ...]:
        """Record that the card committed; return the changes that became true.

        Both proof arguments are None when the card itself, read again, showed the
        new state instead (a write whose answer was lost).
        """
        if self.last_write_id == write_id:
            return ()
        pending = self._require_pending(write_id)
        seen_before = self.transaction_counter
        if transaction_counter is not None and transaction_counter <= seen_before:
            raise ProofMismatch(because=self.names(self.seq_version))
        self.trigger_event(
            self.Written,
            timestamp=at,
            write_id=write_id,
            transaction_counter=transaction_counter,
            transaction_mac=transaction_mac,
        )
        return pending.changes

    class Written(Event):
        TOPIC = "medium.written"
        write_id: UUID
        transaction_counter: int | None
        transaction_mac: str | None

        def apply(self, aggregate: Medium) -> None:
            pending = aggregate.pending
            assert pending is not None
            aggregate.slots = aggregate._after(pending.changes)
            aggregate.seq = pending.seq
            aggregate.seq_version = self.originator_version
            aggregate.digest = pending.digest
            aggregate.pending = None
            aggregate.last_write_id = self.write_id
            if self.transaction_counter is not None:
                aggregate.transaction_counter = self.transaction_counter

    def abort_write(
        self, *, write_id: UUID, reason: str, at: datetime
    ) -> tuple[Change, ...]:
        """Record that the card did not commit; return the changes that were dropped."""
        if self.pending is None or self.pending.write_id != write_id:
            if self.last_write_id == write_id:
                raise WriteUnknown
            return ()
        changes = self.pending.changes
        self.trigger_event(
            self.WriteAborted, timestamp=at, write_id=write_id, reason=reason
        )
        return changes

    class WriteAborted(Event):
        TOPIC = "medium.write-aborted"
        write_id: UUID
        reason: str

        def apply(self, aggregate: Medium) -> None:
            aggregate.pending = None

    def suspect(self, *, verdict: Verdict, seen: dict[str, Any], at: datetime) -> None:
        """Keep what a suspicious tap showed; the first one makes the medium suspect."""
        self.trigger_event(
            self.Suspected, timestamp=at, verdict=str(verdict), seen=seen
        )

    class Suspected(Event):
        TOPIC = "medium.suspected"
        verdict: str
        seen: dict[str, Any]

        def apply(self, aggregate: Medium) -> None:
            aggregate.last_suspicion = (self.verdict, self.seen)
            if aggregate.status == MediumStatus.ACTIVE:
                aggregate.status = MediumStatus.SUSPECT
                aggregate.status_version = self.originator_version

    def require_trusted(self) -> None:
        if self.status == MediumStatus.SUSPECT:
            raise MediumSuspect(because=self.names(self.status_version))

    def slot(self, number: int) -> SlotState:
        if not 0 <= number < SLOTS_MAX:
            raise BadSlot(slot=number)
        return self.slots[number]

    def free_slots(self) -> list[int]:
        return [
            number
            for number, state in enumerate(self.slots)
            if state.status == SlotStatus.EMPTY
        ]

    def _require_pending(self, write_id: UUID) -> PendingWrite:
        if self.pending is None or self.pending.write_id != write_id:
            raise WriteUnknown
        return self.pending

    def _after(self, changes: Sequence[Change]) -> list[SlotState]:
        slots = list(self.slots)
        for change in changes:
            slots[change.slot] = change.state
        return slots

    def _digest(self, seq: int, slots: Sequence[SlotState]) -> bytes:
        entries = [state.entry() for state in slots]
        return digest(uid=bytes.fromhex(self.uid), seq=seq, slots=entries)

    def _stamp(self, seq: int, digest_hex: str) -> Stamp:
        return Stamp(
            key_version=self.key_version,
            seq=seq,
            uid=bytes.fromhex(self.uid),
            digest=bytes.fromhex(digest_hex),
        )
