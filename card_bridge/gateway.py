"""What terminals, points of sale and dispensers ask of the ledger, on any line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from card_bridge.profile.card import CardReading, Committed
from card_bridge.protocol.ev2_auth import SessionKeys
from card_bridge.protocol.transaction_mac import Operation, TransactionProof
from ledger.vocabulary.codes import Question, Verdict

_FINAL = frozenset({404, 409, 422})
_PASSING = frozenset({"in_flight", "log_stopped", "overtaken"})


class LedgerRefusal(Exception):
    """The ledger said no. `code` is stable, the message is one sentence."""

    def __init__(
        self, code: str, detail: str, *, status: int, because: Sequence[str] = ()
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.because = tuple(because)

    @property
    def is_final(self) -> bool:
        """Whether saying the same again would be refused again.

        Another token, another role or another moment may change what else is refused.
        """
        return self.status in _FINAL and self.code not in _PASSING


class LedgerUnreachable(Exception):
    """No answer came: what was asked may have happened, or not."""

    code = "unreachable"

    def __init__(self) -> None:
        super().__init__("The ledger cannot be reached; please try again later.")


@dataclass(frozen=True, slots=True)
class SlotNow:
    """One occupied slot, as the ledger judges it."""

    slot: int
    verdict: Verdict
    code: str | None
    says: str
    ticket_id: UUID
    right: str
    title: str
    kind: str
    question: Question | None


@dataclass(frozen=True, slots=True)
class Tapped:
    """The ledger's answer to a tap."""

    verdict: Verdict
    code: str | None
    says: str
    slots: tuple[SlotNow, ...]


@dataclass(frozen=True, slots=True)
class SlotChange:
    slot: int
    entry: bytes
    ticket_id: UUID | None
    epoch: int
    transmission: bytes | None


@dataclass(frozen=True, slots=True)
class MediumWrite:
    """What the ledger has prepared to be written on a card."""

    write_id: UUID
    uid: bytes
    seq: int
    stamp: bytes
    changes: tuple[SlotChange, ...]
    record_public_key: bytes | None
    origin: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a write: the card's proof, or why there is none."""

    proof: TransactionProof | None
    operations: tuple[Operation, ...] = ()
    reason: str = ""

    @classmethod
    def of(cls, committed: Committed) -> Outcome:
        return cls(committed.proof, committed.operations)

    @classmethod
    def aborted(cls, reason: str) -> Outcome:
        return cls(None, reason=reason)

    def as_json(self) -> dict[str, Any]:
        if self.proof is None:
            return {"outcome": "aborted", "reason": self.reason}
        return {
            "outcome": "committed",
            "tmc": self.proof.tmc,
            "tmv": self.proof.tmv.hex(),
            "operations": [
                {
                    "cmd": f"{operation.cmd:02x}",
                    "file": operation.file,
                    "offset": operation.offset,
                    "length": operation.length,
                    "data": operation.data.hex(),
                }
                for operation in self.operations
            ],
        }


@dataclass(frozen=True, slots=True)
class DispenseLease:
    job_id: UUID
    until: datetime
    write: MediumWrite


@dataclass(frozen=True, slots=True)
class PrintOrder:
    """What the paper says, authorised once."""

    serial: str
    code: str
    title: str
    right: str
    not_before: datetime
    not_after: datetime
    ticket_id: UUID
    origin: str


@dataclass(frozen=True, slots=True)
class RedemptionLease:
    session_id: UUID
    until: datetime
    write: MediumWrite


class LedgerGateway(Protocol):
    """The ledger over a line. Every call raises LedgerRefusal or LedgerUnreachable."""

    def device_keys(self, device_id: UUID) -> bytes: ...

    def tap(self, reading: CardReading, *, terminal_id: UUID | None) -> Tapped: ...

    def begin_authentication(
        self, uid: bytes, *, key_no: int, challenge: bytes, terminal_id: UUID
    ) -> tuple[bytes, bytes]: ...

    def finish_authentication(
        self, uid: bytes, *, continuation: bytes, response: bytes, terminal_id: UUID
    ) -> SessionKeys: ...

    def prepare_write(
        self,
        reading: CardReading,
        *,
        terminal_id: UUID,
        load: Sequence[UUID],
        unload: Sequence[UUID],
    ) -> MediumWrite | None: ...

    def settle_write(self, uid: bytes, write_id: UUID, outcome: Outcome) -> None: ...

    def start_dispense(
        self,
        ticket_id: UUID,
        reading: CardReading,
        *,
        slot: int,
        epoch: int,
        answered: bool,
    ) -> DispenseLease: ...

    def mark_dispense(
        self,
        ticket_id: UUID,
        job_id: UUID,
        *,
        uid: bytes,
        write_id: UUID,
        outcome: Outcome,
        serial: str,
    ) -> PrintOrder: ...

    def printed(
        self, ticket_id: UUID, job_id: UUID, *, serial: str, device_time: datetime
    ) -> None: ...

    def abort_dispense(self, ticket_id: UUID, job_id: UUID, *, reason: str) -> None: ...

    def start_redemption(
        self,
        ticket_id: UUID,
        reading: CardReading,
        *,
        slot: int,
        epoch: int,
        receipt: str,
        amount_minor: int,
        currency: str,
    ) -> RedemptionLease: ...

    def redeem(
        self,
        ticket_id: UUID,
        session_id: UUID,
        *,
        uid: bytes,
        write_id: UUID,
        outcome: Outcome,
    ) -> int: ...
