"""A ledger whose callers may ask as often as they like."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import create_app
from ledger.bootstrap import Installation, open_installation
from ledger.settings import RATE_MAX, Settings
from tests.api.callers import Callers, SetClock
from tests.databases import Database


@pytest.fixture
def installation(database: Database, tmp_path: Path) -> Iterator[Installation]:
    settings = Settings(
        database_url=database.server_url,
        schema=database.schema,
        home=tmp_path,
        log_level="error",
        rate=RATE_MAX,
        rate_burst=RATE_MAX,
    )
    with open_installation(settings, clock=SetClock()) as opened:
        yield opened


@pytest.fixture
def callers(installation: Installation) -> Callers:
    return Callers(create_app(installation).test_client(), installation)
