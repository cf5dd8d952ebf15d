"""Views are kept up to date whatever befalls who keeps them.

Bugs planted to see this fail: rows committed before the bookmark; no lock; no polling
beside the notifications; a stop that ends the other views too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg import sql

from ledger.aggregates.account import Entry, Posting
from ledger.application import Ledger
from ledger.errors import Unknown
from ledger.log.recorder import connect
from ledger.projections.intake import Stopped
from ledger.projections.rebuild import RebuildStopped
from ledger.projections.registry import NAMES
from ledger.projections.runner import Runner
from ledger.projections.wallet import WalletView
from tests.databases import Database
from tests.domain.examples import ALICE, NOON
from tests.log.opened import again, short_story, town
from tests.projections.following import catch_up, contents, follower
from tests.usecases.town import CAUSE, fresh

PATIENCE_S = 20.0
ROOT = Path(__file__).parents[2]


@contextmanager
def running(ledger: Ledger) -> Iterator[Runner]:
    runner, stop = Runner(ledger), Event()
    thread = Thread(target=runner.run_forever, args=(stop,))
    thread.start()
    try:
        yield runner
    finally:
        stop.set()
        thread.join()


def await_all(runner: Runner, ledger: Ledger, *, but: str = "") -> None:
    for name in NAMES:
        if name != but:
            reached = runner.wait_for(name, ledger.position(), PATIENCE_S)
            assert reached == ledger.position(), name


def states(runner: Runner) -> dict[str, str]:
    return {each.name: each.state for each in runner.status(NOON)}


def await_state(runner: Runner, name: str, state: str) -> None:
    pause = Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if states(runner)[name] == state:
            return
        pause.wait(0.05)
    raise AssertionError(f"{name} is {states(runner)[name]}, not {state}")


def entry(ledger: Ledger, amount_minor: int = 1) -> None:
    made = Entry.record(
        entry_id=fresh(),
        reason="test",
        reference="test",
        postings=[
            Posting("left", amount_minor, "EUR"),
            Posting("right", -amount_minor, "EUR"),
        ],
        at=NOON,
    )
    ledger.record(made, cause=CAUSE)


def test_what_is_recorded_while_it_runs_is_taken_in(ledger, database):
    with running(ledger) as runner:
        ticket_id = short_story(ledger)
        await_all(runner, ledger)
        assert set(states(runner).values()) == {"following"}
    assert WalletView(ledger.recorder.datastore).tickets([ticket_id])
    assert set(states(runner).values()) == {"unattended"}


def test_status_says_how_far_a_view_is_behind(ledger):
    catch_up(ledger)
    for _ in range(3):
        entry(ledger)
    runner = Runner(ledger)
    status = {each.name: each for each in runner.status(NOON + timedelta(seconds=9))}
    assert (status["wallet"].lag_events, status["wallet"].lag_s) == (3, 9.0)
    catch_up(ledger, "wallet")
    status = {each.name: each for each in runner.status(NOON)}
    assert (status["wallet"].lag_events, status["wallet"].lag_s) == (0, 0.0)
    assert status["wallet"].position == ledger.position()
    assert status["accounts"].lag_events == 3


def test_waiting_ends_when_its_time_is_over(ledger):
    entry(ledger)
    assert Runner(ledger).wait_for("wallet", 1, 0.01) == 0
    catch_up(ledger)
    assert Runner(ledger).wait_for("wallet", 1, 0.01) == 1


def test_of_two_runners_one_follows_and_the_other_takes_over(ledger, database):
    with again(database) as other, running(other) as second:
        with running(ledger) as first:
            entry(ledger)
            await_all(first, ledger)
            assert len(followers(ledger)) == len(NAMES)
        entry(ledger)
        await_all(second, ledger)
        assert len(followers(ledger)) == len(NAMES)
    assert not followers(ledger)
    assert contents(database, ledger) == rebuilt(ledger, database)


def followers(ledger: Ledger) -> list[int]:
    """The server processes that hold a view's lock, one a view."""
    keys = [follower(ledger, name).lock_key for name in NAMES]
    with connect(ledger.recorder.datastore) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND (classid::bigint << 32 | objid::bigint) = ANY(%s)",
            (keys,),
        ).fetchall()
    return [row["pid"] for row in rows]


def test_a_lost_connection_is_made_again(ledger, database):
    with running(ledger) as runner:
        entry(ledger)
        await_all(runner, ledger)
        cut = followers(ledger)
        with connect(ledger.recorder.datastore) as connection:
            for pid in cut:
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        entry(ledger)
        await_all(runner, ledger)
        assert len(cut) == len(NAMES)
        assert not set(cut) & set(followers(ledger))


def test_a_notification_that_was_missed_is_made_up_for_by_polling(ledger, database):
    with running(ledger) as runner:
        entry(ledger)
        await_all(runner, ledger)
        with psycopg.connect(database.url) as connection:  # No NOTIFY goes with this.
            connection.execute(
                "WITH e AS (INSERT INTO ledger_events"
                " SELECT gen_random_uuid(), 1, topic, state FROM ledger_events"
                " RETURNING *),"
                " h AS (UPDATE ledger_head SET size = size + 1 RETURNING size)"
                " INSERT INTO ledger_log SELECT size, originator_id, 1,"
                " leaf_hash_of(originator_id, 1, topic, state) FROM e, h"
            )
        await_all(runner, ledger)


def test_a_killed_keeper_has_lost_and_doubled_nothing(ledger, database):
    its = town(ledger, places=[f"P{n}" for n in range(60)], purchase_limit=60)
    its.top_up(ALICE, 1_000_000)
    for _ in range(40):
        its.buy(ALICE)
        for _ in range(30):
            entry(ledger)
    runner, last = Runner(ledger), ledger.position()
    for part in (1, 3, 5, 7):
        with keeper(database) as process:
            runner.wait_for("accounts", last * part // 8, PATIENCE_S)
            process.kill()
    with keeper(database):
        await_all(runner, ledger)
    assert contents(database, ledger) == rebuilt(ledger, database)


@contextmanager
def keeper(database: Database) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.projections.keeper"]
    with subprocess.Popen(
        [*command, database.server_url, database.schema], cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def rebuilt(ledger: Ledger, database: Database) -> dict[str, object]:
    for name in NAMES:
        Runner(ledger).rebuild(name)
    return contents(database, ledger)


def test_an_event_that_does_not_fit_stops_its_own_view_only(ledger, database):
    its = town(ledger)
    ticket_id = its.buy(ALICE)
    with running(ledger) as runner:
        await_all(runner, ledger)
        damage(database, "DELETE FROM wallet")
        before = ledger.position()
        its.offer(ticket_id)
        entry(ledger)
        await_state(runner, "wallet", "stopped")
        await_all(runner, ledger, but="wallet")
        (wallet,) = (each for each in runner.status(NOON) if each.name == "wallet")
        assert wallet.position == before
        assert wallet.error is not None
        assert f"DoesNotFit at position {wallet.position + 1}" in wallet.error
        assert list(states(runner).values()).count("following") == len(NAMES) - 1

        # Views are rebuilt, not patched; then the stopped one goes on by itself.
        Runner(ledger).rebuild("wallet")
        its.buy(ALICE)
        await_all(runner, ledger)
        await_state(runner, "wallet", "following")
    assert len(WalletView(ledger.recorder.datastore).of_owner(ALICE)) == 2


def damage(database: Database, statement: str) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute(statement)


def test_events_before_the_one_that_does_not_fit_are_kept(ledger, database):
    for _ in range(3):
        entry(ledger)
    unbalanced = ledger.recorder.select_notifications(None, 1)[0].state.replace(
        b'"amount_minor":1', b'"amount_minor":2'
    )
    ledger.recorder.insert_events(
        [StoredEvent(UUID(int=77), 1, "entry.made", unbalanced)]
    )
    its = follower(ledger, "accounts")
    with (
        connect(ledger.recorder.datastore) as connection,
        pytest.raises(Stopped, match="does not balance") as stopped,
    ):
        its.step(connection)
    assert stopped.value.position == 4
    assert its.view.position() == 3
    with pytest.raises(RebuildStopped, match="does not balance"):
        Runner(ledger).rebuild("accounts")
    assert its.view.position() == 3


def test_a_name_that_is_no_projection_is_refused(ledger):
    with pytest.raises(Unknown):
        Runner(ledger).rebuild("nothing")


def test_tables_of_views_are_named_for_their_views(database, ledger):
    with psycopg.connect(database.url) as connection:
        for name in NAMES:
            for table in follower(ledger, name).view.tables:
                assert table.startswith(name)
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
                assert connection.execute(query).fetchone() == (0,)
