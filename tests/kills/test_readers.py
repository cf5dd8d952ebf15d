"""Who follows the log by position misses no event, whatever becomes of the others.

Readers, writers and sequencers are processes of their own. Where one stands still it
waits for a line or for a lock that the test holds, so nothing rests on timing.

Bugs planted to see these fail: positions given before commit (kept as a control);
tickets below the last position taken for done; a sequencer that waits until no older
transaction is open; a subscription that goes on after the size of the log instead of
after what it has seen, that begins again with what it saw last, or that ends when its
listening or its reading is cut.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.databases import Database
from tests.kills import reader, sequencer
from tests.kills.reader import Seen, seen
from tests.kills.waiting import wait_until
from tests.log.opened import opened

ROOT = Path(__file__).parents[2]

_LOG = """
SELECT position, originator_id, originator_version FROM ledger_log ORDER BY position
"""
_LEFT = """
SELECT (SELECT count(*) FROM ledger_inbox),
    (SELECT count(*) FROM ledger_events) - (SELECT size FROM ledger_head)
"""
_HELD_UP = """
SELECT pid FROM pg_stat_activity WHERE application_name = %s
    AND wait_event_type = 'Lock' AND query LIKE '%%ledger_sequence%%'
"""
_END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = %s AND query LIKE %s
"""


class Process:
    """A program of this room; killed by leaving the `with` block, or before."""

    def __init__(self, module: str, *words: str) -> None:
        self._its = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> None:
        """Have it do something, and wait until it is done."""
        assert self._its.stdin
        assert self._its.stdout
        self._its.stdin.write(f"{line}\n")
        self._its.stdin.flush()
        assert self._its.stdout.readline() == "done\n"

    def kill(self) -> None:
        self._its.kill()
        self._its.communicate()


class Night:
    """A log, a reader that follows it, and whoever else is started."""

    def __init__(self, database: Database, folder: Path, processes: ExitStack) -> None:
        self.database = database
        self.connection = psycopg.connect(database.url, autocommit=True)
        processes.callback(self.connection.close)
        self._processes = processes
        self._file = folder / "seen"
        self.reader = self.start_reader()

    def start_reader(self) -> Process:
        words = self._named(reader.NAME), self.database.schema, str(self._file)
        return self._started("tests.kills.reader", *words)

    def start_sequencer(self) -> Process:
        url = self._named(sequencer.NAME)
        return self._started("tests.kills.sequencer", url, self.database.schema)

    def start_appender(self) -> Process:
        return self._started("tests.kills.appender", self.database.url)

    def append(self, stream: int, version: int = 1) -> None:
        """Append and commit, without a position."""
        self.connection.execute(
            "SELECT ledger_append_one(%s, %s, 'test.happened', '{}')",
            (UUID(int=stream), version),
        )

    def seen(self) -> list[Seen]:
        return seen(self._file)

    def streams_seen(self) -> list[int]:
        return [stream.int for _, stream, _ in self.seen()]

    def await_seen(self, count: int) -> None:
        wait_until(f"{count} events are seen", lambda: len(self.seen()) >= count)

    def end_reader(self, query: str) -> int:
        """End those of the reader's connections that asked this last; say how many."""
        row = self.connection.execute(_END, (reader.NAME, query)).fetchone()
        assert row
        return int(row[0])

    def await_held_up(self) -> int:
        """Wait for a sequencer in the middle of a batch; return its backend."""
        found: list[int] = []

        def look() -> bool:
            rows = self.connection.execute(_HELD_UP, (sequencer.NAME,)).fetchall()
            found[:] = [pid for (pid,) in rows]
            return bool(found)

        wait_until("a sequencer is held up", look)
        return found[0]

    def end_well(self, events: int) -> None:
        """All is placed; what was seen is the log, each event once, in its order."""
        self.await_seen(events)
        log = self.connection.execute(_LOG).fetchall()
        assert self.seen() == log
        assert [position for position, _, _ in log] == list(range(1, events + 1))
        assert self.connection.execute(_LEFT).fetchone() == (0, 0)
        newest: dict[UUID, int] = {}
        for _, stream, version in log:
            assert version == newest.get(stream, 0) + 1
            newest[stream] = version

    def _named(self, name: str) -> str:
        return make_conninfo(self.database.server_url, application_name=name)

    def _started(self, module: str, *words: str) -> Process:
        process = Process(module, *words)
        self._processes.callback(process.kill)
        return process


@pytest.fixture
def night(database: Database, tmp_path: Path) -> Iterator[Night]:
    with opened(database), ExitStack() as processes:
        yield Night(database, tmp_path, processes)


@contextmanager
def held_head(night: Night) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Hold the head's row: a sequencer comes as far as that, with a batch in hand."""
    with psycopg.connect(night.database.url) as holder:
        holder.execute("SELECT FROM ledger_head FOR UPDATE")
        yield holder


def test_writers_that_pause_before_commit_hide_nobody_and_are_not_passed_over(night):
    """The first to begin commits last; three sequencers are started at once."""
    for _ in range(3):
        night.start_sequencer()
    slow = [night.start_appender() for _ in range(3)]
    for number, each in enumerate(slow):
        each.tell(f"append {UUID(int=100 + number)} 1")
        each.tell(f"append {UUID(int=100 + number)} 2")
        night.append(1, number + 1)
    night.await_seen(3)  # Nobody waits for those who pause.
    assert night.streams_seen() == [1, 1, 1]
    for number, each in reversed(list(enumerate(slow))):
        each.tell("commit")
        night.append(2, 3 - number)
        night.await_seen(3 + 3 * (3 - number))
    slowly = [stream for stream in night.streams_seen() if stream >= 100]
    assert slowly == [102, 102, 101, 101, 100, 100]
    night.end_well(12)


def test_an_old_snapshot_and_a_long_transaction_hold_nobody_up(night):
    night.start_sequencer()
    with (
        psycopg.connect(night.database.url) as old,
        psycopg.connect(night.database.url) as long,
    ):
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM ledger_inbox")
        long.execute("SELECT pg_current_xact_id()")
        long.execute(
            "SELECT ledger_append_one(%s, 1, 'test.happened', '{}')", (UUID(int=9),)
        )
        for version in range(1, 41):
            night.append(1, version)
        night.await_seen(40)
        row = old.execute("SELECT count(*) FROM ledger_log").fetchone()
        assert row == (0,)  # It is as old as it was.
    night.end_well(41)


def test_of_a_writer_killed_before_its_commit_nothing_is_seen_and_all_of_one_after(
    night,
):
    night.start_sequencer()
    before, after = night.start_appender(), night.start_appender()
    before.tell(f"append {UUID(int=7)} 1")
    after.tell(f"append {UUID(int=8)} 1")
    after.tell(f"append {UUID(int=8)} 2")
    before.kill()
    after.tell("send-commit")
    night.await_seen(2)
    after.kill()  # It never heard.
    night.append(1)
    night.await_seen(3)
    assert night.streams_seen() == [8, 8, 1]
    night.append(7)  # The place that was never taken is free.
    night.end_well(4)


@pytest.mark.parametrize("backend_notices", [True, False])
def test_a_batch_whose_sequencer_is_killed_in_the_middle_is_whole_or_not_at_all(
    night, backend_notices
):
    killed = night.start_sequencer()
    with held_head(night):
        for number in range(5):
            night.append(number + 1)
        backend = night.await_held_up()
        night.start_sequencer()  # It stands by: the batch is another's.
        killed.kill()
        if backend_notices:
            night.connection.execute("SELECT pg_terminate_backend(%s)", (backend,))
            wait_until("another takes over", lambda: night.await_held_up() != backend)
        night.append(6)
        assert night.seen() == []
        assert night.connection.execute(_LOG).fetchall() == []
    night.end_well(6)


def test_a_reader_whose_connections_are_ended_again_and_again_goes_on(night):
    """The one that listens, at rest and at work; and at last all that it has."""
    night.start_sequencer()
    events = 1
    night.append(1)
    night.await_seen(1)  # It has begun.
    for rests, query in ((True, "LISTEN%"), (False, "LISTEN%"), (True, "%")):
        for _ in range(3):
            events += 1
            night.append(1, events)
        if rests:
            night.await_seen(events)
        wait_until("it is back", lambda: night.end_reader(query))  # noqa: B023
        events += 1
        night.append(1, events)
    night.end_well(events)


def test_a_reader_killed_at_work_goes_on_after_what_it_has_written_down(night):
    night.start_sequencer()
    for version in range(1, 701):
        night.append(1, version)
    night.await_seen(1)
    night.reader.kill()
    night.append(2)
    night.start_reader()
    night.end_well(701)


def test_control_positions_given_before_commit_are_passed_over(night):
    """What other logs do: this reader then misses an event, and this file says so."""
    night.connection.execute(
        """
        CREATE OR REPLACE FUNCTION ledger_append_one(
            id uuid, version bigint, topic text, state bytea,
            by_actor text DEFAULT NULL, by_key text DEFAULT NULL,
            by_request bytea DEFAULT NULL
        ) RETURNS void LANGUAGE sql AS $$
            INSERT INTO ledger_events VALUES (id, version, topic, state);
            INSERT INTO ledger_log VALUES (nextval('ledger_tickets'), id, version,
                leaf_hash_of(id, version, topic, state))
        $$
        """
    )
    slow = night.start_appender()
    slow.tell(f"append {UUID(int=100)} 1")
    night.append(1)
    night.await_seen(1)
    slow.tell("commit")
    night.append(2)
    night.await_seen(2)
    assert night.streams_seen() == [1, 2]
