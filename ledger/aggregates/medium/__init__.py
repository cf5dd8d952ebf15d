"""A card (or another medium): what was written on it, and what it shows now."""

from ledger.aggregates.medium.judge import Judgement, Reading, SlotJudgement, judge
from ledger.aggregates.medium.medium import Medium
from ledger.aggregates.medium.refusals import MediumUnknown, WriteUnknown
from ledger.aggregates.medium.states import EMPTY, Change, MediumStatus, SlotState

__all__ = [
    "EMPTY",
    "Change",
    "Judgement",
    "Medium",
    "MediumStatus",
    "MediumUnknown",
    "Reading",
    "SlotJudgement",
    "SlotState",
    "WriteUnknown",
    "judge",
]
