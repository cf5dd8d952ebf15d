"""The parts of a medium: what it is, what its slots say, what is being written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    REF_LENGTH,
    SlotEntry,
    SlotStatus,
)


class MediumStatus(StrEnum):
    """A blank medium is not known here: it becomes so by being personalised."""

    PERSONALISED = "PERSONALISED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    SUSPECT = "SUSPECT"
    BLOCKED = "BLOCKED"
    REPLACED = "REPLACED"
    RETURNED = "RETURNED"


IN_USE = frozenset({MediumStatus.PERSONALISED, MediumStatus.ACTIVE})
# These are final: nothing is ever written on such a medium again.
OUT_OF_USE = frozenset(
    {MediumStatus.BLOCKED, MediumStatus.REPLACED, MediumStatus.RETURNED}
)


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


@dataclass(frozen=True, slots=True)
class LastWrite:
    """Who brought the medium to the state it is in: the other tap of a rollback."""

    write_id: UUID
    device_id: UUID
    at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class OfflineMark:
    """A mark that a machine made without the line, waiting for those before it."""

    seq: int
    change: Change
    device_id: UUID


@dataclass(frozen=True, slots=True)
class Ahead:
    """Since when the medium has shown a state that no machine has reported."""

    seq: int
    since: datetime
    version: int
