"""What an examination says: one line a check, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow, tuple_row

from ledger.application import Ledger
from ledger.settings import Settings


class State(StrEnum):
    """`warn`: somebody should look soon; `FAIL`: something is wrong now."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    says: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is examined: an installation as it stands, with nothing prepared."""

    settings: Settings
    url: str
    connection: Connection[DictRow]
    """One moment of the log, only read, as the login that owns the tables."""

    ledger: Ledger
    at: datetime
    deep: bool

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(query.encode(), values).fetchall()

    def ask_one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        return next(iter(self.ask(query, *values)), None)


def ok(check: str, says: str) -> Finding:
    return Finding(check, State.OK, says)


def warn(check: str, says: str, do: str) -> Finding:
    return Finding(check, State.WARN, says, do)


def fail(check: str, says: str, do: str) -> Finding:
    return Finding(check, State.FAIL, says, do)
