"""Cards kept in line with the ledger: registered, judged, written, and lost."""

from ledger.usecases.media.judging import (
    ON_THE_CARD,
    Freshness,
    Tapped,
    judge_by_streams,
    now,
    require_fresh,
    tap,
)
from ledger.usecases.media.losing import (
    Exposed,
    Lost,
    Recalled,
    block,
    clear_suspicion,
    hand_in,
    recall_stranded,
    replace,
    report_lost,
    restore,
)
from ledger.usecases.media.registering import (
    begin_authentication,
    finish_authentication,
    personalisation_keys,
    register,
)
from ledger.usecases.media.settling import drop, settle, tickets_on
from ledger.usecases.media.shapes import MediumWrite, NotFresh, Proof, SlotChange
from ledger.usecases.media.writing import (
    Prepared,
    Settled,
    prepare_mark,
    prepare_write,
    settle_write,
)

__all__ = [
    "ON_THE_CARD",
    "Exposed",
    "Freshness",
    "Lost",
    "MediumWrite",
    "NotFresh",
    "Prepared",
    "Proof",
    "Recalled",
    "Settled",
    "SlotChange",
    "Tapped",
    "begin_authentication",
    "block",
    "clear_suspicion",
    "drop",
    "finish_authentication",
    "hand_in",
    "judge_by_streams",
    "now",
    "personalisation_keys",
    "prepare_mark",
    "prepare_write",
    "recall_stranded",
    "register",
    "replace",
    "report_lost",
    "require_fresh",
    "restore",
    "settle",
    "settle_write",
    "tap",
    "tickets_on",
]
