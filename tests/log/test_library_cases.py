"""What the eventsourcing library asks of every application recorder, asked of ours.

Its cases make their tables by `create_table()`; ours come from the migrations. Not
asked: what concerns aggregate, tracking and process recorders, of which nothing here is
made (views have a base of their own, with tests of its own), and the factory's choice
among them. One deviation: ours refuses a version whose predecessor is missing, which no
case of the library's relies on.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest import TestCase

import pytest
from eventsourcing.persistence import InfrastructureFactory
from eventsourcing.tests import persistence as cases
from eventsourcing.utils import Environment

from ledger.adapters.migrator import migrate
from ledger.log.recorder import LedgerRecorder, environment

POOL_SIZE = 12  # One of the library's cases writes with ten threads and reads with two.


class OurRecorder(TestCase):
    made: LedgerRecorder

    @pytest.fixture(autouse=True)
    def _open(self, database) -> Iterator[None]:
        migrate(database.server_url, schema=database.schema)
        given = environment(database.server_url, database.schema, POOL_SIZE)
        factory = InfrastructureFactory.construct(Environment("ledger", given))
        recorder = factory.application_recorder()
        assert isinstance(recorder, LedgerRecorder)
        self.made = recorder
        yield
        factory.close()

    def create_recorder(self) -> LedgerRecorder:
        return self.made


class TestApplicationRecorder(
    OurRecorder, cases.ApplicationRecorderTestCase[LedgerRecorder]
):
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(OurRecorder, cases.NonInterleavingNotificationIDsBaseCase):
    """Events of one append stay together."""
