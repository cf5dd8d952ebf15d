"""A dispute case: what is claimed, what was shown, what was decided and done.

  OPENED ──► EVIDENCE ──► REVIEW ──► DECIDED ──► EXECUTED ──► CLOSED
     └──────────────────────▲ ▲         │
                              └── APPEALED, once, by another operator
  before EXECUTED also ──► WITHDRAWN, or undecided ──► MERGED into another case

A live case may hold tickets; whoever ends it releases exactly its own holds in the
same commit. What the decision changes is planned in `unwind` and carried out as one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ledger.aggregates.case.deciding import Deciding
from ledger.aggregates.case.opening import Opening
from ledger.aggregates.case.states import CaseState, CaseType


class Case(Opening, Deciding):
    """One dispute and its whole history."""

    TOPIC = "case"

    def __init__(
        self,
        *,
        case_type: str,
        ticket_ids: list[UUID],
        medium_uid: str | None,
        payment_id: UUID | None,
        order_id: UUID | None,
        facts: dict[str, Any],
        kind: str,
        effects: list[str],
        opened_by: str,
    ) -> None:
        self.type = CaseType(case_type)
        self.ticket_ids = tuple(ticket_ids)
        self.medium_uid = medium_uid
        self.payment_id = payment_id
        self.order_id = order_id
        self.facts = [facts]
        self.kind = kind
        self.effects = tuple(effects)
        self.opened_by = opened_by
        self.state = CaseState.OPENED
        self.state_version = 1
        self.evidence = ()
        self.merged_cases = ()
        self.merged_into = None
        self.judgements = ()
        self.reviewer = None
        self.appealed_version = 0
        self.plan_hash = None
