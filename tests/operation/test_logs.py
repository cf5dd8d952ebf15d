"""Two logs in one database: side by side, and nothing of one is ever in the other.

Seen to fail: one channel, one lock or one search path for both, and a role of one log
that is let into the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from psycopg import sql

from ledger.adapters import roles
from ledger.adapters.roles import DatabaseRole, speaking_as
from ledger.bootstrap import Installation, open_installation
from ledger.log.export import Head
from ledger.log.note import Signer, Verifier, open_note
from ledger.log.recorder import connect
from ledger.operation.logs import schema_for
from ledger.projections.registry import NAMES
from ledger.projections.runner import Runner
from ledger.settings import Settings
from tests.databases import Database
from tests.operation.logs import events, story
from tests.projections.following import follower

EACH = 60
WRITERS = 3
CATCH_UP_S = 20


def remove(server_url: str, schema: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        name = sql.Identifier(schema)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
        names = sql.SQL(", ").join(map(sql.Identifier, roles.names_of(schema)))
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(names))


@pytest.fixture
def others(database: Database) -> Iterator[str]:
    """The schema of a second log, gone after the test."""
    schema = f"{database.schema}_b"
    yield schema
    remove(database.server_url, schema)


@pytest.fixture
def two(settings: Settings, others: str) -> Iterator[tuple[Installation, Installation]]:
    first = replace(settings, origin="one.example/log")
    second = replace(
        settings,
        origin="two.example/log",
        schema=others,
        home=settings.home / "logs" / others,
    )
    with open_installation(first) as one, open_installation(second) as other:
        yield one, other


def test_writes_that_interleave_give_each_log_its_own_gapless_order(two):
    mine: list[set[object]] = [set(), set()]

    def write(which: int, number: int) -> None:
        stream = uuid4()
        mine[which].add(stream)
        recorder = two[which].ledger.recorder
        for version in range(1, EACH // WRITERS + 1):
            told = StoredEvent(stream, version, f"test.{which}", b"{}")
            if number % 2:
                recorder.insert_events([told])
            else:
                recorder.append([told])

    with ThreadPoolExecutor(2 * WRITERS) as pool:
        done = [
            pool.submit(write, which, number)
            for number in range(WRITERS)
            for which in (0, 1)
        ]
        for each in done:
            each.result()
    for which, its in enumerate(two):
        while its.ledger.recorder.sequence():
            pass
        found = events(its.ledger)
        assert [position for position, *_ in found] == list(range(1, EACH + 1))
        assert {stream for _, stream, *_ in found} == mine[which]
        assert its.ledger.recorder.size() == EACH


def test_the_programs_of_one_log_see_and_do_nothing_in_the_other(two):
    one, other = two
    assert one.settings.schema != other.settings.schema
    schema = sql.Identifier(other.settings.schema)
    for role in DatabaseRole:
        url = speaking_as(one.url, one.settings.schema, role)
        with psycopg.connect(url, autocommit=True) as connection:
            for said in (
                "SELECT FROM {}.ledger_events",
                "SELECT FROM {}.access_tokens",
                "SELECT {}.ledger_append('{{}}', '{{}}', '{{}}', '{{}}')",
                "SELECT {}.ledger_sequence()",
                "INSERT INTO {}.projection_stops VALUES ('x', 1, 'x')",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(sql.SQL(said).format(schema))


def test_each_log_signs_with_its_own_key_and_name(two):
    notes = []
    for its in two:
        story(its)
        signer = Signer(its.origin, its.secrets.log_key())
        notes.append(Head(its.ledger.recorder, signer, its.origin).checkpoint())
    for its, note in zip(two, notes, strict=True):
        own = Verifier(its.origin, its.secrets.log_key().public_key())
        assert open_note(note, [own]).startswith(f"{its.origin}\n")
        for foreign in notes:
            if foreign != note:
                with pytest.raises(ValueError, match="no trusted key"):
                    open_note(foreign, [own])


def test_a_log_that_grows_wakes_nobody_of_the_other(two):
    one, other = two
    channels = [its.ledger.recorder.channel_name for its in two]
    assert len(set(channels)) == 2
    with connect(one.datastore) as hearing:
        for channel in channels:
            hearing.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        for its in (other, one):
            its.ledger.recorder.insert_events([StoredEvent(uuid4(), 1, "t", b"{}")])
        heard = [each.channel for each in hearing.notifies(timeout=5, stop_after=2)]
    assert heard == [channels[1], channels[0]]


def test_the_views_of_each_log_follow_it_alone(two):
    with ExitStack() as opened:
        runners = [
            Runner(opened.enter_context(its.ledger_as(DatabaseRole.VIEWS)))
            for its in two
        ]
        keys = {
            follower(its.ledger, name).lock_key: name for its in two for name in NAMES
        }
        assert len(keys) == 2 * len(NAMES)
        stop = Event()
        threads = [Thread(target=each.run_forever, args=(stop,)) for each in runners]
        for each in threads:
            each.start()
        story(two[0])
        sizes = [its.ledger.position() for its in two]
        try:
            for name in NAMES:
                reached = runners[0].wait_for(name, sizes[0], CATCH_UP_S)
                assert reached == sizes[0]
                assert runners[1].wait_for(name, 0, CATCH_UP_S) == 0
        finally:
            stop.set()
            for each in threads:
                each.join()
    holdings = [its.views.ownership.rows("SELECT FROM ownership", ()) for its in two]
    assert [bool(rows) for rows in holdings] == [True, False]


def test_a_log_is_made_beside_the_others_and_listed_with_them(
    ledgerctl, database, others, settings, monkeypatch
):
    assert ledgerctl("init")[0] == 0
    code, out, err = ledgerctl("log", "create", "two.example/log", "--schema", others)
    assert (code, err.startswith("The log two.example/log is ready.")) == (0, True)
    home = settings.home / "logs" / others
    assert out.splitlines() == [
        "LEDGER_ORIGIN=two.example/log",
        f"LEDGER_SCHEMA={others}",
        f"LEDGER_HOME={home}",
    ]
    assert (home / "keys" / "keys.json").exists()
    listed = [
        json.loads(line)
        for line in ledgerctl("log", "list", "--json")[1].split("\n")
        if line
    ]
    mine = {each["schema"]: each for each in listed}
    assert mine[others]["origin"] == "two.example/log"
    assert mine[database.schema]["origin"] == settings.origin
    assert mine[others]["size"] == 0
    assert f"{others}  two.example/log  0 events" in ledgerctl("log", "list")[1]
    code, _, err = ledgerctl("log", "create", "three.example/log", "--schema", others)
    assert (code, "There is such a log already" in err) == (1, True)
    code, _, err = ledgerctl("log", "create", "two.example/log")
    assert (code, "There is such a log already" in err) == (1, True)
    code, _, err = ledgerctl(
        "log", "create", "four.example/log", "--home", settings.home
    )
    assert (code, "holds the keys of another log" in err) == (1, True)
    for line in out.splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    assert ledgerctl("log", "key")[1].startswith("two.example/log+")
    for wrong in ("has space", "plus+sign", ""):
        assert ledgerctl("log", "create", wrong)[0] == 2


def test_a_schema_is_called_after_its_origin_whatever_that_is():
    assert schema_for("Tickets.Example/log-2") == "log_tickets_example_log_2"
    for origin in ("x" * 255, "....", "漢", "1", "a" * 43 + "/b"):
        schema = schema_for(origin)
        assert Settings.from_environ({"LEDGER_SCHEMA": schema}).schema == schema
