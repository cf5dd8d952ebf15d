"""Dispute cases."""

from ledger.aggregates.case.case import Case
from ledger.aggregates.case.deciding import FOUR_EYES_MINOR
from ledger.aggregates.case.refusals import CaseUnknown
from ledger.aggregates.case.states import (
    CaseState,
    CaseType,
    Decision,
    DecisionKind,
    Evidence,
    Judgement,
)

__all__ = [
    "FOUR_EYES_MINOR",
    "Case",
    "CaseState",
    "CaseType",
    "CaseUnknown",
    "Decision",
    "DecisionKind",
    "Evidence",
    "Judgement",
]
