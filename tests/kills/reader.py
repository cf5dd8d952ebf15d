"""A reader that follows the log and writes down what it sees, for tests to disturb.

A program: `python -m tests.kills.reader URL SCHEMA FILE`. A line says position, stream
and version; one that is started again goes on after the last line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from uuid import UUID

from ledger.application import Ledger
from ledger.log.recorder import environment
from tests.kills.waiting import end_with_parent

POOL_SIZE = 2
NAME = "kills-reader"
"""As the server knows its connections."""

Seen = tuple[int, UUID, int]


def seen(path: Path) -> list[Seen]:
    """Return what a reader has written down: position, stream and version."""
    raw = path.read_bytes() if path.exists() else b""
    whole = raw[: raw.rfind(b"\n") + 1].decode().splitlines()
    return [
        (int(position), UUID(stream), int(version))
        for position, stream, version in (line.split() for line in whole)
    ]


def main(url: str, schema: str, file: str) -> None:
    end_with_parent()
    path = Path(file)
    before = seen(path)
    if path.exists():  # Killed within a line, it writes that one again.
        os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
    ledger = Ledger(environment(url, schema, POOL_SIZE))
    last = before[-1][0] if before else None
    with path.open("ab", buffering=0) as told, ledger.recorder.subscribe(last) as its:
        for each in its:
            place = f"{each.id} {each.originator_id} {each.originator_version}\n"
            told.write(place.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
