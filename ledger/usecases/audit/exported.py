"""An export, read as the log it was taken from: without a database, line by line.

Nothing is proven here. That the events are the log's own, all of them and unchanged,
is what `ledgerctl log verify` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import ClassVar, TypeAlias
from uuid import UUID

from ledger.errors import Malformed
from ledger.log.export import FORMAT, ExportedEvent
from ledger.log.verify import Wrong, exported_events
from ledger.usecases.audit.book import Tell, last_dated, unheard

Lines: TypeAlias = Callable[[], Iterable[bytes]]
"""Gives the lines of an export from its beginning, each with its line feed."""


class BadExport(Malformed):
    code = "malformed"
    says = "The file is no whole export, line {line}: {why}; `log verify` checks it."


class ExportBook:
    """Implements `Book`. Each question reads the file once more, and keeps nothing.

    The first reads every line, and finds a file that is no export or was cut short.
    """

    what: ClassVar[str] = "export"

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._size: int | None = None

    def size(self) -> int:
        if self._size is None:
            self._size = self._surveyed()
        return self._size

    def entries(
        self, after: int, until: int, tell: Tell = unheard
    ) -> Iterator[ExportedEvent]:
        """The lines themselves tell how far the reading is: `tell` is not asked."""
        if self.size() <= after or until <= after:
            return
        for number, raw in enumerate(self._lines()):
            if after < number <= until:
                yield from _read(number + 1, raw)
            elif number > until:
                return

    def streams(
        self, stream_ids: Collection[UUID], until: int
    ) -> Iterator[ExportedEvent]:
        self.size()
        # A stream's id stands so in its own lines and in hardly any other.
        wanted, names = set(stream_ids), [str(each).encode() for each in stream_ids]
        for number, raw in enumerate(self._lines()):
            if number > until:
                return
            if any(name in raw for name in names):
                for entry in _read(number + 1, raw):
                    if entry.originator_id in wanted:
                        yield entry

    def reached_by(self, at: datetime) -> int:
        return last_dated(self.entries(0, self.size()), at, 0)

    def _surveyed(self) -> int:
        size, ended, line = 0, False, 0
        for line, raw in enumerate(self._lines(), 1):
            if ended:
                raise BadExport(line=line, why="there is a line after the checkpoint")
            if line == 1:
                _require_header(raw)
                continue
            entry = next(iter(_read(line, raw)), None)
            if entry is None:
                ended = True
            elif entry.position != size + 1:
                why = f"position {entry.position} where {size + 1} is due"
                raise BadExport(line=line, why=why)
            else:
                size = entry.position
        if not ended:
            raise BadExport(line=line + 1, why="it ends without a checkpoint")
        return size


def _require_header(raw: bytes) -> None:
    try:
        said = json.loads(raw)
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise BadExport(line=1, why=f"it does not begin as an {FORMAT}")


def _read(line: int, raw: bytes) -> Iterator[ExportedEvent]:
    """Yield the event of a line; a checkpoint has none."""
    try:
        found = list(exported_events([raw]))
    except Wrong as wrong:
        raise BadExport(line=line, why=wrong) from None
    if not found and not raw.startswith(b'{"checkpoint":'):
        raise BadExport(line=line, why="it is neither an event nor the checkpoint")
    yield from found
