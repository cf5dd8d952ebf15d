"""Migrations: all or nothing, in order, once, and never from edited files."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.adapters import migration_files, migrator
from ledger.adapters.embedded_postgres import programs
from ledger.adapters.migration_files import MigrationError
from ledger.adapters.migrator import migrate, rollback, status
from tests.databases import Database

PEOPLE = ("CREATE TABLE people (id int PRIMARY KEY);", "DROP TABLE people;")
TALL = ("ALTER TABLE people ADD tall boolean;", "ALTER TABLE people DROP tall;")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_people", *PEOPLE)
    write(tmp_path, "0002_tall", *TALL)
    return tmp_path


def write(folder: Path, name: str, up: str, down: str = "SELECT 1;") -> Path:
    path = folder / f"{name}.sql"
    path.write_text(f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n")
    return path


def dump(database: Database) -> str:
    """The schema as `pg_dump` writes it, less the token that differs every time."""
    dumped = subprocess.run(
        [
            programs() / "pg_dump",
            "--schema-only",
            f"--schema={database.schema}",
            database.server_url,
        ],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    lines = dumped.splitlines()
    return "\n".join(line for line in lines if "restrict" not in line.split(" ")[0])


def tables(database: Database) -> set[str]:
    with psycopg.connect(database.server_url) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s", (database.schema,)
        )
        return {name for (name,) in found}


def test_pending_files_are_applied_once_in_order(database, folder):
    conninfo, schema = database.server_url, database.schema
    first = migrate(conninfo, schema=schema, folder=folder)
    assert [row.file for row in first] == ["0001_people.sql", "0002_tall.sql"]
    assert all(row.applied_at and row.applied_at.tzinfo for row in first)
    assert migrate(conninfo, schema=schema, folder=folder) == []
    write(folder, "0010_old", "CREATE TABLE old ();", "DROP TABLE old;")
    told = status(conninfo, schema=schema, folder=folder)
    assert [row.applied_at is None for row in told] == [False, False, True]
    (third,) = migrate(conninfo, schema=schema, folder=folder)
    assert third.file == "0010_old.sql"
    assert tables(database) == {"people", "old", "schema_migrations"}


def test_a_log_of_its_own_is_a_schema_made_on_demand(database, folder):
    schema = f"{database.schema}_new"
    assert len(status(database.server_url, schema=schema, folder=folder)) == 2
    assert rollback(database.server_url, schema=schema, folder=folder) is None
    try:
        assert len(migrate(database.server_url, schema=schema, folder=folder)) == 2
        assert tables(database) == set()
    finally:
        with psycopg.connect(database.server_url) as connection:
            connection.execute(f'DROP SCHEMA "{schema}" CASCADE')


def test_up_down_up_gives_the_same_schema(database, folder):
    conninfo, schema = database.server_url, database.schema
    migrate(conninfo, schema=schema, folder=folder)
    whole = dump(database)
    assert "tall" in whole
    assert rollback(conninfo, schema=schema, folder=folder)
    assert "tall" not in dump(database)
    assert rollback(conninfo, schema=schema, folder=folder)
    assert rollback(conninfo, schema=schema, folder=folder) is None
    assert tables(database) == {"schema_migrations"}
    migrate(conninfo, schema=schema, folder=folder)
    assert dump(database) == whole


def test_the_ledgers_own_files_go_up_down_and_up_to_the_same_schema(database):
    conninfo, schema = database.server_url, database.schema
    applied = migrate(conninfo, schema=schema)
    assert applied
    whole = dump(database)
    for _ in applied:
        assert rollback(conninfo, schema=schema)
    assert tables(database) == {"schema_migrations"}
    assert migrate(conninfo, schema=schema)
    assert dump(database) == whole


def test_the_ledgers_own_files_name_no_schema_and_end_no_transaction():
    for path in migrator.FOLDER.glob("*.sql"):
        words = path.read_text().upper().replace(";", " ").split()
        assert "COMMIT" not in words
        assert "CONCURRENTLY" not in words
        assert "EXTENSION" not in words


def test_a_file_that_fails_leaves_nothing_of_itself(database, folder):
    conninfo, schema = database.server_url, database.schema
    write(folder, "0003_bad", "CREATE TABLE half (); SELECT 1/0;")
    with pytest.raises(MigrationError, match=r"0003_bad\.sql failed: division by zero"):
        migrate(conninfo, schema=schema, folder=folder)
    assert tables(database) == {"people", "schema_migrations"}
    write(folder, "0003_bad", "CREATE TABLE whole ();", "DROP TABLE whole;")
    assert len(migrate(conninfo, schema=schema, folder=folder)) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: write(f, "0001_people", PEOPLE[0] + " ", PEOPLE[1]), "edited"),
        (lambda f: (f / "0001_people.sql").rename(f / "0001_folk.sql"), "edited"),
        (lambda f: (f / "0001_people.sql").unlink(), "missing"),
        (lambda f: (f / "0002_tall.sql").unlink(), "missing"),
        (lambda f: write(f, "0000_first", "SELECT 1;"), "out of order"),
        (lambda f: write(f, "0002_twin", "SELECT 1;"), "one number"),
        (lambda f: write(f, "0003-dash", "SELECT 1;"), "not named like"),
        (lambda f: (f / "0003_x.sql").write_text("DROP TABLE people;"), "needs one"),
        (lambda f: (f / "0003_x.sql").write_bytes(b"\xff"), "not UTF-8"),
        (lambda f: write(f, "0003_x", "COMMIT;"), "ends its own transaction"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused(database, folder, change, says):
    conninfo, schema = database.server_url, database.schema
    migrate(conninfo, schema=schema, folder=folder)
    before = dump(database)
    change(folder)
    for act in (migrate, rollback, status):
        if says == "ends its own transaction" and act is not migrate:
            continue
        with pytest.raises(MigrationError, match=says) as refused:
            act(conninfo, schema=schema, folder=folder)
        assert str(refused.value).endswith(".")
    assert dump(database) == before


def test_sql_before_the_up_line_is_refused(tmp_path):
    text = "DROP TABLE x;\n-- migrate:up\n-- migrate:down\n"
    (tmp_path / "0001_x.sql").write_text(text)
    with pytest.raises(MigrationError, match="before"):
        migration_files.read(tmp_path)


def test_processes_that_migrate_at_once_apply_each_file_once(database, folder):
    for number in range(3, 9):
        write(folder, f"{number:04}_t{number}", f"CREATE TABLE t{number} ();")

    def act(_: int) -> int:
        return len(migrate(database.server_url, schema=database.schema, folder=folder))

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(act, range(6))) == [0, 0, 0, 0, 0, 8]


def test_a_database_that_cannot_be_reached_is_told_without_the_password(folder):
    with pytest.raises(MigrationError, match="cannot be reached") as refused:
        migrate("postgresql://u:secret@127.0.0.1:1/d", schema="x", folder=folder)
    assert "secret" not in str(refused.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary() | st.text("-migrate:upown \n;").map(str.encode))
def test_whatever_a_file_holds_it_is_read_or_refused(tmp_path, raw):
    (tmp_path / "0001_x.sql").write_bytes(raw)
    try:
        (migration,) = migration_files.read(tmp_path)
    except MigrationError:
        return
    assert migration.version == "0001"
