"""What a client asked for, when, and what it was told. A line is written before asking.

    asked ──► ok          the answer came
          ──► refused     the answer came: nothing was done
          ──► unknown     the line was cut; asked again under the same key

An operation begins when it is first asked for and ends with its last answer. One that
is unknown for good has no end: it may take effect at any time, or never.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from time import monotonic_ns
from typing import IO, Any

NEVER_NS = 2**63 - 1
NOTHING = 0
"""The position of a command that found nothing to do."""


class Outcome(StrEnum):
    """What a client knows of an operation."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Operation:
    """One command or read of one client; times are of one clock for all clients."""

    key: str
    """Stands in the log beside what the command recorded."""

    client: str
    kind: str
    begun_ns: int
    ended_ns: int = NEVER_NS
    outcome: Outcome = Outcome.UNKNOWN
    said: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for."""

    answer: Mapping[str, Any] = field(default_factory=dict)


class Notebook:
    """The operations of one client, in a file of its own or only in memory."""

    def __init__(self, client: str, file: IO[str] | None = None) -> None:
        self.client = client
        self.operations: list[Operation] = []
        self._file = file
        self.count = 0
        """So many were asked for."""

    def ask(self, kind: str, said: Mapping[str, Any]) -> Operation:
        """Write down what is about to be asked for."""
        self.count += 1
        key = f"{self.client}/{self.count}"
        operation = Operation(key, self.client, kind, 0, said=said)
        self._write({"key": key, "client": self.client, "kind": kind, "said": said})
        operation.begun_ns = monotonic_ns()
        if self._file is None:
            self.operations.append(operation)
        return operation

    def tell(
        self, operation: Operation, outcome: Outcome, answer: Mapping[str, Any]
    ) -> None:
        """Write down what was answered, as late as it can be called an answer."""
        operation.ended_ns = NEVER_NS if outcome == Outcome.UNKNOWN else monotonic_ns()
        operation.outcome, operation.answer = outcome, answer
        begun_ns, ended_ns = operation.begun_ns, operation.ended_ns
        times = {"begun_ns": begun_ns, "ended_ns": ended_ns}
        self._write({"outcome": outcome, "answer": answer, **times})

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, default=str) + "\n")


def read(path: Path) -> Iterator[Operation]:
    """Read one client's notebook; an operation that it did not end is unknown."""
    asked: Operation | None = None
    with path.open() as file:
        for line in file:
            told = json.loads(line)
            if "kind" in told:
                if asked is not None:
                    yield asked
                asked = Operation(**told, begun_ns=0)
            elif asked is not None:
                asked.outcome = Outcome(told["outcome"])
                asked.begun_ns, asked.ended_ns = told["begun_ns"], told["ended_ns"]
                asked.answer = told["answer"]
    if asked is not None:
        yield asked
