"""One world for the whole module, so that nine steps start one ledger, not nine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.story.field import InProcess
from tests.story.world import World, open_world

SCHEMA = f"story_{os.getpid()}"


@pytest.fixture(scope="module")
def world(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """The ledger on the database under test; cards in this process."""
    folder: Path = tmp_path_factory.mktemp("story")
    with ExitStack() as stack:
        stack.callback(_drop, postgres_url)
        yield stack.enter_context(
            open_world(
                folder,
                field=InProcess(),
                LEDGER_DATABASE_URL=postgres_url,
                LEDGER_SCHEMA=SCHEMA,
            )
        )


def _drop(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(SCHEMA)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
