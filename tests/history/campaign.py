"""Many clients in processes of their own, and whether they saw one history.

clients       python -m tests.history.worker …    several, each with a notebook
views         threads here, which follow the log
afterwards    the log is read from its first position and everything checked
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ledger.bootstrap import open_installation
from ledger.settings import Settings
from tests.history import town
from tests.history.checker import Anomaly
from tests.history.crowd import Story, followed
from tests.history.log import Log, read
from tests.history.operations import Operation, Outcome
from tests.history.operations import read as read_notes

ROOT = Path(__file__).parents[2]
OPERATIONS_A_PLACE = 60
"""So that the hot stock is sold out before the end."""

PLACES_MIN = 20
CUT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Result:
    """What a campaign came to; times in seconds."""

    operations: int
    events: int
    outcomes: Counter[str]
    unknown_done: int
    """Of those unknown for good, so many stand in the log all the same."""

    asked_s: float
    checked_s: float
    anomalies: Sequence[Anomaly]

    def lines(self) -> list[str]:
        told = ", ".join(f"{many} {name}" for name, many in self.outcomes.most_common())
        return [
            f"{self.operations} operations in {self.asked_s:.0f} s: {told}",
            f"of those unknown, {self.unknown_done} were found done in the log",
            f"{self.events} events read and checked in {self.checked_s:.1f} s",
            f"{len(self.anomalies)} anomalies",
            *(f"  {each.rule}: {each.says}" for each in self.anomalies[:20]),
        ]


def run(settings: Settings, *, clients: int, operations: int, seed: str) -> Result:
    """Run one campaign in an empty schema. Raises `CalledProcessError`."""
    places = max(PLACES_MIN, operations // OPERATIONS_A_PLACE)
    with open_installation(settings) as installation, ExitStack() as stack:
        since = town.set_up(installation, clients=clients, places=places)
        stack.enter_context(followed(installation))
        began = monotonic()
        _ask(settings, clients, operations, seed)
        asked_s = monotonic() - began
        told = [
            each
            for number in range(clients)
            for each in read_notes(settings.home / f"{number}.notes")
        ]
        began = monotonic()
        log = Log.of(read(installation.ledger.recorder))
        anomalies = Story(log, told, since).anomalies()
        return Result(
            operations=len(told),
            events=log.size,
            outcomes=Counter(_called(each) for each in told),
            unknown_done=sum(
                each.outcome == Outcome.UNKNOWN and each.key in log.by_key
                for each in told
            ),
            asked_s=asked_s,
            checked_s=monotonic() - began,
            anomalies=anomalies,
        )


def _ask(settings: Settings, clients: int, operations: int, seed: str) -> None:
    assert settings.database_url
    words = settings.database_url, settings.schema, str(settings.home)
    rest = seed, str(operations // clients), str(CUT_SHARE)
    command = sys.executable, "-m", "tests.history.worker"
    processes = [
        subprocess.Popen([*command, *words, str(number), *rest], cwd=ROOT)
        for number in range(clients)
    ]
    try:
        for process in processes:
            if process.wait():
                raise subprocess.CalledProcessError(process.returncode, command)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _called(told: Operation) -> str:
    again = "asked again, " if told.answer.get("again") else ""
    return f"{again}{told.outcome}"
