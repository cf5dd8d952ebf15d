"""Append-only by privilege: shown by trying, as each role and as the owner.

Seen to fail: a role let into the log by one right too many, a table without a decision,
a function left open to everybody, a definer's search path with temporary tables first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from ledger.adapters import roles
from ledger.adapters.migrator import migrate
from ledger.adapters.roles import (
    DatabaseRole,
    RolesError,
    ensure,
    speaking_as,
    standing,
)
from ledger.bootstrap import open_installation
from ledger.projections.runner import Runner
from ledger.settings import Settings
from tests.databases import Database
from tests.operation.logs import story

DENIED = "42501"

Session: TypeAlias = psycopg.Connection[tuple[Any, ...]]

LOG = ("ledger_events", "ledger_log", "ledger_commands")
HELD = (
    *LOG,
    "ledger_head",
    "ledger_inbox",
    "ledger_inbox_0",
    "ledger_stop",
    "ledger_resumptions",
)
PROOF = ("ledger_tiles", "ledger_checkpoints", "ledger_cosignatures")

WRITES = (
    "INSERT INTO {} SELECT * FROM {}",
    "DELETE FROM {}",
    "TRUNCATE {}",
    "DROP TABLE {} CASCADE",
    "ALTER TABLE {} ADD COLUMN more int",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "ALTER TABLE {} OWNER TO CURRENT_USER",
    "CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION refuse_rewrite()",
    "CREATE RULE r AS ON INSERT TO {} DO INSTEAD NOTHING",
    "CREATE INDEX ON {} ((1))",
    "LOCK TABLE {} IN EXCLUSIVE MODE",
    "COPY {} TO PROGRAM 'cat'",
    "COPY {} FROM '/dev/null'",
)
UPDATES = (
    ("ledger_events", "state = ''"),
    ("ledger_events", "topic = topic"),
    ("ledger_log", "position = position + 1"),
    ("ledger_log", "leaf_hash = leaf_hash"),
    ("ledger_head", "size = size - 1"),
    ("ledger_commands", "key = ''"),
    ("ledger_inbox", "ticket = 0"),
)
BEYOND = (
    "SELECT nextval('ledger_tickets')",
    "SELECT setval('ledger_tickets', 1)",
    "SELECT ledger_give_positions(10)",
    "SELECT ledger_empty_inbox('ledger_inbox_0')",
    "CREATE TABLE more ()",
    "CREATE FUNCTION sha256(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    "CREATE OR REPLACE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql"
    " AS 'BEGIN RETURN NULL; END'",
    "DROP FUNCTION ledger_append",
    "ALTER FUNCTION ledger_sequence RESET search_path",
    "SET session_replication_role = replica",
    "CREATE ROLE another",
    "COPY (SELECT 1) TO '/tmp/x'",
    "DELETE FROM schema_migrations",
    "UPDATE installation SET origin = 'another'",
)


@pytest.fixture
def log(database: Database) -> Database:
    """A log with one event and its roles."""
    migrate(database.server_url, schema=database.schema)
    ensure(database.server_url, database.schema)
    with connected(database, DatabaseRole.APP) as connection:
        append(connection)
    return database


def connected(
    log: Database, role: DatabaseRole | None, url: str | None = None
) -> Session:
    url = url or log.server_url
    if role is not None:
        url = speaking_as(url, log.schema, role)
    connection = psycopg.connect(url, autocommit=True)
    path = sql.SQL("SET search_path TO {}").format(sql.Identifier(log.schema))
    connection.execute(path)
    return connection


def append(connection: Session) -> None:
    said = ([uuid4()], [1], ["t"], [b"{}"])
    connection.execute("SELECT ledger_append(%s, %s, %s, %s)", said)
    connection.execute("SELECT ledger_sequence()")


def refusal(connection: Session, text: str) -> str:
    """Try a statement; return the SQLSTATE of its refusal, "" if there is none."""
    try:
        with connection.transaction():
            connection.execute(text.encode())
            raise _Undo
    except psycopg.Error as error:
        return error.sqlstate or ""
    except _Undo:
        return ""


class _Undo(Exception):
    """Takes back what should not have been possible."""


def tables(connection: Session) -> list[str]:
    rows = connection.execute(
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p')"
        " AND relnamespace = current_schema()::regnamespace"
    )
    return [str(name) for (name,) in rows]


def test_every_table_has_a_decision(log):
    with connected(log, None) as connection:
        assert standing(connection, log.schema).undecided == frozenset()
        connection.execute("CREATE TABLE forgotten ()")
        found = standing(connection, log.schema)
        assert found.undecided == {"forgotten"}


def test_the_grants_are_those_of_the_map_and_come_back_to_it(log):
    with connected(log, None) as connection:
        as_made = standing(connection, log.schema)
        assert [*as_made.missing, *as_made.extra, *as_made.absent] == []
        app = sql.Identifier(roles.name_of(log.schema, DatabaseRole.APP))
        for spoilt in (
            "GRANT UPDATE ON ledger_events TO {}",
            "GRANT UPDATE (leaf_hash) ON ledger_log TO {}",
            "GRANT CREATE ON SCHEMA {schema} TO {}",
            "GRANT SELECT ON subject_keys TO PUBLIC",
            "GRANT EXECUTE ON FUNCTION refuse_rewrite TO PUBLIC",
            "REVOKE SELECT ON ledger_events FROM {}",
        ):
            schema = sql.Identifier(log.schema)
            connection.execute(sql.SQL(spoilt).format(app, schema=schema))
        spoiled = standing(connection, log.schema)
        assert len(spoiled.extra) == 5
        assert [str(each) for each in spoiled.missing] == [
            f"SELECT on ledger_events to {log.schema}_app"
        ]
        ensure(log.server_url, log.schema)
        assert standing(connection, log.schema) == as_made


@pytest.mark.parametrize(
    "role",
    [
        DatabaseRole.APP,
        DatabaseRole.VIEWS,
        DatabaseRole.AUDITOR,
        DatabaseRole.PUBLISHER,
    ],
)
def test_a_role_can_change_nothing_of_the_log(log, role):
    with connected(log, role) as connection:
        for table in (*HELD, *PROOF):
            for text in WRITES:
                adds = role == DatabaseRole.PUBLISHER and table in (
                    *PROOF,
                    "ledger_stop",
                )
                if adds and text.startswith("INSERT"):
                    continue
                said = text.replace("{}", table)
                assert refusal(connection, said) == DENIED, said
        for table, change in UPDATES:
            said = f"UPDATE {table} SET {change}"
            assert refusal(connection, said) == DENIED, said
        for said in BEYOND:
            assert refusal(connection, said) == DENIED, said


def test_an_auditor_reads_the_log_and_its_proof_and_nothing_else(log):
    readable = {"ledger_events", "ledger_log", "ledger_head", *PROOF, "installation"}
    readable.add("ledger_resumptions")
    with connected(log, DatabaseRole.AUDITOR) as connection:
        for table in tables(connection):
            expected = "" if table in readable else DENIED
            assert refusal(connection, f"SELECT FROM {table}") == expected, table
            assert refusal(connection, f"INSERT INTO {table} DEFAULT VALUES") == DENIED
            assert refusal(connection, f"DELETE FROM {table}") == DENIED
        for said in ("ledger_sequence()", f"ledger_place('{uuid4()}', 1)"):
            assert refusal(connection, f"SELECT {said}") == DENIED


def test_a_stop_is_lifted_by_the_publisher_alone_who_says_why(log):
    with connected(log, None) as connection:
        connection.execute("INSERT INTO ledger_stop (why) VALUES ('a fork')")
    for role in (DatabaseRole.APP, DatabaseRole.VIEWS, DatabaseRole.AUDITOR):
        with connected(log, role) as connection:
            for said in ("SELECT ledger_resume('no')", "DELETE FROM ledger_stop"):
                assert refusal(connection, said) == DENIED
    with connected(log, DatabaseRole.PUBLISHER) as connection:
        assert refusal(connection, "SELECT ledger_resume(' ')") == "23514"
        assert refusal(connection, "SELECT ledger_resume(NULL)") == "23502"
        connection.execute("SELECT ledger_resume('it is gone')")
    with connected(log, DatabaseRole.AUDITOR) as connection:
        told = connection.execute("SELECT why, because FROM ledger_resumptions")
        assert told.fetchall() == [("a fork", "it is gone")]
    with connected(log, DatabaseRole.APP) as connection:
        append(connection)


def test_views_are_written_by_their_keeper_alone(log):
    tills = "INSERT INTO redemptions_tills"
    view = f"{tills} VALUES (gen_random_uuid(), gen_random_uuid())"
    for role, expected in (
        (DatabaseRole.VIEWS, ""),
        (DatabaseRole.APP, DENIED),
        (DatabaseRole.PUBLISHER, DENIED),
    ):
        with connected(log, role) as connection:
            assert refusal(connection, view) == expected
    with connected(log, DatabaseRole.VIEWS) as connection:
        for said in ("SELECT FROM subject_keys", "SELECT FROM access_tokens"):
            assert refusal(connection, said) == DENIED
        call = "SELECT ledger_append('{}', '{}', '{}', '{}')"
        assert refusal(connection, call) == DENIED


def test_the_owner_can_add_to_the_log_but_rewrite_nothing_of_it(log):
    with connected(log, None) as connection:
        for table in (*LOG, *PROOF, "ledger_resumptions"):
            for text in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
                assert refusal(connection, text) == DENIED, text
        for table, change in UPDATES:
            if table in LOG:
                assert refusal(connection, f"UPDATE {table} SET {change}") == DENIED


def test_tables_of_a_callers_own_are_not_taken_for_the_logs(log):
    # The functions run as the owner: were temporary tables looked at first, whoever
    # may call them could have them write where he likes and judge by what he says.
    with connected(log, DatabaseRole.APP) as connection:
        for table in ("ledger_head", "ledger_stop", "ledger_events", "ledger_log"):
            connection.execute(
                sql.SQL("CREATE TEMP TABLE {} AS TABLE {}").format(
                    sql.Identifier(table), sql.Identifier(log.schema, table)
                )
            )
        connection.execute("UPDATE pg_temp.ledger_head SET size = 40, side = 1")
        connection.execute("INSERT INTO pg_temp.ledger_stop VALUES (true, 'me', now())")
        append(connection)
    with connected(log, None) as connection:
        told = connection.execute("SELECT size FROM ledger_head").fetchone()
        assert told == (2,)
        paths = connection.execute(
            "SELECT proname, proconfig FROM pg_proc WHERE prosecdef"
            " AND pronamespace = current_schema()::regnamespace"
        ).fetchall()
        assert paths
        for name, settings in paths:
            assert settings == [f"search_path={log.schema}, pg_temp"], name


def test_sessions_of_a_role_end_what_takes_too_long(log):
    for role in DatabaseRole:
        with connected(log, role) as connection:
            for name, limit_s in (
                ("statement_timeout", roles.STATEMENT_TIMEOUT_S[role]),
                ("idle_in_transaction_session_timeout", roles.IDLE_IN_TRANSACTION_S),
            ):
                row = connection.execute(
                    "SELECT setting::bigint FROM pg_settings WHERE name = %s", (name,)
                ).fetchone()
                assert row == (limit_s * 1000,)


class Login:
    """A login of the server without any power, for as long as a test."""

    def __init__(self, log: Database, powers: str = "") -> None:
        self.name = f"{log.schema}_login"
        self.url = psycopg.conninfo.make_conninfo(log.server_url, user=self.name)
        self._log = log
        self.run(f"CREATE ROLE {self.name} LOGIN {powers}")

    def run(self, text: str) -> None:
        with psycopg.connect(self._log.server_url, autocommit=True) as connection:
            connection.execute(text.encode())

    def end(self) -> None:
        self.run(f"DROP OWNED BY {self.name} CASCADE; DROP ROLE {self.name}")


@pytest.fixture
def login(database: Database) -> Iterator[Login]:
    made = Login(database)
    yield made
    made.run(f"DROP SCHEMA IF EXISTS {database.schema} CASCADE")
    # Who made roles is the grantor of their members.
    made.run(f"DROP ROLE IF EXISTS {', '.join(roles.names_of(database.schema))}")
    made.end()


def test_a_login_that_may_not_create_roles_says_what_an_administrator_runs(
    database, login
):
    login.run(f"ALTER SCHEMA {database.schema} OWNER TO {login.name}")
    migrate(login.url, schema=database.schema)
    with pytest.raises(RolesError, match="roles --sql") as refused:
        ensure(login.url, database.schema)
    assert str(refused.value).count(".") == 1
    login.run(roles.administrators_sql(database.schema, login.name))
    ensure(login.url, database.schema)
    ensure(login.url, database.schema)
    with connected(database, DatabaseRole.APP, login.url) as connection:
        append(connection)
        assert refusal(connection, "DELETE FROM ledger_events") == DENIED


def test_a_login_that_may_create_roles_needs_no_superuser(database, login):
    login.run(f"ALTER ROLE {login.name} CREATEROLE")
    login.run(f"ALTER SCHEMA {database.schema} OWNER TO {login.name}")
    migrate(login.url, schema=database.schema)
    ensure(login.url, database.schema)
    with connected(database, DatabaseRole.VIEWS, login.url) as connection:
        assert refusal(connection, "DELETE FROM gifts") == ""
        assert refusal(connection, "DELETE FROM ledger_events") == DENIED


def test_a_login_that_is_only_let_in_serves_and_has_nothing_to_fall_back_on(log):
    login = Login(log)
    try:
        with pytest.raises(RolesError, match="take on the role"):
            ensure(login.url, log.schema)
        names = ", ".join(roles.names_of(log.schema))
        login.run(f"GRANT {names} TO {login.name}")
        assert migrate(login.url, schema=log.schema) == []
        ensure(login.url, log.schema)
        with connected(log, DatabaseRole.APP, login.url) as connection:
            append(connection)
            connection.execute("SET ROLE NONE")
            for table in LOG:
                assert refusal(connection, f"DELETE FROM {table}") == DENIED
    finally:
        login.end()


def test_an_installation_serves_by_a_login_that_owns_nothing(database, settings):
    with open_installation(settings):
        pass  # The owner has made it, keys and all.
    login = Login(database)
    try:
        login.run(f"GRANT {', '.join(roles.names_of(database.schema))} TO {login.name}")
        with open_installation(replace(settings, database_url=login.url)) as its:
            before = its.ledger.position()
            story(its)
            assert its.ledger.position() > before
            with its.ledger_as(DatabaseRole.VIEWS) as ledger:
                assert Runner(ledger).rebuild("ownership") > 0
        with connected(database, None, login.url) as connection:
            for table in LOG:
                assert refusal(connection, f"DELETE FROM {table}") == DENIED
    finally:
        login.end()


def test_names_that_the_database_would_cut_are_no_schemas():
    longest = "s" * 48
    assert Settings.from_environ({"LEDGER_SCHEMA": longest}).schema == longest
    assert max(map(len, roles.names_of(longest))) <= 63
