"""The real application on a real database, called as a browser or a machine would."""

import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.cli import main
from ledger.adapters.roles import DatabaseRole
from ledger.bootstrap import Installation, open_installation
from ledger.projections.runner import Runner
from ledger.settings import Settings
from tests.api.callers import Callers, SetClock
from tests.databases import Database


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def installation(
    database: Database, tmp_path: Path, clock: SetClock
) -> Iterator[Installation]:
    settings = Settings(
        database_url=database.server_url,
        schema=database.schema,
        home=tmp_path,
        log_level="error",
    )
    with open_installation(settings, clock=clock) as opened:
        yield opened


@pytest.fixture
def client(installation: Installation) -> FlaskClient:
    return create_app(installation).test_client()


@pytest.fixture
def callers(client: FlaskClient, installation: Installation) -> Callers:
    """Everybody of the story, each with a token of their own."""
    return Callers(client, installation)


@pytest.fixture
def views(installation: Installation) -> Iterator[Runner]:
    """The projections, following the log in this process."""
    with installation.ledger_as(DatabaseRole.VIEWS) as ledger:
        runner, stop = Runner(ledger), Event()
        following = Thread(target=runner.run_forever, args=(stop,))
        following.start()
        yield runner
        stop.set()
        following.join()


@pytest.fixture
def ledgerctl(monkeypatch, capsys, database, tmp_path):
    """Run `ledgerctl` in this process; return its exit code, output and errors."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", database.server_url)
    monkeypatch.setenv("LEDGER_SCHEMA", database.schema)
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path))

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["ledgerctl", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run
