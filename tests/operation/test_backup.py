"""Backup, restore, verify, continue; and what is no backup is not restored.

Seen to fail: a root that is not compared, persons' keys inside the log's dump, a dump
of another moment than the checkpoint's, an inbox cleared before it is dumped, a schema
that is there and written over, what a refused restore leaves behind.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import ProgrammingError, StoredEvent

from ledger.adapters.embedded_postgres import EmbeddedPostgres, programs
from ledger.adapters.roles import DatabaseRole
from ledger.bootstrap import Installation, open_installation
from ledger.log.policy import Policy
from ledger.log.publisher import Publisher, Round
from ledger.log.recorder import LogStopped
from ledger.log.witness import Witness
from ledger.operation.backup import KEYS_DUMP, LOG_DUMP, MANIFEST, sha256_of
from ledger.operation.programs import ProgramMissing, find, run
from tests.domain.examples import ALICE
from tests.log.witnessing import COSIGNERS, SetClock, Shelf
from tests.operation.logs import as_owner, drop, events, story, tamper
from tests.projections.following import catch_up, contents


@pytest.fixture
def made(ledgerctl, its, tmp_path):
    """A backup of a log with a story, whose views have followed."""
    story(its)
    catch_up(its.ledger)
    code, _, err = ledgerctl("backup", tmp_path / "copy")
    assert (code, err) == (0, "")
    return tmp_path / "copy"


def name_of(its, party_id):
    """What the log still says of a person."""
    sealed = its.ledger.party(party_id).name_sealed
    return its.personal.open(party_id, sealed)


def test_a_log_comes_back_from_its_backup_is_proven_and_goes_on(
    ledgerctl, its, made, database, settings, tmp_path
):
    before, size = events(its.ledger), its.ledger.position()
    views = contents(database, its.ledger)
    drop(database)
    code, out, err = ledgerctl("restore", made)
    assert (code, err) == (0, "")
    assert out.startswith(f"{size} events are back and proven, as of ")
    with open_installation(settings) as again:
        assert events(again.ledger) == before
        assert contents(database, again.ledger) == views
        assert name_of(again, ALICE) == f"Somebody {ALICE.int}"
        export = tmp_path / "log.jsonl"
        assert ledgerctl("log", "export", "--output", export)[0] == 0
        code, out, _ = ledgerctl("log", "verify", export)
        assert (code, out[:17]) == (0, "The log is whole:")
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            again.datastore.get_connection() as connection,
        ):
            connection.execute("DELETE FROM ledger_events")
        told = StoredEvent(uuid4(), 1, "test", b"{}")
        assert list(again.ledger.recorder.insert_events([told])) == [size + 1]
        assert again.ledger.position() == size + 1


def test_a_backup_is_of_one_moment_and_what_waits_for_its_position_comes_back(
    ledgerctl, its, settings, database, tmp_path, monkeypatch
):
    story(its)
    size, late = its.ledger.position(), uuid4()
    its.ledger.recorder.append([StoredEvent(late, 1, "test", b"{}")])
    with as_owner(database) as connection:
        major = connection.info.server_version // 10_000
    # Somebody writes between that moment and the dump.
    dump, psql = (find(program, major=major) for program in ("pg_dump", "psql"))
    append = f"""SELECT {database.schema}.ledger_append(ARRAY[gen_random_uuid()],
        ARRAY[1], ARRAY['test'], ARRAY['x'::bytea]); SELECT
        {database.schema}.ledger_sequence()"""
    script(
        tmp_path,
        "pg_dump",
        f'[ "$1" = --version ] || {psql} -q "{database.server_url}" -c "{append}"'
        f' > /dev/null\nexec {dump} "$@"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ledgerctl("backup", tmp_path / "copy") == (0, ANY, "")
    assert its.ledger.position() == size + 3  # One more for each of the two dumps.
    drop(database)
    _, out, _ = ledgerctl("restore", tmp_path / "copy")
    assert f"{size} events are back" in out
    assert "1 appends wait for positions" in out
    with open_installation(settings) as again:
        assert again.ledger.recorder.place_of(late, 1) == size + 1


def test_a_backup_loses_no_append_that_is_sequenced_and_cleared_meanwhile(
    ledgerctl, its, settings, database, tmp_path, monkeypatch
):
    """TRUNCATE heeds no snapshot: what it takes, the dump would not find any more."""
    story(its)
    size, late = its.ledger.position(), uuid4()
    its.ledger.recorder.append([StoredEvent(late, 1, "test", b"{}")])
    with as_owner(database) as connection:
        major = connection.info.server_version // 10_000
    dump, psql = (find(program, major=major) for program in ("pg_dump", "psql"))
    name = database.schema
    steps = (
        f"SELECT {name}.ledger_sequence()",
        f"UPDATE {name}.ledger_head SET side = 1 - side",
        f"SELECT {name}.ledger_append_one(gen_random_uuid(), 1, 'test', 'x')",
        f"SELECT {name}.ledger_sequence()",
    )
    said = " ".join(f'-c "{step}"' for step in steps)
    script(
        tmp_path,
        "pg_dump",
        f'[ "$1" = --version ] || {psql} -q "{database.server_url}" {said}'
        f' > /dev/null\nexec {dump} "$@"',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ledgerctl("backup", tmp_path / "copy") == (0, ANY, "")
    drop(database)
    _, out, _ = ledgerctl("restore", tmp_path / "copy")
    assert "1 appends wait for positions" in out
    with open_installation(settings) as again:
        assert again.ledger.recorder.place_of(late, 1) == size + 1


def test_whoever_was_erased_stays_erased_in_every_older_backup(
    ledgerctl, its, made, settings, database, tmp_path
):
    its.personal.destroy(ALICE)
    newest = tmp_path / "newest"
    assert ledgerctl("backup", newest)[0] == 0
    drop(database)
    assert ledgerctl("restore", made, "--subject-keys", newest / KEYS_DUMP)[0] == 0
    with open_installation(settings) as again:
        assert name_of(again, ALICE) is None
    drop(database)
    shutil.move(made / KEYS_DUMP, tmp_path / "elsewhere")
    code, out, _ = ledgerctl("restore", made, "--without-subject-keys")
    assert (code, "keys of 0 persons" in out) == (0, True)


def test_no_persons_key_is_in_the_dump_of_the_log(made, database, tmp_path):
    text = tmp_path / "dump.sql"
    with as_owner(database) as connection:
        version = connection.info.server_version
        wrapped = connection.execute("SELECT wrapped FROM subject_keys").fetchall()
    restore = find("pg_restore", major=version // 10_000)
    for name, expected in ((LOG_DUMP, False), (KEYS_DUMP, True)):
        told = [restore, f"--file={text}", made / name]
        subprocess.run(told, check=True)
        for (key,) in wrapped:
            assert (key.hex() in text.read_text()) == expected
    for path in (made, made / LOG_DUMP, made / KEYS_DUMP):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_nothing_is_written_over(ledgerctl, made, database):
    code, _, err = ledgerctl("restore", made)
    assert code == 1
    assert err == (
        f"The schema {database.schema} holds something already; nothing was changed.\n"
    )
    code, _, err = ledgerctl("backup", made)
    assert (code, "holds something already" in err) == (1, True)
    with as_owner(database) as connection:
        connection.execute("SELECT FROM ledger_events LIMIT 1")


def edited(made: Path, **more: object) -> None:
    path = made / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_what_is_no_backup_of_this_log_is_refused_and_leaves_nothing(
    ledgerctl, made, database, monkeypatch, tmp_path
):
    drop(database)
    whole = json.loads((made / MANIFEST).read_text())
    dump = (made / LOG_DUMP).read_bytes()

    def refused(*arguments: object) -> str:
        code, _, err = ledgerctl("restore", *(arguments or (made,)))
        assert (code, err.count("\n")) == (1, 1)
        with psycopg.connect(database.server_url) as connection:
            query = "SELECT FROM pg_namespace WHERE nspname = %s"
            assert not connection.execute(query, (database.schema,)).fetchall()
        return str(err)

    middle = len(dump) // 2
    flipped = bytes([dump[middle] ^ 1])
    (made / LOG_DUMP).write_bytes(dump[:middle] + flipped + dump[middle + 1 :])
    assert "is not what it was" in refused()
    (made / LOG_DUMP).write_bytes(dump)
    for more, says in (
        ({"format": "eticket-ledger/backup/9"}, "another format"),
        ({"size": whole["size"] - 1}, "another moment"),
        ({"checkpoint": whole["checkpoint"].replace("\n", "\n1", 1)}, "signed"),
        ({"origin": "another.example/log"}, "set LEDGER_ORIGIN to it"),
        ({"schema": "another"}, "set LEDGER_SCHEMA to it"),
        ({"keys_fingerprint": "0" * 32}, "put its keys.json back there"),
        ({"files": {LOG_DUMP: "x"}}, "is not a manifest"),
        ({"made_at": 7}, "is not a manifest"),
    ):
        edited(made, **more)
        assert says in refused(), more
        edited(made, **whole)
    assert "cannot be read" in refused(tmp_path)
    (made / KEYS_DUMP).write_bytes(b"")
    assert "is not what it was" in refused()
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path / "nobody"))
    assert "put its keys.json back there" in refused()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE ledger_events SET state = state || '\\x20'", "position 1: its event"),
        ("DELETE FROM ledger_log WHERE position = 3", "position 3: there is no such"),
        (
            "DELETE FROM ledger_events USING ledger_log l WHERE l.position = 2 AND"
            " l.originator_id = ledger_events.originator_id AND"
            " l.originator_version = ledger_events.originator_version",
            "position 2: its event is missing",
        ),
    ],
)
def test_a_damaged_log_makes_no_backup_and_a_changed_one_does_not_come_back(
    ledgerctl, made, its, database, tmp_path, change, says
):
    tamper(database, change)
    code, _, err = ledgerctl("backup", tmp_path / "other")
    assert (code, err[:35]) == (1, "The log is damaged at position" + err[30:35])
    assert says in err
    assert not (tmp_path / "other" / MANIFEST).exists()
    # Somebody who can write files changes the dump and its sum, but cannot sign.
    shutil.copy(tmp_path / "other" / LOG_DUMP, made / LOG_DUMP)
    files = json.loads((made / MANIFEST).read_text())["files"]
    edited(made, files=files | {LOG_DUMP: sha256_of(made / LOG_DUMP)})
    drop(database)
    code, _, err = ledgerctl("restore", made)
    assert (code, "The backup cannot be used" in err) == (1, True)
    with psycopg.connect(database.server_url) as connection:
        query = "SELECT to_regnamespace(%s)"
        assert connection.execute(query, (database.schema,)).fetchone() == (None,)


def test_a_consistent_rewrite_does_not_come_back_either(
    ledgerctl, made, its, database, tmp_path
):
    # Leaves that fit their events, in a log that is shorter by its last one.
    tamper(
        database,
        "DELETE FROM ledger_log WHERE position = (SELECT size FROM ledger_head);"
        "UPDATE ledger_head SET size = size - 1",
    )
    assert ledgerctl("backup", tmp_path / "other")[0] == 0
    shutil.copy(tmp_path / "other" / LOG_DUMP, made / LOG_DUMP)
    files = json.loads((made / MANIFEST).read_text())["files"]
    edited(made, files=files | {LOG_DUMP: sha256_of(made / LOG_DUMP)})
    drop(database)
    code, _, err = ledgerctl("restore", made)
    assert (code, "do not give the root that was signed" in err) == (1, True)


def script(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_programs_are_taken_in_the_version_of_the_server(tmp_path, monkeypatch):
    script(tmp_path, "pg_dump", 'echo "pg_dump (PostgreSQL) 99.1 (Test 99.1-2)"')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find("pg_dump", major=99) == tmp_path / "pg_dump"
    embedded = find("pg_dump", major=18)
    assert embedded == programs() / "pg_dump"
    with pytest.raises(ProgramMissing) as refused:
        find("pg_dump", major=98)
    assert str(refused.value).startswith(
        "pg_dump of PostgreSQL 98 is needed and not here;"
        f" {tmp_path / 'pg_dump'} is of version 99"
    )


def test_a_password_is_not_on_a_command_line(tmp_path, monkeypatch):
    script(
        tmp_path,
        "pg_dump",
        f'echo "(PostgreSQL) 99.1"; echo "$@ / $PGPASSWORD" > {tmp_path}/said',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    url = "postgresql://ann:s3cret@db.example/tickets?sslmode=require"
    run("pg_dump", "--file=x", url=url, server_version=990_001)
    arguments, _, password = (tmp_path / "said").read_text().strip().rpartition(" / ")
    assert password == "s3cret"
    assert "s3cret" not in arguments
    assert "host=db.example" in arguments
    assert "sslmode=require" in arguments


@pytest.fixture
def whole_server(postgres_url: str) -> Iterator[str]:
    """A server that may be copied with all it holds: the embedded one."""
    if "LEDGER_DATABASE_URL" not in os.environ:
        yield postgres_url
        return
    with reachable() as folder, EmbeddedPostgres(folder) as server:
        yield server.url


@contextmanager
def reachable() -> Iterator[Path]:
    """A folder that the user can enter to whom root lends a server."""
    with tempfile.TemporaryDirectory(prefix="eticket-copy-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_base_backup_of_the_whole_server_goes_on_as_the_log_it_is(
    whole_server, database, settings
):
    with open_installation(replace(settings, database_url=whole_server)) as its:
        story(its)
        before = events(its.ledger)
    with reachable() as home, ExitStack() as started:
        run(
            "pg_basebackup",
            f"--pgdata={home / 'data'}",
            "--wal-method=stream",
            "--checkpoint=fast",
            url=whole_server,
            server_version=180_000,
        )
        hand_over(home / "data")
        server = started.enter_context(EmbeddedPostgres(home))
        copied = replace(settings, database_url=server.url)
        again = started.enter_context(open_installation(copied))
        assert events(again.ledger) == before
        told = StoredEvent(uuid4(), 1, "test", b"{}")
        assert list(again.ledger.recorder.insert_events([told])) == [len(before) + 1]


def hand_over(data: Path) -> None:
    """Give what root has copied to the user to whom root lends a server."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        for path in (data, *data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def test_an_older_backup_is_not_written_to_while_a_witness_is_ahead(
    ledgerctl, its, made, settings, database
):
    clock = SetClock()
    own = [signer.verifier for signer in its.signers(clock.now())]
    witness = Witness(COSIGNERS["a"], own, Shelf())
    policy = f"witness a {COSIGNERS['a'].verifier} http://a\nquorum a\n"

    def post(_: str, body: bytes) -> tuple[int, bytes]:
        said = witness.add_checkpoint(body, at=clock.now())
        return said.status, said.body.encode()

    def publish(of: Installation) -> Round:
        with of.ledger_as(DatabaseRole.PUBLISHER) as ledger:
            publisher = Publisher(
                ledger.recorder.datastore,
                of.signers,
                clock,
                origin=of.origin,
                policy=Policy.parse(policy.encode()),
                post=post,
            )
            said = publisher.round(ask_all=True)
            publisher.close()
        return said

    size = its.ledger.position()
    its.ledger.recorder.insert_events([StoredEvent(uuid4(), 1, "test", b"{}")])
    assert publish(its) == Round.PUBLISHED
    drop(database)
    assert ledgerctl("restore", made)[0] == 0
    with open_installation(settings) as again:
        assert publish(again) == Round.STOPPED
        with pytest.raises(LogStopped) as stopped:
            again.ledger.recorder.append([StoredEvent(uuid4(), 1, "test", b"{}")])
        assert str(stopped.value).startswith(
            f"The witness a has cosigned {size + 1} events of this log and only {size}"
        )
        assert again.ledger.position() == size
    code, out, _ = ledgerctl("doctor", "--json")
    (writing,) = [line for line in out.splitlines() if '"writing"' in line]
    assert (code, str(stopped.value)[:-1] in writing) == (1, True)
