"""What a client has asked for and was told, kept where no kill takes it away.

A line is on the disk before the client goes on: what it asks before it asks, the answer
before it asks for anything else. One client writes a journal, anybody reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Outcome(StrEnum):
    """What a client was told of a command."""

    DONE = "done"
    REFUSED = "refused"
    MOOT = "moot"
    """Refused when it was asked again: the first time it may have been done."""

    UNKNOWN = "unknown"
    """No answer yet, or it was lost; it is asked again, with the same key."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, the key it was sent under, and what came of it."""

    key: str
    deed: Mapping[str, Any]
    outcome: Outcome = Outcome.UNKNOWN
    again: bool = False
    """Its answer was lost once, so it was asked for again."""

    @property
    def events(self) -> int:
        """How many events it records if it is done."""
        return 2 if self.deed["kind"] == "pair" else 1


class Journal:
    """The journal of one client, for it to write."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            os.truncate(path, _whole(path.read_bytes()))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._file)

    def ask(self, key: str, deed: Mapping[str, Any]) -> None:
        self._write({"key": key, "deed": deed})

    def ask_again(self, key: str) -> None:
        self._write({"key": key, "again": True})

    def tell(self, key: str, outcome: Outcome) -> None:
        self._write({"key": key, "outcome": outcome})

    def _write(self, line: Mapping[str, object]) -> None:
        os.write(self._file, f"{json.dumps(line)}\n".encode())
        os.fsync(self._file)


def read(path: Path) -> dict[str, Asked]:
    """Return all that stands in a journal, by key, in the order of asking."""
    found: dict[str, Asked] = {}
    raw = path.read_bytes() if path.exists() else b""
    for line in raw[: _whole(raw)].splitlines():
        said = json.loads(line)
        key = said["key"]
        if "deed" in said:
            found[key] = Asked(key, said["deed"])
        elif "again" in said:
            found[key] = replace(found[key], again=True)
        else:
            found[key] = replace(found[key], outcome=Outcome(said["outcome"]))
    return found


def _whole(raw: bytes) -> int:
    """Where the last whole line ends: a killed writer may have left half of one."""
    return raw.rfind(b"\n") + 1
