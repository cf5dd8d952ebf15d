"""What machines did while the line was down, recorded when it is there again."""

from ledger.usecases.offline.facts import (
    BadFact,
    Fact,
    Mark,
    PrintedOffline,
    RedeemedOffline,
)
from ledger.usecases.offline.uploading import FACTS_MAX, Outcome, upload

__all__ = [
    "FACTS_MAX",
    "BadFact",
    "Fact",
    "Mark",
    "Outcome",
    "PrintedOffline",
    "RedeemedOffline",
    "upload",
]
