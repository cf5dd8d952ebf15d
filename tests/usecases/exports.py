"""Logs in memory and on disk, read as exports of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ledger.log.export import FORMAT, ExportedEvent, encode
from ledger.usecases import audit


def exported(stored: Iterable[Any]) -> list[ExportedEvent]:
    return [
        ExportedEvent(
            index=index,
            position=index + 1,
            originator_id=each.originator_id,
            version=each.originator_version,
            topic=each.topic,
            state=bytes(each.state),
        )
        for index, each in enumerate(stored)
    ]


def lines_of(events: list[ExportedEvent]) -> list[bytes]:
    """An export as `log export` writes it; nobody here looks at the signature."""
    lines = [encode({"format": FORMAT, "origin": "o"})]
    lines += [event.line(event.leaf_hash()) for event in events]
    lines.append(encode({"checkpoint": "a signed note"}))
    return [line.encode() for line in lines]


def book_of(stored: Iterable[Any]) -> audit.ExportBook:
    lines = lines_of(exported(stored))
    return audit.ExportBook(lambda: lines)
