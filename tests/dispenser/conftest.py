"""One theatre for all of these tests: its ledger on PostgreSQL, behind a socket."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from psycopg import sql
from werkzeug.serving import WSGIRequestHandler, make_server

from api.app import create_app
from ledger.bootstrap import open_installation
from ledger.settings import Settings
from tests.api.callers import Callers, SetClock
from tests.dispenser.desk import Desk
from tests.dispenser.theatre import Machine, Theatre

SCHEMA = f"dispenser_{os.getpid()}"


class Quietly(WSGIRequestHandler):
    """Serves without a line on standard error for each request."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the application has a log of its own."""


@pytest.fixture(scope="session")
def theatre(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Theatre]:
    folder, clock = tmp_path_factory.mktemp("theatre"), SetClock()
    settings = Settings(
        database_url=postgres_url,
        schema=SCHEMA,
        home=folder / "ledger",
        log_level="error",
    )
    with ExitStack() as stack:
        stack.callback(_drop, postgres_url)
        its = stack.enter_context(open_installation(settings, clock=clock))
        app = create_app(its)
        server = make_server(
            "127.0.0.1", 0, app, threaded=True, request_handler=Quietly
        )
        serving = Thread(target=server.serve_forever)
        serving.start()
        stack.callback(server.server_close)
        stack.callback(serving.join)
        stack.callback(server.shutdown)
        callers = Callers(app.test_client(), its)
        url = f"http://127.0.0.1:{server.server_port}"
        yield Theatre(its, clock, callers, url, folder)


@pytest.fixture
def machine(theatre: Theatre) -> Machine:
    return theatre.machine()


@pytest.fixture
def desk(theatre: Theatre, tmp_path: Path) -> Desk:
    """A machine's folder with five papers, ready to run its program on."""
    machine = theatre.machine()
    home = tmp_path / "home"
    home.mkdir()
    made = Desk(
        theatre, home, str(machine.device.device_id), machine.device.token or ""
    )
    assert machine.device.key is not None
    key = home / "device.key"
    key.touch(mode=0o600)
    key.write_bytes(machine.device.key.private_bytes_raw())
    filled = made.run("stock", "--add", "5", "--prefix", machine.prefix)
    assert (filled.returncode, filled.stdout) == (
        0, "5 papers are left. It is running low.\n",
    )  # fmt: skip
    return made


def _drop(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(SCHEMA)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
