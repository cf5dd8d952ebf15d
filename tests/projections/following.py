"""Moving views in a test: all that is recorded, now."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from ledger.application import Ledger
from ledger.log.recorder import connect
from ledger.projections.follower import Follower
from ledger.projections.registry import NAMES, projection
from tests.databases import Database


def follower(ledger: Ledger, name: str) -> Follower:
    return Follower(ledger, projection(name, ledger.recorder.datastore))


def catch_up(ledger: Ledger, *names: str) -> None:
    """Take in whatever the views have not seen yet."""
    with connect(ledger.recorder.datastore) as connection:
        connection.execute("SET ROLE NONE")  # Who serves may not write views.
        for name in names or NAMES:
            its = follower(ledger, name)
            while its.step(connection):
                pass


def contents(database: Database, ledger: Ledger, *names: str) -> dict[str, Any]:
    """All rows of all views, and their bookmarks."""
    found: dict[str, Any] = {}
    with psycopg.connect(database.url) as connection:
        for name in names or NAMES:
            view = follower(ledger, name).view
            found[name] = view.position()
            for table in view.tables:
                query = sql.SQL("SELECT t::text FROM {} t ORDER BY 1")
                rows = connection.execute(query.format(sql.Identifier(table)))
                found[table] = [row for (row,) in rows]
    return found
