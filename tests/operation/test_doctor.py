"""The doctor finds what was planted, says where, and is silent about what is well.

Seen to fail: counts that are not compared, a trigger that is looked for by its name
alone, a sample without the newest leaves, a stop that is passed over, and a check that
broke down and took the others with it.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

from ledger.adapters.roles import ensure
from ledger.adapters.secrets import FileSecrets
from ledger.application import Cause
from ledger.bootstrap import Installation
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import Signer
from ledger.log.proof_store import ProofStore, Signed
from ledger.log.recorder import connect
from ledger.operation.doctor import Finding, State, examine, surroundings
from ledger.operation.doctor import views as doctor_views
from ledger.operation.doctor.tree import SAMPLE_LEAVES, SAMPLES, sampled
from ledger.projections.registry import NAMES
from ledger.usecases import parties
from tests.databases import Database
from tests.operation.logs import as_owner, tamper
from tests.projections.following import follower

STREAM = UUID(int=7)
EVENTS = 300
CHECKS = {
    "migrations",
    "disk",
    "keys",
    "grants",
    "clock",
    "connections",
    "durability",
    "sequence",
    "tree",
    "checkpoint",
    "writing",
    "inbox",
    "projections",
    "jobs",
}


class Ahead:
    """A clock that is wrong by so many seconds."""

    def __init__(self, by_s: float) -> None:
        self._by = timedelta(seconds=by_s)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._by


@pytest.fixture
def log(its: Installation) -> Installation:
    """Three hundred events of one stream, a tile full of them, and a checkpoint."""
    told = [StoredEvent(STREAM, n, "test", b'{"n":%d}' % n) for n in range(1, 301)]
    its.ledger.recorder.insert_events(told)
    with its.ledger_as(None) as ledger, connect(ledger.recorder.datastore) as session:
        store = ProofStore(lambda: nullcontext(session))
        store.add_tiles(old_size=0, size=EVENTS)
        checkpoint = Checkpoint(its.origin, EVENTS, store.tree(EVENTS).root())
        note = Signer(its.origin, its.secrets.log_key()).sign(checkpoint.text())
        assert store.add_checkpoint(Signed(checkpoint, note, its.clock.now()))
    return its


def found(
    its: Installation, *, deep: bool = False, by_s: float = 0
) -> dict[str, list[Finding]]:
    """What the doctor says, by check; without what is well."""
    by_check: dict[str, list[Finding]] = {}
    for each in examine(its.settings, its.url, clock=Ahead(by_s), deep=deep):
        assert each.check in CHECKS
        assert bool(each.do) == (each.state != State.OK)
        by_check.setdefault(each.check, [])
        # The tests' own login is one, and that is said of it.
        if each.state != State.OK and "the login is a superuser" not in each.says:
            by_check[each.check].append(each)
    assert set(by_check) == CHECKS
    # The server of the tests does not wait for the disk, and nobody runs the views.
    assert [each.state for each in by_check.pop("durability")] <= [State.WARN]
    if [each.state for each in by_check["projections"]] == [State.WARN]:
        del by_check["projections"]
    return {check: findings for check, findings in by_check.items() if findings}


def test_what_is_well_is_called_well_and_nothing_is_changed(log, ledgerctl):
    for deep in (False, True):
        assert found(log, deep=deep) == {}
    code, out, err = ledgerctl("doctor", "--json")
    assert (code, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert {each["check"] for each in told} == CHECKS
    assert {each["state"] for each in told} <= {"ok", "warn"}
    assert found(log) == {}


# What is planted, what takes it back, which checks see it, and what they say.
SWAP = """
UPDATE ledger_log SET position = -position WHERE position IN (4, 5);
UPDATE ledger_log SET position = 9 + position WHERE position IN (-4, -5)
"""
PLANTED = (
    (
        "UPDATE ledger_head SET size = 301",
        "UPDATE ledger_head SET size = 300",
        {"sequence": "300 positions up to 300 where the head says 301", "tree": "301"},
    ),
    (
        "UPDATE ledger_head SET size = 299",
        "UPDATE ledger_head SET size = 300",
        {"sequence": "where the head says 299", "tree": "300 events were signed"},
    ),
    (
        "CREATE TABLE kept AS SELECT * FROM ledger_log WHERE position = 5;"
        "DELETE FROM ledger_log WHERE position = 5",
        "INSERT INTO ledger_log SELECT * FROM kept; DROP TABLE kept",
        {"sequence": "the first gap before 6", "tree": "position 5: there is no such"},
    ),
    (
        "INSERT INTO ledger_events VALUES (gen_random_uuid(), 1, 'x', '')",
        "DELETE FROM ledger_events WHERE topic = 'x'",
        {"sequence": "neither a position nor a place in the inbox"},
    ),
    (
        "CREATE TABLE kept AS SELECT * FROM ledger_events WHERE"
        " originator_version = 9; DELETE FROM ledger_events WHERE"
        " originator_version = 9",
        "INSERT INTO ledger_events SELECT * FROM kept; DROP TABLE kept",
        {"sequence": "a stream lacks a version", "tree": "9: its event is missing"},
    ),
    (
        f"ALTER TABLE ledger_log DROP CONSTRAINT ledger_log_position_check; {SWAP}",
        f"{SWAP}; ALTER TABLE ledger_log ADD CHECK (position > 0)",
        {"sequence": "not in its own order", "tree": "not those that were signed"},
    ),
    (
        "UPDATE ledger_log SET leaf_hash = sha256('x') WHERE position = 300",
        "UPDATE ledger_log SET leaf_hash = (SELECT leaf_hash_of(originator_id,"
        " originator_version, topic, state) FROM ledger_events WHERE"
        " originator_version = 300) WHERE position = 300",
        {"tree": "damaged at position 300"},
    ),
    (
        "UPDATE ledger_events SET state = state || ' ' WHERE originator_version = 280",
        "UPDATE ledger_events SET state = substr(state, 1, length(state) - 1)"
        " WHERE originator_version = 280",
        {"tree": "damaged at position 280: its event is not the one"},
    ),
    (
        "UPDATE ledger_checkpoints SET root = sha256('x'), note ="
        " replace(note, split_part(note, E'\n', 3), encode(sha256('x'), 'base64'))",
        None,
        {"tree": "the first 300 events are not those that were signed"},
    ),
)


def test_damage_to_the_log_is_found_and_named(log, database):
    for plant, undo, expected in PLANTED:
        tamper(database, plant)
        seen = found(log, deep=True)
        assert set(seen) - {"grants", "checkpoint"} == set(expected), plant
        for check, says in expected.items():
            assert all(each.state == State.FAIL for each in seen[check]), plant
            assert says in " / ".join(each.says for each in seen[check]), plant
        if undo is not None:
            tamper(database, undo)
            assert found(log, deep=True) == {}, undo


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        ("hashes = set_byte(hashes, 77, 0)", "does not have the hashes below it"),
        ("root = sha256('x')", "has another root"),
        ("index = 1", "is missing"),
    ],
)
def test_a_damaged_tile_is_found(log, database, plant, says):
    tamper(database, f"UPDATE ledger_tiles SET {plant}")
    assert any(
        f"the tile 0/0 {says}" == each.says for each in found(log, deep=True)["tree"]
    )


@given(size=st.integers(0, 10_000_000))
def test_a_sample_has_the_newest_leaves_and_lies_within_the_log(size):
    places = sampled(size)
    assert (max(0, size - SAMPLE_LEAVES), size) in places
    assert len(places) <= SAMPLES + 1
    assert all(
        0 <= after <= until <= size and until - after <= SAMPLE_LEAVES
        for after, until in places
    )


OPENED = (
    ("DROP TRIGGER ledger_events_append_only ON ledger_events", "UPDATE and DELETE"),
    ("ALTER TABLE ledger_log DISABLE TRIGGER ALL", "TRUNCATE and UPDATE and DELETE"),
    ("ALTER TABLE ledger_tiles DISABLE TRIGGER USER", "ledger_tiles: its trigger"),
    (
        "CREATE OR REPLACE TRIGGER ledger_log_append_only BEFORE UPDATE OR DELETE ON"
        " ledger_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite()",
        "the owner may TRUNCATE ledger_log",
    ),
    (
        "CREATE OR REPLACE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'",
        "the owner may UPDATE and DELETE ledger_commands",
    ),
    ("GRANT UPDATE ON ledger_events TO {app}", "granted, and should not be: UPDATE"),
    ("GRANT INSERT (position) ON ledger_log TO {app}", "be: INSERT on ledger_log."),
    ("GRANT SELECT ON subject_keys TO PUBLIC", "SELECT on subject_keys to public"),
    ("GRANT {app} TO {auditor}", "may more than their grants say: "),
    ("ALTER ROLE {app} CREATEROLE", "may more than their grants say: "),
    ("REVOKE SELECT ON ledger_events FROM {app}", "not granted: SELECT"),
    ("CREATE TABLE more ()", "nothing is decided about more"),
    ("ALTER FUNCTION ledger_place SET search_path TO public", "ledger_place"),
    ("GRANT DELETE ON ledger_inbox TO pg_monitor", "others are let in: DELETE"),
)


def healed(database: Database) -> str:
    """SQL that takes back all of the above, as the migrations have it."""
    schema = database.schema
    tables = ("events", "log", "commands", "tiles", "checkpoints", "cosignatures")
    with as_owner(database) as connection:
        row = connection.execute("SELECT pg_get_functiondef('refuse_rewrite'::regproc)")
        ((function,),) = row.fetchall()
    triggers = "".join(
        f"CREATE OR REPLACE TRIGGER ledger_{table}_append_only BEFORE UPDATE OR DELETE"
        f" OR TRUNCATE ON ledger_{table} FOR EACH STATEMENT EXECUTE FUNCTION"
        f" refuse_rewrite(); ALTER TABLE ledger_{table} ENABLE TRIGGER USER;"
        for table in tables
    )
    return f"""{function}; {triggers} DROP TABLE IF EXISTS more;
        REVOKE {schema}_app FROM {schema}_auditor; ALTER ROLE {schema}_app NOCREATEROLE;
        ALTER FUNCTION ledger_place SET search_path TO {schema}, pg_temp;
        REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM pg_monitor"""


def test_every_right_too_many_or_too_few_is_found(log, database):
    schema = database.schema
    names = {"app": f"{schema}_app", "auditor": f"{schema}_auditor"}
    heal = healed(database)
    with as_owner(database) as connection:
        for plant, says in OPENED:
            connection.execute(plant.format(**names).encode())
            seen = found(log)
            assert set(seen) == {"grants"}, plant
            assert any(
                says in each.says and each.state == State.FAIL
                for each in seen["grants"]
            ), (plant, seen)
            connection.execute(heal.encode())
            ensure(database.server_url, schema)
        assert found(log) == {}
        connection.execute("GRANT SELECT ON ledger_events TO pg_monitor")
        (let_in,) = found(log)["grants"]
        assert let_in.state == State.WARN


def test_what_cannot_be_examined_is_no_sign_of_health(log, database, ledgerctl):
    with as_owner(database) as connection:
        connection.execute("ALTER TABLE ledger_inbox RENAME TO elsewhere")
    seen = found(log)
    assert {check for check, each in seen.items() if "cannot be" in each[0].says} == {
        "sequence",
        "inbox",
    }
    assert "nothing is decided about elsewhere" in [
        each.says for each in seen["grants"]
    ]
    assert ledgerctl("doctor")[0] == 1


def test_tables_of_another_version_are_found(log, database):
    newest = "(SELECT max(version) FROM schema_migrations)"
    tamper(database, f"DELETE FROM schema_migrations WHERE version = {newest}")
    (pending,) = found(log)["migrations"]
    assert (pending.says[:17], pending.state) == ("not applied yet: ", State.FAIL)
    tamper(database, "UPDATE schema_migrations SET sha256 = repeat('0', 64)")
    assert "was edited" in found(log)["migrations"][0].says


def test_a_database_that_is_not_there_is_said_in_one_finding(log, settings, tmp_path):
    url = "postgresql://u:s3cret@127.0.0.1:1/d"
    nowhere = replace(settings, database_url=url)
    told = list(examine(nowhere, url, clock=Ahead(0), deep=False))
    assert [each.check for each in told if each.state == State.FAIL] == [
        "migrations",
        "database",
    ]
    assert "s3cret" not in str(told)


def test_clocks_that_disagree_are_found(log):
    assert found(log, by_s=0.5) == {}
    for by_s, state in ((5, State.WARN), (-5, State.WARN), (300, State.FAIL)):
        (apart,) = found(log, by_s=by_s)["clock"]
        assert (apart.state, "s apart" in apart.says) == (state, True)


def test_an_event_of_the_future_is_found(its):
    parties.register(
        its.ledger,
        its.personal,
        party_id=uuid4(),
        kind="organisation",
        name="Tomorrow",
        contact=None,
        at=its.clock.now() + timedelta(hours=1),
        cause=Cause(actor="test"),
    )
    (future,) = found(its)["clock"]
    assert future.state == State.FAIL
    assert future.says.startswith("the newest event, at 1, is 3")


def test_what_waits_too_long_and_what_was_stopped_is_found(log, database):
    log.ledger.recorder.append([StoredEvent(uuid4(), 1, "test", b"{}")])
    assert found(log) == {}
    for ago, state in (("20 s", State.WARN), ("1 h", State.FAIL)):
        tamper(
            database, f"UPDATE ledger_inbox SET received_at = now() - '{ago}'::interval"
        )
        (late,) = found(log)["inbox"]
        assert late.state == state
        assert late.says.startswith("1 appends wait for positions, the oldest for ")
    tamper(database, "INSERT INTO ledger_stop (why) VALUES ('a witness is ahead')")
    (stopped,) = found(log)["writing"]
    assert (stopped.state, "a witness is ahead" in stopped.says) == (State.FAIL, True)
    tamper(database, "SELECT ledger_resume('it went home')")
    assert "writing" not in found(log)


def test_events_that_nobody_signs_for_are_found(log):
    log.ledger.recorder.insert_events([StoredEvent(uuid4(), 1, "test", b"{}")])
    assert "checkpoint" not in found(log)
    (unsigned,) = found(log, by_s=3600)["checkpoint"]
    assert unsigned.state == State.WARN
    assert unsigned.says == "1 of 301 events stand under no checkpoint"


def test_views_that_stopped_or_are_left_behind_are_found(log, database):
    with as_owner(database) as connection:
        tamper(database, "INSERT INTO projection_stops VALUES ('wallet', 3, 'odd')")
        (stopped, others) = found(log)["projections"]
        assert stopped.says == "wallet at position 0 has stopped: odd"
        assert "projections rebuild wallet" in stopped.do
        assert (others.state, "wallet" in others.says) == (State.WARN, False)
        tamper(database, "DELETE FROM projection_stops")
        for name in NAMES:  # Somebody has them all, and does nothing.
            key = follower(log.ledger, name).lock_key
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))
        tamper(database, "UPDATE ledger_head SET size = size")
        assert all(each.state == State.OK for each in views_of(log))
        doctor_views.LAG_MAX_EVENTS, before = 100, doctor_views.LAG_MAX_EVENTS
        try:
            assert {each.state for each in views_of(log)} == {State.WARN}
        finally:
            doctor_views.LAG_MAX_EVENTS = before


def views_of(log: Installation) -> list[Finding]:
    told = examine(log.settings, log.url, clock=Ahead(0), deep=False)
    return [each for each in told if each.check == "projections"]


def test_keys_that_are_open_absent_or_of_another_log_are_found(log, tmp_path):
    home = log.settings.keys_home
    path = home / "keys.json"

    def said() -> str:
        (wrong,) = found(log)["keys"]
        assert wrong.state == State.FAIL
        return wrong.says

    path.chmod(0o644)
    assert "is open to others" in said()
    path.chmod(0o600)
    home.chmod(0o777)
    assert "others may put files into" in said()
    home.chmod(0o700)
    assert found(log) == {}
    path.rename(tmp_path / "kept")
    assert "there is no" in said()
    FileSecrets.create(home)
    assert "are not this database's" in said()


def test_a_full_disk_and_connections_that_run_out_are_found(log, monkeypatch):
    monkeypatch.setattr(surroundings, "FREE_WARN", 1.1)
    assert found(log)["disk"][0].state == State.WARN
    monkeypatch.setattr(surroundings, "FREE_FAIL", 1.1)
    assert found(log)["disk"][0].state == State.FAIL
    monkeypatch.setattr(surroundings, "CONNECTIONS_WARN", 0.0)
    (used,) = found(log)["connections"]
    assert (used.state, " are in use" in used.says) == (State.WARN, True)
    monkeypatch.setattr(surroundings, "CONNECTIONS_WARN", 1.0)
    monkeypatch.setattr(surroundings, "IDLE_IN_TRANSACTION_MAX_S", 0.0)
    with psycopg.connect(log.url) as idle:
        idle.execute("SELECT 1")
        assert "left a transaction open" in found(log)["connections"][0].says


def test_jobs_that_nobody_runs_or_that_fail_and_messages_given_up_are_found(
    log, database
):
    def said() -> list[str]:
        told = examine(log.settings, log.url, clock=log.clock, deep=False)
        return [each.says for each in told if each.check == "jobs"]

    assert said() == ["no job was run here yet"]
    at = log.clock.now()
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "INSERT INTO job_runs (name, fence, runner, started_at, failures, said)"
            " VALUES ('send', 1, 'here', %s, 3, 'the disk is full')",
            (at,),
        )
        connection.execute(
            "INSERT INTO outbox (position, party_id, kind, channel, target_id,"
            " about_id, detail, at, state, due_at, settled_at)"
            " SELECT n, id, 'sold', 'email', id, id, '{}', at, state, at,"
            " CASE WHEN state = 'dead' THEN at END"
            " FROM (VALUES (1, 'dead'), (2, 'waiting')) AS v (n, state),"
            " (SELECT %s::timestamptz - interval '1 hour' AS at,"
            " gen_random_uuid() AS id) AS w",
            (at,),
        )
    assert said() == [
        "send has failed 3 times in a row: the disk is full",
        "1 messages were given up within a day",
        "a message waits for 3600 s past its time",
    ]
    with psycopg.connect(database.url) as connection:
        connection.execute("DELETE FROM outbox")
        connection.execute(
            "UPDATE job_runs SET failures = 0,"
            " started_at = started_at - interval '1 hour'"
        )
    assert said() == ["no job has been begun for some minutes"]
