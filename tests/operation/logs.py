"""Logs for tests to look after, and ways to look into them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg import sql

from ledger.application import Ledger
from ledger.bootstrap import Installation
from ledger.settings import Settings
from tests.databases import Database
from tests.domain.examples import ALICE, BOB
from tests.usecases.town import Town

Session: TypeAlias = psycopg.Connection[tuple[Any, ...]]


def settings_of(database: Database, home: Path, **more: Any) -> Settings:
    return Settings(
        database_url=database.server_url,
        schema=database.schema,
        home=home,
        log_level="error",
        **more,
    )


def as_owner(database: Database) -> Session:
    """A session of whoever owns the tables, its path leading to the log."""
    connection = psycopg.connect(database.server_url, autocommit=True)
    path = sql.SQL("SET search_path TO {}").format(sql.Identifier(database.schema))
    connection.execute(path)
    return connection


def drop(database: Database) -> None:
    with as_owner(database) as connection:
        name = sql.Identifier(database.schema)
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))


def story(its: Installation) -> Town:
    """Alice buys a ticket and offers it to Bob, who accepts."""
    town = Town(its)
    ticket_id = town.buy(ALICE)
    town.accept(ticket_id, town.offer(ticket_id, by=ALICE, to=BOB), by=BOB)
    return town


def events(ledger: Ledger) -> list[tuple[int, object, int, str, bytes]]:
    """All there is, in the order of the log."""
    return [
        (each.id, each.originator_id, each.originator_version, each.topic, each.state)
        for each in ledger.recorder.select_notifications(1, 10_000)
    ]


def tamper(database: Database, statement: str) -> None:
    """Do to a table what its triggers would refuse, as one who may take them away."""
    with as_owner(database) as connection, connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(statement.encode())
