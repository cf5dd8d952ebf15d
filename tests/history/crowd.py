"""Several clients at once, each with connections of its own, and what they made.

Here they are threads of one process: enough to meet, and quick to start. A campaign
has processes (`campaign`).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from ledger.adapters.roles import DatabaseRole
from ledger.application import Ledger
from ledger.bootstrap import Installation, open_installation
from ledger.projections.follower import Follower
from ledger.projections.registry import projection
from ledger.settings import Settings
from tests.history import town
from tests.history.checker import Anomaly, check
from tests.history.client import Client
from tests.history.doings import Doings, Habits
from tests.history.log import Log, read
from tests.history.operations import Notebook, Operation

EVERYTHING = Habits()
VIEWS = ("ownership", "accounts")


@dataclass(frozen=True, slots=True)
class Story:
    """What clients told, and the log as it is afterwards."""

    log: Log
    operations: list[Operation]
    since: int

    def anomalies(self) -> list[Anomaly]:
        return check(self.log, self.operations, since=self.since)


class Crowd:
    """Opened once in an empty schema; may be sent out several times."""

    def __init__(
        self,
        settings: Settings,
        *,
        clients: int,
        places: int,
        seed: str,
        cut_share: float = 0.02,
        habits: Habits = EVERYTHING,
        follows: bool = True,
    ) -> None:
        with ExitStack() as stack:
            opened = [
                stack.enter_context(open_installation(settings)) for _ in range(clients)
            ]
            self.its = opened[0]
            self.since = town.set_up(self.its, clients=clients, places=places)
            self._doings = [
                Doings(
                    Client(
                        each,
                        Notebook(f"client-{number}"),
                        number=number,
                        seed=seed,
                        cut_share=cut_share,
                    ),
                    habits,
                )
                for number, each in enumerate(opened)
            ]
            if habits.sees_views and follows:
                stack.enter_context(followed(self.its))
            self._stack = stack.pop_all()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def goes_out(self, operations: int) -> Story:
        """Let every client do some `operations` in all; tell the whole story so far."""
        share = operations // len(self._doings)
        with ThreadPoolExecutor(len(self._doings)) as pool:
            list(pool.map(lambda each: _busy(each, share), self._doings))
        told = [each.client.notebook.operations for each in self._doings]
        log = Log.of(read(self.its.ledger.recorder))
        return Story(log, [each for its in told for each in its], self.since)


def _busy(doings: Doings, operations: int) -> None:
    notebook = doings.client.notebook
    end = notebook.count + operations
    while notebook.count < end:
        doings.do()


@contextmanager
def followed(installation: Installation) -> Iterator[None]:
    """Keep the views that are read up to date meanwhile."""
    with installation.ledger_as(DatabaseRole.VIEWS) as ledger, _follow(ledger):
        yield


@contextmanager
def _follow(ledger: Ledger) -> Iterator[None]:
    stop = Event()
    datastore = ledger.recorder.datastore
    threads = [
        Thread(
            target=Follower(ledger, projection(name, datastore)).run,
            args=(stop,),
            name=name,
        )
        for name in VIEWS
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
