"""The words of a dispute case: its type, its state, what it decides, what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class CaseType(StrEnum):
    """What is said to have gone wrong."""

    UNAUTHORISED_TRANSFER = "unauthorised_transfer"
    WRONG_RECIPIENT = "wrong_recipient"
    NOT_RECEIVED = "not_received"
    DUPLICATE_DISPENSE = "duplicate_dispense"
    OFFLINE_CONFLICT = "offline_conflict"
    LOST_MEDIUM = "lost_medium"
    CLONED_MEDIUM = "cloned_medium"
    DISPENSER_FAULT = "dispenser_fault"
    CAP_BREACH = "cap_breach"
    CHARGEBACK = "chargeback"
    COUPON_ERROR = "coupon_error"
    CANCELLED_OFFERING = "cancelled_offering"


class CaseState(StrEnum):
    OPENED = "OPENED"
    EVIDENCE = "EVIDENCE"
    REVIEW = "REVIEW"
    DECIDED = "DECIDED"
    APPEALED = "APPEALED"
    EXECUTED = "EXECUTED"
    CLOSED = "CLOSED"
    WITHDRAWN = "WITHDRAWN"
    MERGED = "MERGED"


# A case that is over holds nothing any more.
OVER = frozenset({CaseState.CLOSED, CaseState.WITHDRAWN, CaseState.MERGED})
# Still being looked into: facts and evidence are taken.
UNDECIDED = frozenset(
    {CaseState.OPENED, CaseState.EVIDENCE, CaseState.REVIEW, CaseState.APPEALED}
)


class DecisionKind(StrEnum):
    UPHOLD = "UPHOLD"
    REVERSE_TO = "REVERSE_TO"
    REISSUE = "REISSUE"
    REVOKE = "REVOKE"
    REFUND = "REFUND"
    COMPENSATE = "COMPENSATE"
    RECORD_DEBT = "RECORD_DEBT"


# What a decision of this kind cannot do without.
_NEEDS: Mapping[DecisionKind, tuple[str, ...]] = {
    DecisionKind.REVERSE_TO: ("events",),
    DecisionKind.COMPENSATE: ("payee_id", "amount_minor", "currency"),
    DecisionKind.RECORD_DEBT: ("payer_id", "amount_minor", "currency"),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall be done. Which parts it needs depends on its kind.

    `events` names title events as `ticket id/version`: the title goes back to whom
    it belonged after each. `bad_faith` are purchasers found not to deserve the
    protection of good faith. `payer_id` None: the transaction centre pays.
    """

    kind: DecisionKind
    events: tuple[str, ...] = ()
    bad_faith: tuple[UUID, ...] = ()
    payer_id: UUID | None = None
    payee_id: UUID | None = None
    amount_minor: int = 0
    currency: str | None = None

    def __post_init__(self) -> None:
        # Stored as plain text and lists; a decision is compared by these.
        object.__setattr__(self, "kind", DecisionKind(self.kind))
        object.__setattr__(self, "events", tuple(self.events))
        object.__setattr__(self, "bad_faith", tuple(self.bad_faith))

    @property
    def missing(self) -> tuple[str, ...]:
        """Name what a decision of this kind still needs: an amount is above zero."""
        needs = _NEEDS.get(self.kind, ())
        absent = [name for name in needs if not getattr(self, name)]
        if "amount_minor" in needs and self.amount_minor < 0:
            absent.append("amount_minor")
        return tuple(absent)

    def as_dict(self) -> dict[str, Any]:
        said = asdict(self)
        lists = {"events": list(self.events), "bad_faith": list(self.bad_faith)}
        return said | lists | {"kind": str(self.kind)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody showed: sealed words, and the hash of a file kept elsewhere."""

    evidence_id: UUID
    by: str
    description_sealed: str
    sha256: str
    size: int
    media_type: str
    version: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision, who made it, and the log position it was judged at."""

    decision: Decision
    by: str
    judged_at_position: int
    version: int
