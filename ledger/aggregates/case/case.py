"""A dispute case: what is claimed, what was shown, what was decided and done.

  OPENED ──► EVIDENCE ──► REVIEW ──► DECIDED ──► EXECUTED ──► CLOSED
     └──────────────────────▲ ▲         │
                              └── APPEALED, once, by another operator
  before EXECUTED also ──► WITHDRAWN, or undecided ──► MERGED into another case

A live case may hold tickets; whoever ends it releases exactly its own holds in the
same commit. What the decision changes is planned in `unwind` and carried out as one.
"""

from __future__ import annotations

from ledger.aggregates.case.deciding import Deciding


class Case(Deciding):
    """One dispute and its whole history."""

    TOPIC = "case"
