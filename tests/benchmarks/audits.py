"""How fast an auditor is answered: one ticket as of a position, and as of a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from ledger.usecases import audit
from tests.benchmarks.frame import ROUNDS, Place, Result
from tests.benchmarks.town import EVENTS_LONG, Town, town

QUESTIONS = 10
AIM_MS = 100.0


def by_position(place: Place) -> Result:
    """Ask for a ticket with a long history as of its newest event."""
    its = place.once(town)
    return _measured(place, its, lambda: its.installation.ledger.position())


def by_time(place: Place) -> Result:
    """Ask as of the time of that event: the position is looked up first."""
    its = place.once(town)
    newest = audit.log_as_of(its.installation.ledger, when=None).moment
    return _measured(place, its, lambda: newest.at)


def _measured(place: Place, its: Town, when: Callable[[], audit.When]) -> Result:
    def answered_ms() -> float:
        began = time.perf_counter()
        for _ in range(QUESTIONS):
            found = audit.as_of(
                its.installation.ledger, ticket_id=its.long_ticket, when=when()
            )
            assert found.parts["stream"]["version"] == EVENTS_LONG
        return (time.perf_counter() - began) / QUESTIONS * 1000

    position = its.installation.ledger.position()
    return Result(
        value=place.alternate({"as of": answered_ms})["as of"],
        unit="ms",
        baseline=AIM_MS,
        n=QUESTIONS * ROUNDS,
        note=(
            f"all parts of a ticket of {EVENTS_LONG:,} events, replayed, no snapshot,"
            f" in a log of {position:,}; baseline: the aim"
        ),
    )
