"""Who follows, who rebuilds and the database may die at any moment: the views agree.

Bugs planted to see this fail: the bookmark moved in a commit of its own; the rows of a
rebuild committed before its bookmark; a follower that keeps to a connection it lost;
one that stands by and does not look again; the events of a lost commit taken for done.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic

import psycopg
import pytest
from eventsourcing.persistence import Notification
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.adapters.embedded_postgres import EmbeddedPostgres
from ledger.application import Ledger
from ledger.log.recorder import connect
from ledger.projections import rebuild as rebuilding
from ledger.projections.follower import STANDBY_S, Follower
from ledger.projections.intake import TRANSIENT, Intake
from ledger.projections.rebuild import Progress, Rebuild
from ledger.projections.registry import NAMES, AnyProjection, projection
from ledger.projections.runner import Runner
from tests.databases import Database
from tests.log.opened import opened
from tests.projections.following import contents
from tests.projections.test_runner import (
    PATIENCE_S,
    await_all,
    entry,
    followers,
    keeper,
    running,
)
from tests.projections.whims import stories

BUSY_S = 4.0  # Two cores may have something else to do.
EVENTS_BETWEEN = 60  # Of two crashes, at most.


class Cut(BaseException):
    """Ends a rebuild where it is."""


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_views_followed_and_rebuilt_through_crashes_are_those_of_one_quiet_rebuild(
    ledger, database, monkeypatch, seed
):
    """Batches of any size; connections cut within them; rebuilds cut short between."""
    monkeypatch.setattr(rebuilding, "RETRY_S", 0.01)
    chance = Random(seed)
    kill = killer(ledger)
    names = chance.sample(NAMES, 3)
    for part in range(2):
        stories(ledger, seed + part)
        for name in names:
            if chance.random() < 0.3:
                rebuild_in_part(ledger, name, chance)
            follow(ledger, name, chance, kill)
    followed = contents(database, ledger, *names)
    rebuild_with_crashes(ledger, names[0], chance, kill)
    rebuilt = contents(database, ledger, *names)
    for name in names:
        Rebuild(ledger, its(ledger, name), code="quiet").run(lambda _: None)
    quiet = contents(database, ledger, *names)
    assert followed == quiet
    assert rebuilt == quiet


def its(ledger: Ledger, name: str) -> AnyProjection:
    return projection(name, ledger.recorder.datastore)


def killer(ledger: Ledger) -> Callable[[int], None]:
    """Return what ends a server process, as a fail-over or an administrator would."""

    def kill(pid: int) -> None:
        with connect(ledger.recorder.datastore) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))

    return kill


def crashing(
    intake: Intake, chance: Random, kill: Callable[[int], None], pid: Callable[[], int]
) -> None:
    """Cut the connection once, perhaps, before some event is taken in."""
    process, left = intake.process, chance.randint(1, EVENTS_BETWEEN)

    def maybe(found: Notification) -> None:
        nonlocal left
        left -= 1
        if not left:
            kill(pid())
        process(found)

    intake.process = maybe  # type: ignore[method-assign]


def follow(
    ledger: Ledger, name: str, chance: Random, kill: Callable[[int], None]
) -> None:
    """Follow to the end of the log, with a new connection whenever one is lost."""
    while True:
        made = Follower(ledger, its(ledger, name), batch_max=chance.randint(1, 40))
        try:
            with connect(ledger.recorder.datastore) as connection:
                pid = partial(int, connection.info.backend_pid)
                crashing(made.intake, chance, kill, pid)
                while made.step(connection):
                    pass
                return
        except TRANSIENT:
            continue


def rebuild_in_part(ledger: Ledger, name: str, chance: Random) -> None:
    left = chance.randint(1, 6)

    def tell(_: Progress) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Cut

    with suppress(Cut):
        Rebuild(ledger, its(ledger, name), batch_max=chance.randint(1, 30)).run(tell)


def rebuild_with_crashes(
    ledger: Ledger, name: str, chance: Random, kill: Callable[[int], None]
) -> None:
    """Rebuild; now and then its connection is cut, and it goes on by itself."""
    rebuild = Rebuild(ledger, its(ledger, name), batch_max=chance.randint(5, 40))
    crashing(rebuild.intake, chance, kill, lambda: holder(ledger, rebuild.lock_key))
    rebuild.run(lambda _: None)


def holder(ledger: Ledger, lock_key: int) -> int:
    """The server process that holds a lock."""
    with connect(ledger.recorder.datastore) as connection:
        row = connection.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND (classid::bigint << 32 | objid::bigint) = %s",
            (lock_key,),
        ).fetchone()
    return row["pid"] if row else 0  # Gone already.


def test_when_who_follows_is_killed_another_takes_over_at_once(ledger, database):
    with keeper(database) as first:
        runner = Runner(ledger)
        entry(ledger)
        await_all(runner, ledger)
        before = set(followers(ledger))
        with keeper(database):
            await_standing_by(ledger)
            first.kill()
            killed_at = monotonic()
            entry(ledger)
            await_all(runner, ledger)
            assert monotonic() - killed_at < STANDBY_S + BUSY_S
            after = set(followers(ledger))
            assert len(after) == len(NAMES)
            assert not before & after


def await_standing_by(ledger: Ledger) -> None:
    """Wait until a second process has asked for every lock."""
    pause = Event()
    with connect(ledger.recorder.datastore) as connection:
        for _ in range(int(PATIENCE_S / 0.05)):
            row = connection.execute(
                "SELECT count(*) AS asked FROM pg_stat_activity"
                " WHERE query LIKE 'SELECT 1 WHERE pg_try_advisory_lock%'"
                " AND datname = current_database()"
            ).fetchone()
            if row and row["asked"] >= len(NAMES):
                return
            pause.wait(0.05)
    raise AssertionError("the second one does not stand by")


@pytest.fixture
def own_database() -> Iterator[Database]:
    """On a server of the test's own, for it to crash."""
    with tempfile.TemporaryDirectory(prefix="eticket-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder)) as server:
            path = (
                "?options=-csearch_path%3Downed"
                if "?" not in server.url
                else ("&options=-csearch_path%3Downed")
            )
            yield Database(url=server.url + path, server_url=server.url, schema="owned")


def test_a_database_that_crashes_and_recovers_is_followed_and_rebuilt_further(
    own_database,
):
    """A server process that is killed takes all others with it; the server recovers."""
    with opened(own_database) as ledger, running(ledger) as runner:
        stories(ledger)
        await_all(runner, ledger)
        crash(own_database)
        stories(ledger, seed=2)
        await_all(runner, ledger)
        followed = contents(own_database, ledger)
        crashes = iter([True])

        def tell(progress: Progress) -> None:
            if progress.done > 20 and next(crashes, False):
                crash(own_database)

        for name in NAMES:
            Rebuild(ledger, its(ledger, name), batch_max=10).run(tell)
        assert next(crashes, None) is None
        assert contents(own_database, ledger) == followed
        entry(ledger)
        await_all(runner, ledger)


def crash(database: Database) -> None:
    with psycopg.connect(database.server_url) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
