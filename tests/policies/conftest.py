"""Each test of a policy has a log of its own."""

from collections.abc import Iterator

import pytest

from ledger.application import Ledger
from tests.databases import Database
from tests.log.opened import opened


@pytest.fixture
def ledger(database: Database) -> Iterator[Ledger]:
    with opened(database) as its:
        yield its
