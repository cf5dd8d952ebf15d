"""A card (or another medium): what was written on it, and what it shows now."""

from ledger.aggregates.medium.judge import Judgement, Reading, SlotJudgement, judge
from ledger.aggregates.medium.medium import Change, Medium, MediumUnknown, SlotState

__all__ = [
    "Change",
    "Judgement",
    "Medium",
    "MediumUnknown",
    "Reading",
    "SlotJudgement",
    "SlotState",
    "judge",
]
