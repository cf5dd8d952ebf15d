"""A view is derived anew beside the one that is read, whatever befalls who does it.

Bugs planted to see this fail: grants not kept; indexes made under other names; rows of
other code gone on with; readers waited for without a limit; a swap behind the view that
is read; its bookmark left where it was; a stop not cleared.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from uuid import UUID

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg import sql

from ledger.adapters import roles
from ledger.adapters.migrator import migrate
from ledger.adapters.roles import DatabaseRole
from ledger.application import Ledger
from ledger.log.recorder import connect, environment
from ledger.projections import rebuild as rebuilding
from ledger.projections.accounts import AccountsView
from ledger.projections.rebuild import (
    Progress,
    Rebuild,
    RebuildHeldUp,
    RebuildRunning,
    RebuildStopped,
    WorkroomMissing,
)
from ledger.projections.registry import NAMES, projection
from ledger.projections.runner import RebuildStatus, Runner
from ledger.projections.wallet import WalletView
from tests.databases import Database
from tests.domain.examples import NOON
from tests.operation.test_roles import Login
from tests.projections.following import catch_up, contents, follower
from tests.projections.test_runner import await_all, entry, running
from tests.projections.whims import stories

ROOT = Path(__file__).parents[2]
BATCH = 7
ENTRIES = 150
LONGEST_WAIT_S = 2.0  # Of a reader: the swap's own limit, on a busy machine.

MADE_OF = """
SELECT projection_shape(view) || (SELECT string_agg(concat_ws(' ', c.relname,
    c.relowner::regrole, (SELECT string_agg(item::text, ' ' ORDER BY item::text)
        FROM unnest(c.relacl) item)), ' ' ORDER BY c.relname)
    FROM pg_class c WHERE relnamespace = current_schema()::regnamespace
    AND relname IN (SELECT name FROM projection_tables WHERE view = its.view))
FROM (SELECT DISTINCT view FROM projection_tables) its WHERE view = %s
"""


def rebuild_of(ledger: Ledger, name: str, code: str = "that code") -> Rebuild:
    its = projection(name, ledger.recorder.datastore)
    return Rebuild(ledger, its, code=code, batch_max=BATCH)


class Cut(BaseException):
    """Ends a rebuild where it is."""


def cut_after(commits: int, told: list[int] | None = None):
    told = [] if told is None else told

    def tell(progress: Progress) -> None:
        told.append(progress.done)
        if len(told) == commits:
            raise Cut

    return tell


def unfinished_of(ledger: Ledger, name: str) -> RebuildStatus:
    (found,) = (each for each in Runner(ledger).status(NOON) if each.rebuild)
    assert found.name == name
    assert found.rebuild
    return found.rebuild


def workrooms(database: Database) -> int:
    with psycopg.connect(database.server_url) as connection:
        found = connection.execute(
            "SELECT FROM pg_namespace WHERE nspname = %s", (f"{database.schema}-anew",)
        )
        return found.rowcount


def test_what_is_rebuilt_is_what_was_followed(ledger, database):
    stories(ledger)
    catch_up(ledger)
    before = contents(database, ledger)
    for name in NAMES:
        assert rebuild_of(ledger, name).run(lambda _: None) == ledger.position()
    assert contents(database, ledger) == before
    assert workrooms(database) == 0


def test_new_tables_are_made_like_the_old_ones_and_may_be_used_by_the_same(
    ledger, database
):
    roles.ensure(database.server_url, database.schema)
    auditor = sql.Identifier(roles.name_of(database.schema, DatabaseRole.AUDITOR))
    app = sql.Identifier(roles.name_of(database.schema, DatabaseRole.APP))
    stories(ledger)
    with psycopg.connect(database.url, autocommit=True) as connection:
        for change in (
            "GRANT SELECT ON wallet_holds TO {auditor} WITH GRANT OPTION",
            "GRANT SELECT ON gifts TO PUBLIC",
            "ALTER TABLE notices SET (fillfactor = 70, autovacuum_enabled = false)",
            "ALTER TABLE wallet DROP COLUMN listing_until, ADD listing_until"
            " timestamptz",
        ):
            query = sql.SQL(change).format(auditor=auditor)
            connection.execute(query)

        def all_made_of() -> dict[str, str]:
            return {n: made_of(connection, n) for n in NAMES}

        before = all_made_of()
        for name in NAMES:
            Runner(ledger).rebuild(name)
        assert all_made_of() == before
        # What is granted or taken back meanwhile counts as well.
        with suppress(Cut):
            rebuild_of(ledger, "wallet").run(cut_after(1))
        for change in (
            "GRANT UPDATE ON wallet TO {}",
            "REVOKE SELECT ON wallet FROM {}",
        ):
            connection.execute(sql.SQL(change).format(app))
        granted = made_of(connection, "wallet")
        rebuild_of(ledger, "wallet").run(lambda _: None)
        assert made_of(connection, "wallet") == granted != before["wallet"]


def made_of(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute(MADE_OF, (name,)).fetchone()
    assert row
    return str(row[0])


def test_the_database_knows_the_tables_of_every_view(ledger, database):
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("SELECT name, view FROM projection_tables").fetchall()
    tables = {(t, n) for n in NAMES for t in follower(ledger, n).view.tables}
    assert set(rows) == tables


def test_the_old_view_is_read_and_followed_until_the_new_one_is_in_place(
    ledger, database
):
    stories(ledger)
    catch_up(ledger)
    with suppress(Cut):
        rebuild_of(ledger, "wallet").run(cut_after(3))
    before = contents(database, ledger, "wallet")
    assert before["wallet"]
    stories(ledger, seed=2)
    catch_up(ledger)
    assert contents(database, ledger, "wallet") != before
    status = {each.name: each.lag_events for each in Runner(ledger).status(NOON)}
    assert status["wallet"] == 0
    unfinished = unfinished_of(ledger, "wallet")
    assert (unfinished.position, unfinished.running) == (3 * BATCH, False)

    before = contents(database, ledger, "wallet")
    assert rebuild_of(ledger, "wallet").run(lambda _: None) == ledger.position()
    assert contents(database, ledger, "wallet") == before
    assert not [each for each in Runner(ledger).status(NOON) if each.rebuild]


def test_readers_are_answered_all_through_a_swap_that_others_hold_up(ledger, database):
    stories(ledger)
    catch_up(ledger)
    done, longest_s, counts = Event(), [0.0], set()
    view = WalletView(ledger.recorder.datastore)

    def read() -> None:
        while not done.is_set():
            began = monotonic()
            counts.add(len(view.rows("SELECT * FROM wallet", ())))
            longest_s[0] = max(longest_s[0], monotonic() - began)

    reader = Thread(target=read)
    with psycopg.connect(database.url) as lingering:
        lingering.execute("SELECT count(*) FROM wallet")  # And the transaction is open.
        reader.start()
        work = Thread(target=rebuild_of(ledger, "wallet").run, args=(lambda _: None,))
        work.start()
        work.join(3 * rebuilding.SWAP_LOCK_TIMEOUT_S)
        assert work.is_alive()
        catch_up(ledger, "wallet")  # It goes on being followed.
    work.join()
    done.set()
    reader.join()
    assert counts == {2}
    assert longest_s[0] < LONGEST_WAIT_S
    assert workrooms(database) == 0


def test_a_view_that_is_rebuilt_while_it_is_followed_never_goes_back(ledger):
    accounts = AccountsView(ledger.recorder.datastore)
    seen: list[tuple[int, int]] = []
    done = Event()

    def write() -> None:
        for _ in range(ENTRIES):
            entry(ledger)
        done.set()

    def read() -> None:
        while not done.is_set():
            seen.append((accounts.position(), accounts.balance_minor("left", "EUR")))

    with running(ledger) as runner:
        threads = [Thread(target=each) for each in (write, read)]
        for each in threads:
            each.start()
        while not done.is_set():
            rebuild_of(ledger, "accounts").run(lambda _: None)
        for each in threads:
            each.join()
        await_all(runner, ledger)
    for earlier, later in pairwise(seen):
        assert earlier[0] <= later[0]
        assert earlier[1] <= later[1]
    assert accounts.balance_minor("left", "EUR") == ENTRIES


def test_what_is_behind_the_view_that_is_read_is_not_put_in_its_place(ledger, database):
    stories(ledger)
    catch_up(ledger)
    with suppress(Cut):
        rebuild_of(ledger, "wallet").run(cut_after(1))
    with (
        psycopg.connect(database.url) as connection,
        pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="at 7, the"),
    ):
        connection.execute("SELECT projection_rebuild_swap('wallet')")


def test_a_swap_that_is_held_up_for_ever_is_given_up_and_what_was_done_is_kept(
    ledger, database, monkeypatch
):
    monkeypatch.setattr(rebuilding, "SWAP_ATTEMPTS_MAX", 1)
    stories(ledger)
    catch_up(ledger)
    before = contents(database, ledger)
    with psycopg.connect(database.url) as lingering:
        lingering.execute("SELECT count(*) FROM gifts")
        with pytest.raises(RebuildHeldUp):
            rebuild_of(ledger, "gifts").run(lambda _: None)
    told: list[int] = []
    rebuild_of(ledger, "gifts").run(lambda progress: told.append(progress.done))
    assert told == [ledger.position()]
    assert contents(database, ledger) == before


def test_a_killed_rebuild_goes_on_from_its_bookmark(ledger, database):
    stories(ledger)
    catch_up(ledger)
    before = contents(database, ledger)
    module = "tests.projections.rebuilder"
    words = [database.server_url, database.schema, "freshness", str(BATCH)]
    with subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        for step in (1, 2, 3):
            assert process.stdout.readline() == b"%d\n" % (step * BATCH)
            with pytest.raises(RebuildRunning):
                rebuild_of(ledger, "freshness").run(lambda _: None)
            process.stdin.write(b"\n")
            process.stdin.flush()
        assert process.stdout.readline() == b"%d\n" % (4 * BATCH)
        process.kill()
    told: list[int] = []
    wait_until_free(ledger, "freshness")
    rebuild_of(ledger, "freshness").run(lambda progress: told.append(progress.done))
    assert told[0] == 5 * BATCH
    assert contents(database, ledger) == before


def wait_until_free(ledger: Ledger, name: str) -> None:
    """The server notices at once that a client is gone, but not in the same moment."""
    with connect(ledger.recorder.datastore) as connection:
        key = rebuild_of(ledger, name).lock_key
        connection.execute("SELECT pg_advisory_lock(%s)", (key,))


def test_what_other_code_has_filled_is_not_gone_on_with(ledger):
    stories(ledger)
    for code, first in (("that code", 3 * BATCH), ("other code", BATCH)):
        told: list[int] = []
        with suppress(Cut):
            rebuild_of(ledger, "wallet").run(cut_after(2))
        with suppress(Cut):
            rebuild_of(ledger, "wallet", code).run(cut_after(1, told))
        assert told == [first]


def test_a_rebuild_of_tables_that_a_migration_has_changed_starts_over(ledger, database):
    stories(ledger)
    changes = iter(["ALTER TABLE accounts ADD more text"])

    def tell(progress: Progress) -> None:
        told.append(progress.done)
        if progress.done == 2 * BATCH and (change := next(changes, None)):
            with psycopg.connect(database.url) as connection:
                connection.execute(change)

    told: list[int] = []
    rebuild_of(ledger, "accounts").run(tell)
    assert told.count(BATCH) == 2
    with psycopg.connect(database.url) as connection:
        connection.execute("SELECT more FROM accounts")


def poison(ledger: Ledger) -> int:
    stories(ledger)
    given = StoredEvent(UUID(int=77), 1, "e-ticket.issued", b"no JSON")
    (position,) = ledger.recorder.insert_events([given])
    stories(ledger, seed=3)
    return position


def test_a_rebuild_that_meets_poison_names_it_and_leaves_the_view_as_it_is(
    ledger, database
):
    stories(ledger, seed=4)
    catch_up(ledger)
    position = poison(ledger)
    before = contents(database, ledger)
    for _ in range(2):  # Going on, it meets it again.
        with pytest.raises(RebuildStopped) as stopped:
            rebuild_of(ledger, "wallet").run(lambda _: None)
        assert stopped.value.facts["position"] == position
        event = f"e-ticket.issued, {UUID(int=77)}/1"
        assert stopped.value.facts["event"] == event
        assert "MapperDeserialisationError" in str(stopped.value)
        assert contents(database, ledger) == before
    unfinished = unfinished_of(ledger, "wallet")
    assert unfinished.position == position - 1
    assert f"at position {position}" in str(unfinished.error)
    Runner(ledger).abandon("wallet")
    assert contents(database, ledger) == before
    assert workrooms(database) == 0


def test_whoever_moves_views_rebuilds_them_and_nothing_else(ledger, database):
    roles.ensure(database.server_url, database.schema)
    url = roles.speaking_as(database.url, database.schema, DatabaseRole.VIEWS)
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("ledger_events", "installation", "nothing"):
            for text in (
                "SELECT projection_rebuild_begin(%s, 'x')",
                "SELECT projection_rebuild_swap(%s)",
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(text, (name,))
        for text in (
            "INSERT INTO projection_tables VALUES ('ledger_events', 'wallet')",
            "UPDATE projection_tables SET view = 'x'",
            "DELETE FROM projection_rebuilds",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(text)


def test_an_owner_who_may_make_no_schema_says_what_an_administrator_runs(database):
    owner = Login(database)
    owner.run(f"ALTER SCHEMA {database.schema} OWNER TO {owner.name}")
    migrate(owner.url, schema=database.schema)
    ledger = Ledger(environment(owner.url, database.schema, 2))
    try:
        with pytest.raises(WorkroomMissing) as missing:
            rebuild_of(ledger, "gifts").run(lambda _: None)
        owner.run(str(missing.value.facts["sql"]))
        for _ in range(2):  # He could not make it again, so it stays.
            rebuild_of(ledger, "gifts").run(lambda _: None)
            assert workrooms(database) == 1
    finally:
        ledger.close()
        owner.end()
