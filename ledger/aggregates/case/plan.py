"""What an execution would do: ordered steps, each with its money, and their hash.

Money stands in balanced postings, credit positive, on accounts that are named as in
entries (`revenue/…`, `escrow/…`), and on two names that are resolved on execution:
`purse/{party}` is the party's e-money, `tenders/{sale or order}` whatever paid for it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID


class StepKind(StrEnum):
    REASSIGN = "reassign"
    REVOKE = "revoke"
    REFUND = "refund"
    RECALL = "recall"
    SURRENDER = "surrender"
    REINSTATE = "reinstate"
    UNDO_SALE = "undo_sale"
    PAY = "pay"


# Steps that take the ticket from somebody, so that its worth is at stake.
_TAKING = frozenset({StepKind.REASSIGN, StepKind.REVOKE})


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a movement, in minor units; credit is positive."""

    account: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Step:
    """One compensating event, and the money that moves with it.

    `version` is the ticket's event that is reversed; `ref` names the sale, the order,
    the medium or the serial concerned. `worth_minor` is what the ticket had cost.
    """

    kind: StepKind
    says: str
    ticket_id: UUID | None = None
    version: int | None = None
    to_id: UUID | None = None
    ref: str | None = None
    currency: str | None = None
    postings: tuple[Posting, ...] = ()
    worth_minor: int = 0

    def __post_init__(self) -> None:
        if sum(posting.amount_minor for posting in self.postings):
            raise ValueError("the postings of a step sum to zero")

    @property
    def paid_minor(self) -> int:
        """What changes hands, in minor units."""
        return sum(max(0, posting.amount_minor) for posting in self.postings)

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": str(self.kind),
            "ticket_id": self.ticket_id,
            "version": self.version,
            "to_id": self.to_id,
            "ref": self.ref,
            "currency": self.currency,
            "postings": [asdict(posting) for posting in self.postings],
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would be done, and the marks of the state it was made from."""

    steps: tuple[Step, ...]
    marks: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Name this plan: the same steps from the same state have the same hash."""
        said = {"steps": [step.as_dict() for step in self.steps], "marks": self.marks}
        canonical = json.dumps(said, sort_keys=True, default=str)
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def value_minor(self) -> int:
        """What is at stake: money that moves, and tickets taken from somebody.

        A ticket that changes hands several times on its way back counts once.
        """
        money = sum(step.paid_minor for step in self.steps)
        taken = {
            step.ticket_id: step.worth_minor
            for step in self.steps
            if step.kind in _TAKING
        }
        return money + sum(taken.values())

    def totals(self) -> dict[tuple[str, str], int]:
        """Sum what each account gets, by account and currency."""
        sums: Counter[tuple[str, str]] = Counter()
        for step in self.steps:
            for posting in step.postings:
                sums[posting.account, str(step.currency)] += posting.amount_minor
        return {key: amount for key, amount in sums.items() if amount}
