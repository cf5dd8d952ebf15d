"""A real installation for each test: PostgreSQL, keys, and a clock that stands."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.bootstrap import Installation, open_installation
from ledger.settings import Settings
from tests.databases import Database
from tests.domain.examples import NOON


class StoppedClock:
    """Tells the time it was set to."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def passes(self, **more: float) -> datetime:
        self.at += timedelta(**more)
        return self.at


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def installation(
    database: Database, tmp_path: Path, clock: StoppedClock
) -> Iterator[Installation]:
    settings = Settings(
        database_url=database.server_url, home=tmp_path, schema=database.schema
    )
    with open_installation(settings, clock=clock) as opened:
        yield opened
