"""Events are stored once, in order, and for ever."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.aggregates.paper import Paper
from ledger.application import Cause, Ledger
from ledger.errors import Overtaken
from ledger.log.recorder import environment
from ledger.vocabulary import ids
from tests.domain.examples import NOON
from tests.log.opened import again, short_story

CAUSE = Cause(actor="test")


def paper_id(number: int) -> UUID:
    return ids.paper_id(serial(number))


def serial(number: int) -> str:
    return f"T-{number:06}"


def paper(number: int) -> Paper:
    return Paper.number(
        paper_id=paper_id(number),
        serial=serial(number),
        ticket_id=UUID(int=1),
        job_id=UUID(int=2),
        at=NOON,
    )


@pytest.mark.parametrize(
    "rewrite",
    [
        "UPDATE ledger_events SET topic = 'other'",
        "UPDATE ledger_events SET state = state WHERE false",
        "DELETE FROM ledger_events",
        "TRUNCATE ledger_events",
    ],
)
def test_the_log_refuses_to_be_rewritten_even_by_its_owner(ledger, database, rewrite):
    ledger.record(paper(1), cause=CAUSE)
    with (
        psycopg.connect(database.url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"),
    ):
        connection.execute(rewrite)
    assert ledger.paper(paper_id(1)).serial == "T-000001"


def test_an_event_comes_back_as_it_was_recorded(ledger):
    recorded = paper(7)
    position = ledger.record(recorded, cause=CAUSE)
    ((found_at, event),) = ledger.events_of(paper_id(7))
    assert (found_at, event.timestamp) == (position, NOON)
    assert vars(event)["cause"] == {"actor": "test"}
    assert ledger.paper(paper_id(7)) == recorded


def test_one_of_two_writers_on_a_stream_is_overtaken(ledger):
    def write(_: int) -> bool:
        try:
            ledger.record(paper(1), cause=CAUSE)
        except Overtaken:
            return False
        return True

    with ThreadPoolExecutor(4) as writers:
        assert sorted(writers.map(write, range(4))) == [False, False, False, True]
    assert ledger.position() == max(ledger.recorder.positions_of(paper_id(1)).values())


def test_positions_grow_in_the_order_of_commits(ledger, database):
    def write(first: int) -> list[int]:
        with again(database) as own:
            return [
                own.record(paper(number), cause=CAUSE)
                for number in range(first, first + 20)
            ]

    with ThreadPoolExecutor(3) as writers:
        told = list(writers.map(write, (100, 200, 300)))
    for positions in told:
        assert positions == sorted(positions)
    found = ledger.recorder.select_notifications(None, 1_000)
    assert [each.id for each in found] == sorted(itertools.chain(*told))


def test_what_the_address_says_beyond_the_library_s_words_is_kept():
    made = environment("postgresql://ann:pw@db/tickets?sslmode=require", "led", 5)
    kept = conninfo_to_dict(made["POSTGRES_CONNINFO"])
    assert kept["sslmode"] == "require"
    assert kept["options"] == "-c search_path=led"
    assert (made["POSTGRES_POOL_SIZE"], made["POSTGRES_MAX_OVERFLOW"]) == ("2", "3")


def test_a_forked_process_opens_its_own_connections(database, ledger):
    short_story(ledger)
    before = ledger.position()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with again(database) as own:
                own.record(paper(999), cause=CAUSE)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert ledger.position() == before + 1


def test_the_recorder_is_found_by_its_module_alone(database, ledger):
    assert type(ledger.factory).__name__ == "LedgerFactory"
    assert isinstance(ledger, Ledger)
    assert type(ledger.recorder).__name__ == "LedgerRecorder"


def long_append(first: int) -> list[Paper]:
    """More than a socket takes without being read."""
    return [paper(first + number) for number in range(2_000)]


def test_a_long_append_has_positions_in_the_order_of_its_events(ledger):
    ledger.record(paper(1), cause=CAUSE)
    assert ledger.record(*long_append(10), cause=CAUSE) == 2_001
    assert ledger.record(paper(2), cause=CAUSE) == 2_002
    found = ledger.recorder.select_notifications(2, 2_000)
    assert [each.originator_id for each in found[:3]] == [
        paper_id(10),
        paper_id(11),
        paper_id(12),
    ]
    assert ledger.paper(paper_id(2_009)).serial == "T-002009"


def test_each_event_of_a_long_append_is_told_its_own_position(ledger):
    stored = [
        ledger.mapper.to_stored_event(each.collect_events()[0])
        for each in long_append(1)
    ]
    told = ledger.recorder.insert_events(stored)
    for event, position in [*zip(stored, told, strict=True)][:: len(stored) // 10]:
        assert ledger.recorder.positions_of(event.originator_id) == {1: position}


def test_a_long_append_that_was_overtaken_leaves_nothing(ledger):
    ledger.record(paper(500), cause=CAUSE)
    with pytest.raises(Overtaken):
        ledger.record(*long_append(1), cause=CAUSE)
    assert ledger.position() == 1


def test_long_appends_wait_for_each_other(ledger):
    starts = range(10, 50_010, 10_000)
    with ThreadPoolExecutor(len(starts)) as pool:
        ends = list(
            pool.map(lambda n: ledger.record(*long_append(n), cause=CAUSE), starts)
        )
    assert sorted(ends) == [2_000 * n for n in range(1, len(starts) + 1)]
