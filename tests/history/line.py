"""A client's line to the database, cut now and then: nobody knows what became of it.

Before the append was sent, after its answer, or somewhere between: only an append is
cut, for a read that fails has said nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import Random
from threading import Timer
from typing import Any

from eventsourcing.persistence import InterfaceError, OperationalError
from psycopg.rows import DictRow

from ledger.log.recorder import LedgerRecorder

UNDER_WAY_S = 0.004


class LineCut(Exception):
    """The command may have been carried out, or not."""


class Line:
    """Stands before a recorder; `cut_share` of its appends are cut."""

    def __init__(
        self, recorder: LedgerRecorder, chance: Random, cut_share: float
    ) -> None:
        self._recorder = recorder
        self._chance = chance
        self._cut_share = cut_share
        self._really = recorder._rows
        self.cuts = 0
        vars(recorder)["_rows"] = self._rows

    def _rows(
        self, query: str, values: Sequence[object] | Mapping[str, object]
    ) -> list[DictRow]:
        if "ledger_append" not in query or self._chance.random() >= self._cut_share:
            return self._really(query, values)
        self.cuts += 1
        way = self._chance.randrange(3)
        if way == 0:
            raise LineCut
        if way == 1:
            self._really(query, values)
            raise LineCut
        return self._cut_under_way(query, values)

    def _cut_under_way(
        self, query: str, values: Sequence[object] | Mapping[str, object]
    ) -> list[DictRow]:
        try:
            with (
                self._recorder.datastore.get_connection() as connection,
                connection.cursor(binary=True) as cursor,
            ):
                with socket.socket(fileno=os.dup(connection.fileno())) as wire:
                    delay_s = self._chance.random() * UNDER_WAY_S
                    timer = Timer(delay_s, _hang_up, [wire])
                    timer.start()
                    try:
                        rows: list[Any] = cursor.execute(
                            query.encode(), values, prepare=True
                        ).fetchall()
                    finally:
                        timer.cancel()
                        timer.join()
                return rows
        except (InterfaceError, OperationalError):
            raise LineCut from None


def _hang_up(wire: socket.socket) -> None:
    with suppress(OSError):  # The server was faster.
        wire.shutdown(socket.SHUT_RDWR)
