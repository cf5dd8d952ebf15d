"""Listens to what a request asks the database, statement by statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import psycopg
import pytest


@contextmanager
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collect the text of this thread's statements until the end of the block.

    What begins and ends a transaction is the connection's own, and not among them.
    """
    said: list[str] = []
    here = get_ident()
    execute = psycopg.Cursor.execute

    def heard(cursor: Any, query: Any, *values: Any, **more: Any) -> Any:
        if get_ident() != here:
            return execute(cursor, query, *values, **more)
        text = query if isinstance(query, bytes) else str(query).encode()
        said.append(" ".join(text.decode().split()))
        return execute(cursor, query, *values, **more)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", heard)
        yield said
