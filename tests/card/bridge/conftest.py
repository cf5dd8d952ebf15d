"""One ledger for a whole file of tests; every test has people and cards of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from api.app import create_app
from ledger.bootstrap import open_installation
from ledger.settings import Settings
from tests.api.callers import Callers, SetClock
from tests.card.bridge.stage import Stage, served


@pytest.fixture(scope="module")
def stage(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("bridge")
    schema, clock = f"bridge_{os.getpid()}", SetClock()
    settings = Settings(
        database_url=postgres_url, schema=schema, home=folder, log_level="error"
    )
    name = sql.Identifier(schema)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        try:
            with open_installation(settings, clock=clock) as its:
                application = create_app(its)
                callers = Callers(application.test_client(), its)
                with served(application) as url:
                    yield Stage(its, clock, callers, url, folder)
        finally:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
