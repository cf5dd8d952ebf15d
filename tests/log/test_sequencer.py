"""Positions are given after commit, once, by whoever is at it.

Bugs planted to see these fail: the inbox read without its order; a command's key looked
up without its actor; the version before not asked for; a stopped log appended to.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Event, Thread
from typing import Any, Self
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import (
    IntegrityError,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)
from psycopg import Cursor, IsolationLevel
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow

from ledger.log.leaf import leaf
from ledger.log.merkle import leaf_hash
from ledger.log.recorder import (
    Command,
    CommandRepeated,
    LogStopped,
    channel,
)
from ledger.log.sequencer import Sequencer
from ledger.log.subscription import POLL_S, PositionSubscription
from tests.log.opened import POOL_SIZE, again

REQUEST = hashlib.sha256(b"a request").digest()
COMMAND = Command(actor="ann", key="k-1", request=REQUEST)


def stored(stream: UUID, version: int = 1, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(stream, version, "test.happened", state)


def test_an_append_has_no_position_until_it_is_sequenced(ledger):
    recorder = ledger.recorder
    recorder.append([stored(UUID(int=1)), stored(UUID(int=2))])
    assert recorder.size() == 0
    assert recorder.select_notifications(None, 10) == []
    assert recorder.sequence() == 2
    assert recorder.sequence() == 0
    found = recorder.select_notifications(None, 10)
    assert [(each.id, each.originator_id.int) for each in found] == [(1, 1), (2, 2)]


@pytest.mark.parametrize("topic", ["", "é", "a\nb", "a\x7f", "x" * 256])
def test_an_event_whose_topic_no_leaf_can_say_is_not_taken_in(ledger, topic):
    """It could not be exported, and not be removed either."""
    whole = [
        StoredEvent(uuid4(), 1, "a topic ~", b""),
        StoredEvent(uuid4(), 1, topic, b""),
    ]
    for events in (whole, whole[1:]):
        with pytest.raises(IntegrityError, match="ledger_events_topic_check"):
            ledger.recorder.append(events)
    ledger.recorder.append(whole[:1])
    assert ledger.recorder.sequence() == 1


def test_a_sequencer_that_cannot_go_on_ends_what_runs_beside_it(ledger, database):
    """Else its process would seem to work, and nothing get a position."""
    with psycopg.connect(database.url) as owner:
        owner.execute("DROP FUNCTION ledger_sequence")
    stop = Event()
    with pytest.raises(ProgrammingError):
        Sequencer(ledger.recorder).run(stop)
    assert stop.is_set()


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("pg_sleep(9)", "statement timeout"),
        ("repeat(repeat('x', 1000000), 2000)", "requested length too large"),
    ],
)
def test_what_the_server_would_refuse_again_is_asked_once(
    ledger, database, asked, refused
):
    limited = make_conninfo(database.server_url, options="-c statement_timeout=500ms")
    with (
        again(replace(database, server_url=limited)) as hasty,
        pytest.raises(OperationalError, match=refused),
    ):
        hasty.recorder._select(f"SELECT nextval('ledger_tickets'), {asked}", ())
    rows = ledger.recorder._select("SELECT last_value FROM ledger_tickets", ())
    assert [row["last_value"] for row in rows] == [1]


def test_a_reader_that_cannot_listen_asks_now_and_then(ledger):
    """As where the server has no connection left to give."""
    tried = 0

    def listen() -> psycopg.Connection[DictRow]:
        nonlocal tried
        tried += 1
        if tried == 3:
            ledger.recorder.insert_events([stored(UUID(int=1))])
        raise psycopg.OperationalError("too many clients")

    begun_s = time.monotonic()
    with PositionSubscription(ledger.recorder, None, (), listen=listen) as reader:
        assert next(reader).id == 1
    assert tried == 3
    assert time.monotonic() - begun_s > 2 * POLL_S


def test_a_commit_that_comes_late_is_not_passed_over(ledger, database):
    """The one that began first commits last: its place is behind the others'."""
    recorder = ledger.recorder
    with psycopg.connect(database.url) as slow:
        slow.execute(
            "SELECT ledger_append(%s, '{1}', '{test.happened}', '{x}')",
            ([UUID(int=1)],),
        )
        assert recorder.insert_events([stored(UUID(int=2))]) == [1]
        assert [n.id for n in recorder.select_notifications(None, 10)] == [1]
    assert recorder.place_of(UUID(int=1), 1) == 2
    assert recorder.insert_events([stored(UUID(int=3))]) == [3]


def test_a_writer_whose_append_nobody_sequenced_is_sequenced_by_the_next(ledger):
    ledger.recorder.append([stored(UUID(int=1))])
    assert ledger.recorder.insert_events([stored(UUID(int=2))]) == [2]


def test_only_one_sequencer_works_at_a_time(ledger, database):
    ledger.recorder.append([stored(UUID(int=1))])
    with psycopg.connect(database.url) as other:
        other.execute("SELECT ledger_sequence()")
        assert ledger.recorder.sequence() is None
        assert ledger.recorder.size() == 0  # Not committed, so not told.
    assert ledger.recorder.size() == 1


def test_a_sequencer_that_dies_half_way_leaves_all_to_the_next(ledger, database):
    ledger.recorder.append([stored(UUID(int=1))])
    with psycopg.connect(database.url) as killed:
        killed.execute("SELECT ledger_sequence()")
        with psycopg.connect(database.url, autocommit=True) as killer:
            killer.execute(
                "SELECT pg_terminate_backend(%s)", (killed.info.backend_pid,)
            )
        with pytest.raises(psycopg.OperationalError):
            killed.execute("SELECT 1")
    assert ledger.recorder.sequence() == 1


def test_the_sequencer_gives_positions_to_those_who_do_not_wait(ledger):
    stop, seen = Event(), []
    thread = Thread(target=Sequencer(ledger.recorder).run, args=(stop,))
    thread.start()
    try:
        with ledger.recorder.subscribe() as subscription:
            for number in range(3):
                ledger.recorder.append([stored(UUID(int=number + 1))])
                seen.append(next(subscription).originator_id.int)
    finally:
        stop.set()
        thread.join()
    assert seen == [1, 2, 3]


def test_many_writers_get_each_their_own_position_and_there_is_no_gap(ledger):
    def write(_: int) -> list[int]:
        stream = uuid4()
        told = []
        for version in range(1, 21):
            told += ledger.recorder.insert_events([stored(stream, version)])
        found = ledger.recorder.positions_of(stream)
        assert told == [found[version] for version in range(1, 21)]
        return told

    with ThreadPoolExecutor(8) as writers:
        told = [each for some in writers.map(write, range(8)) for each in some]
    assert sorted(told) == list(range(1, 161))


def test_both_sides_of_the_inbox_are_used_in_turn_and_given_back(ledger, database):
    recorder = ledger.recorder
    with psycopg.connect(database.url, autocommit=True) as connection:

        def sides() -> tuple[int, ...]:
            row = connection.execute(
                "SELECT side, pg_relation_size('ledger_inbox_0'),"
                " pg_relation_size('ledger_inbox_1') FROM ledger_head"
            ).fetchone()
            assert row is not None
            return tuple(map(int, row))

        connection.execute(
            "SELECT ledger_append(ARRAY[gen_random_uuid()], '{1}', '{t}', '{x}')"
            " FROM generate_series(1, 8000)"
        )
        assert recorder.sequence() == 8_000
        side, first, _ = sides()
        assert (side, first > 2**20) == (1, True)
        recorder.insert_events([stored(uuid4())])
        side, first, second = sides()
        assert (side, first, second > 0) == (1, 0, True)
        with psycopg.connect(database.url) as reader:  # Anybody may look meanwhile.
            reader.execute("SELECT FROM ledger_inbox")
            recorder.insert_events([stored(uuid4())])
    assert recorder.size() == 8_002


def test_a_sequencer_that_cannot_see_all_of_a_side_does_not_empty_it(ledger, database):
    """As where `default_transaction_isolation` is not the usual one."""
    mine = uuid4()
    append = "SELECT ledger_append_one(%s, 1, 't', 'x')"
    turn = "UPDATE ledger_head SET side = 1 - side"
    with (
        psycopg.connect(database.url, autocommit=True) as owner,
        psycopg.connect(database.url) as slow,
        psycopg.connect(database.url) as blind,
    ):
        owner.execute(append, (uuid4(),))
        slow.execute(append, (mine,))  # On the side that is idle soon.
        owner.execute(turn)
        owner.execute(append, (uuid4(),))
        blind.isolation_level = IsolationLevel.REPEATABLE_READ
        blind.execute("SELECT 1")
        slow.commit()
        assert blind.execute("SELECT ledger_sequence()").fetchone() == (2,)
        blind.commit()
    assert ledger.recorder.place_of(mine, 1) == 3


def test_the_leaf_hash_in_the_database_is_that_of_the_leaf(ledger):
    event = stored(UUID(int=7), 1, os.urandom(99))
    ledger.recorder.insert_events([event])
    mine = leaf(
        originator_id=UUID(int=7), version=1, topic=event.topic, state=event.state
    )
    assert ledger.recorder.leaf_hashes(1, 10) == [leaf_hash(mine)]


def test_a_version_cannot_be_jumped_over(ledger):
    stream = UUID(int=1)
    with pytest.raises(IntegrityError, match="no version before 2"):
        ledger.recorder.insert_events([stored(stream, 2)])
    ledger.recorder.insert_events([stored(stream, 1), stored(stream, 2)])
    with pytest.raises(IntegrityError, match="no version before 4"):
        ledger.recorder.insert_events([stored(stream, 4)])


def test_a_command_is_carried_out_once(ledger):
    stream = UUID(int=1)
    append = ledger.recorder.append
    append([stored(stream, 1), stored(stream, 2)], command=COMMAND)
    with pytest.raises(CommandRepeated) as repeated:
        append([stored(stream, 3)], command=COMMAND)
    told = repeated.value
    assert (told.same, told.stream_id, told.version) == (True, stream, 2)
    with pytest.raises(CommandRepeated) as other:
        append([stored(stream, 3)], command=replace(COMMAND, request=bytes(32)))
    assert not other.value.same
    append([stored(stream, 3)], command=replace(COMMAND, actor="ben"))


def test_of_two_that_send_one_command_at_once_one_is_told_it_was_done(ledger):
    def send(_: int) -> bool:
        try:
            ledger.recorder.append([stored(uuid4())], command=COMMAND)
        except CommandRepeated:
            return False
        return True

    with ThreadPoolExecutor(4) as senders:
        assert sorted(senders.map(send, range(4))) == [False, False, False, True]


def test_a_command_that_was_refused_may_be_tried_again(ledger):
    with pytest.raises(IntegrityError):
        ledger.recorder.append([stored(UUID(int=1), 2)], command=COMMAND)
    ledger.recorder.append([stored(UUID(int=1), 1)], command=COMMAND)


def test_a_stopped_log_says_why_and_takes_nothing(ledger, database):
    with psycopg.connect(database.url) as connection:
        connection.execute("INSERT INTO ledger_stop (why) VALUES ('A witness leads.')")
    with pytest.raises(LogStopped, match=r"^A witness leads\.$"):
        ledger.recorder.insert_events([stored(UUID(int=1))])
    assert ledger.recorder.size() == 0


def test_an_append_whose_answer_was_lost_is_not_taken_for_another_writer_s(ledger):
    """Whoever asks again finds his own events there, and is told their positions."""
    recorder = ledger.recorder
    cut: list[int] = []

    class Deaf(Cursor[DictRow]):
        """Sends the first append it is given, and hears no answer."""

        def execute(self, query: Any, *given: Any, **how: Any) -> Self:
            if b"ledger_append" in query and not cut:
                cut.append(self.connection.info.backend_pid)
                # Prepared by another append, the next one is sent in one go.
                other = (uuid4(), 1, "test.happened", b"other")
                super().execute(query, (*other, None, None, None), **how)
                with socket.socket(fileno=os.dup(self.connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RD)
            return super().execute(query, *given, **how)

    with ExitStack() as taken:
        for _ in range(POOL_SIZE):
            its = taken.enter_context(recorder.datastore.get_connection())
            its.cursor_factory = Deaf
    event = stored(UUID(int=1), 1, b"mine")
    assert recorder.insert_events([event]) == [2]
    assert cut
    assert recorder.select_events(UUID(int=1)) == [event]
    with pytest.raises(IntegrityError):
        recorder.insert_events([event])  # Without a doubt it is somebody else's.


def test_the_channel_is_the_log_s_own():
    assert channel("north") != channel("south")
