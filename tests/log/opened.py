"""A log in a schema of the test's own, and short stories to fill it with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from ledger.adapters.migrator import migrate
from ledger.adapters.stock_desk import PostgresStockDesk
from ledger.application import Ledger
from ledger.bootstrap import Installation
from ledger.log.cipher import SubjectCipher
from ledger.log.recorder import environment
from ledger.usecases import stock_search
from tests.databases import Database
from tests.domain.examples import ALICE, BOB, CAROL
from tests.log.keys import local_keys
from tests.usecases.town import Town

POOL_SIZE = 8


@contextmanager
def opened(database: Database) -> Iterator[Ledger]:
    migrate(database.server_url, schema=database.schema)
    with again(database) as ledger:
        yield ledger


@contextmanager
def again(database: Database) -> Iterator[Ledger]:
    """Open a log that is there already, as another process would."""
    ledger = Ledger(environment(database.server_url, database.schema, POOL_SIZE))
    try:
        yield ledger
    finally:
        ledger.close()


def town(ledger: Ledger, **offering: Any) -> Town:
    """Found the town of the use cases' tests in this log."""
    personal = SubjectCipher(ledger.recorder.datastore, key_encryption=local_keys())
    desk = PostgresStockDesk(ledger.recorder.datastore)
    ledger.hear(stock_search.telling(desk))
    its = SimpleNamespace(ledger=ledger, personal=personal, desk=desk)
    return Town(cast("Installation", its), **offering)


def short_story(ledger: Ledger) -> Any:
    """Alice buys, gives to Bob, who sells to Carol; return the ticket's id."""
    its = town(ledger)
    ticket_id = its.buy(ALICE)
    its.accept(ticket_id, its.offer(ticket_id, by=ALICE, to=BOB), by=BOB)
    listing = its.list_ticket(ticket_id, by=BOB)
    its.buy_listed(ticket_id, listing, by=CAROL)
    return ticket_id
