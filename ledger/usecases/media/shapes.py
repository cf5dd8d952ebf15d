"""What is said of a card's write: prepared, reported, and not fresh enough for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.aggregates.medium import Change, Judgement
from ledger.errors import Conflict
from ledger.ports import CardOperation
from ledger.vocabulary.medium_record import Stamp


class NotFresh(Conflict):
    """The card was judged, and not fresh; the code is the verdict's."""

    code = "medium_stale"
    says = "{says}"

    def __init__(self, judgement: Judgement) -> None:
        super().__init__(says=judgement.says, verdict=str(judgement.verdict))
        self.code = judgement.code or self.code  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a device reports of a write: committed with the card's proof, or aborted."""

    committed: bool
    transaction_counter: int = 0
    transaction_mac: bytes = b""
    operations: tuple[CardOperation, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SlotChange:
    """One slot to write; `transmission` is the ticket, sealed for the terminal."""

    slot: int
    entry: bytes
    ticket_id: UUID | None
    epoch: int
    transmission: bytes | None


@dataclass(frozen=True, slots=True)
class MediumWrite:
    write_id: UUID
    uid: bytes
    seq: int
    stamp: bytes
    changes: tuple[SlotChange, ...]


def write_of(
    write_id: UUID,
    stamp: Stamp,
    changes: Sequence[Change],
    transmissions: Mapping[UUID | None, bytes],
) -> MediumWrite:
    """Tell a device what to write; tickets are sent where a change has a body."""
    return MediumWrite(
        write_id=write_id,
        uid=stamp.uid,
        seq=stamp.seq,
        stamp=stamp.encode(),
        changes=tuple(
            SlotChange(
                slot=change.slot,
                entry=change.state.entry().encode(),
                ticket_id=change.state.ticket_id,
                epoch=change.state.epoch,
                transmission=transmissions.get(change.state.ticket_id)
                if change.body
                else None,
            )
            for change in changes
        ),
    )
