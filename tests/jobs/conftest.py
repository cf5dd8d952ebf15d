"""A log for each test, and a real installation where a job needs more."""

from collections.abc import Iterator

import pytest

from ledger.application import Ledger
from tests.databases import Database
from tests.log.opened import opened
from tests.usecases.conftest import clock, installation

__all__ = ["clock", "installation"]


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with opened(database) as its:
        yield its
