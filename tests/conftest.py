"""What tests of every room may ask for: a database, and how hard hypothesis tries."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from ledger.adapters import roles
from ledger.adapters.embedded_postgres import EmbeddedPostgres
from tests.databases import Database

# Two cores may be busy with something else: slow is not wrong.
settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("house"), print_blob=True)
settings.register_profile("deep", settings.get_profile("house"), max_examples=2_000)
settings.register_profile(
    "campaign", settings.get_profile("house"), max_examples=20_000
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "house")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The server under test: LEDGER_DATABASE_URL's, else an embedded one of its own.

    The embedded one does not wait for the disk: a test that cuts the power has a
    server of its own.
    """
    if url := os.environ.get("LEDGER_DATABASE_URL"):
        yield url
        return
    quick = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    with tempfile.TemporaryDirectory(prefix="eticket-") as folder:
        Path(folder).chmod(0o755)  # To be reached by the user that root lends it to.
        with EmbeddedPostgres(Path(folder), server_settings=quick) as server:
            yield server.url


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """An empty schema of this test's own, dropped with all it holds, roles as well."""
    schema = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = sql.Identifier(schema)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        yield Database(
            url=_within(postgres_url, schema), server_url=postgres_url, schema=schema
        )
        for each in (schema, f"{schema}-anew"):  # The second: of a rebuild cut short.
            gone = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
            connection.execute(gone.format(sql.Identifier(each)))
        connection.execute(
            sql.SQL("DROP ROLE IF EXISTS {}").format(
                sql.SQL(", ").join(map(sql.Identifier, roles.names_of(schema)))
            )
        )


def _within(url: str, schema: str) -> str:
    """The same server's address, its search path leading to the schema."""
    parts = urlsplit(url)
    more = urlencode({"options": f"-csearch_path={schema}"}).replace("+", "%20")
    query = f"{parts.query}&{more}" if parts.query else more
    return urlunsplit(parts._replace(query=query))
