"""A server that says what it is told, and the real ledger with its views."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from psycopg import sql

from api.app import create_app
from ledger.adapters.roles import DatabaseRole
from ledger.bootstrap import open_installation
from ledger.projections.runner import Runner
from ledger.settings import Settings
from ledger_client import Client
from tests.api.callers import Callers, SetClock
from tests.card.bridge.stage import Stage, served
from tests.client.lines import Rest, Scripted


@pytest.fixture(scope="session")
def _scripted() -> Iterator[tuple[Scripted, str]]:
    server = Scripted()
    with served(server) as url:
        yield server, url


@pytest.fixture
def server(_scripted: tuple[Scripted, str]) -> Scripted:
    _scripted[0].says((200, {}, {}))
    return _scripted[0]


@pytest.fixture
def url(_scripted: tuple[Scripted, str]) -> str:
    return _scripted[1]


@pytest.fixture
def rest() -> Rest:
    return Rest()


@pytest.fixture
def client(url: str, rest: Rest) -> Iterator[Client]:
    with Client(url, "secret", timeout_s=5, retries=rest.retries()) as opened:
        yield opened


@pytest.fixture(scope="module")
def stage(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The real application on a loopback port, with its views."""
    folder: Path = tmp_path_factory.mktemp("client")
    schema, clock = f"client_{os.getpid()}", SetClock()
    settings = Settings(
        database_url=postgres_url, schema=schema, home=folder, log_level="error"
    )
    name = sql.Identifier(schema)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        try:
            with (
                open_installation(settings, clock=clock) as its,
                its.ledger_as(DatabaseRole.VIEWS) as ledger,
            ):
                stop = Event()
                views = Thread(target=Runner(ledger).run_forever, args=(stop,))
                views.start()
                try:
                    application = create_app(its)
                    callers = Callers(application.test_client(), its)
                    with served(application) as url:
                        yield Stage(its, clock, callers, url, folder)
                finally:
                    stop.set()
                    views.join()
        finally:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
