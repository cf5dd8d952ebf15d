"""Brings a log's tables up to date: the plain-SQL files of `migrations/`, in order.

Files are in dbmate's format (`-- migrate:up`, `-- migrate:down`) and name no schema:
one log is one schema, and the search path leads there. Each file runs in a transaction
of its own, together with its row in `schema_migrations`. Nothing runs when a file that
was applied is missing or edited, or when a new one comes before an applied one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import Connection, sql
from psycopg.pq import TransactionStatus

import migrations
from ledger.adapters.migration_files import Migration, MigrationError, read

FOLDER = Path(migrations.__file__).parent
LOCK_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One row of `schema_migrations`; `applied_at` is None for a pending one."""

    version: str
    name: str
    sha256: str
    applied_at: datetime | None

    @property
    def file(self) -> str:
        return f"{self.version}_{self.name}.sql"


def migrate(conninfo: str, *, schema: str, folder: Path = FOLDER) -> list[Applied]:
    """Apply every pending file, making the schema if absent; return those applied.

    Safe to call from many processes at once: they take turns, and each looks again
    when its turn comes. Raises MigrationError; what was applied before it stays.
    """
    files = read(folder)
    with _alone(conninfo, schema) as connection:
        _make_bookkeeping(connection, schema)
        done = _applied(connection)
        pending = _checked(files, done)
        for migration in pending:
            with _step(connection, migration, migration.up):
                connection.execute(
                    "INSERT INTO schema_migrations (version, name, sha256)"
                    " VALUES (%s, %s, %s)",
                    (migration.version, migration.name, migration.sha256),
                )
        return _applied(connection)[len(done) :]


def rollback(conninfo: str, *, schema: str, folder: Path = FOLDER) -> Applied | None:
    """Take back the newest applied file; return it, or None if there is none."""
    files = read(folder)
    with _alone(conninfo, schema) as connection:
        done = _applied(connection) if _has_bookkeeping(connection) else []
        _checked(files, done)
        if not done:
            return None
        newest = files[len(done) - 1]
        with _step(connection, newest, newest.down):
            connection.execute(
                "DELETE FROM schema_migrations WHERE version = %s", (newest.version,)
            )
        return done[-1]


def status(conninfo: str, *, schema: str, folder: Path = FOLDER) -> list[Applied]:
    """Tell every file, applied or pending, changing nothing. Raises MigrationError."""
    files = read(folder)
    with _connected(conninfo, schema) as connection:
        done = _applied(connection) if _has_bookkeeping(connection) else []
        pending = _checked(files, done)
    return done + [
        Applied(version=m.version, name=m.name, sha256=m.sha256, applied_at=None)
        for m in pending
    ]


def _checked(files: Sequence[Migration], done: Sequence[Applied]) -> list[Migration]:
    """Return the pending files, if what was applied is exactly what comes before."""
    by_number = {int(migration.version): migration for migration in files}
    for row in done:
        file = by_number.get(int(row.version))
        if file is None:
            raise MigrationError(f"{row.file} was applied, but the file is missing.")
        if (file.name, file.sha256) != (row.name, row.sha256):
            raise MigrationError(f"{file.file} was edited after it was applied.")
    newest = max((int(row.version) for row in done), default=-1)
    applied = {int(row.version) for row in done}
    pending = [each for each in files if int(each.version) not in applied]
    for migration in pending:
        if int(migration.version) < newest:
            raise MigrationError(
                f"{migration.file} is out of order: a later one was applied already."
            )
    return pending


@contextmanager
def _connected(conninfo: str, schema: str) -> Iterator[Connection]:
    try:
        connection = psycopg.connect(
            conninfo, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
        )
    except psycopg.Error as error:
        # Its own message names host and user; a password is never in it.
        raise MigrationError(f"The database cannot be reached: {_first(error)}") from (
            error
        )
    with connection:
        try:
            # Without its last word, temporary objects would come first, for functions
            # that keep the path of their making as well: whoever calls one could put
            # tables of his own before the log's.
            path = sql.SQL("SET search_path TO {}, pg_temp")
            connection.execute(path.format(sql.Identifier(schema)))
            yield connection
        except psycopg.Error as error:
            raise MigrationError(f"The database refused: {_first(error)}") from error


@contextmanager
def _alone(conninfo: str, schema: str) -> Iterator[Connection]:
    """Hold the schema's migration lock; the session's end lets it go."""
    digest = hashlib.sha256(f"eticket-ledger migrations {schema}".encode()).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    with _connected(conninfo, schema) as connection:
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", (f"{LOCK_TIMEOUT_S}s",)
        )
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (key,))
        except psycopg.errors.LockNotAvailable as error:
            raise MigrationError(
                f"Another migration of {schema} did not end in {LOCK_TIMEOUT_S} s."
            ) from error
        yield connection


@contextmanager
def _step(connection: Connection, migration: Migration, text: str) -> Iterator[None]:
    """Run a file's part; what the caller adds is in the same transaction."""
    try:
        with connection.transaction():
            connection.execute(text.encode())
            if connection.info.transaction_status != TransactionStatus.INTRANS:
                raise MigrationError(f"{migration.file} ends its own transaction.")
            yield
    except psycopg.Error as error:
        raise MigrationError(f"{migration.file} failed: {_first(error)}") from error


def _make_bookkeeping(connection: Connection, schema: str) -> None:
    # Looked for first: `IF NOT EXISTS` wants the right to create even if it is there.
    found = connection.execute(
        "SELECT to_regnamespace(%s)", (f'"{schema}"',)
    ).fetchone()
    if found == (None,):
        make = sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema))
        connection.execute(make)
    if not _has_bookkeeping(connection):
        connection.execute(
            "CREATE TABLE schema_migrations ("
            " version text PRIMARY KEY,"
            " name text NOT NULL,"
            " sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )


def _has_bookkeeping(connection: Connection) -> bool:
    found = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
    return found != (None,)


def _applied(connection: Connection) -> list[Applied]:
    rows = connection.execute(
        "SELECT version, name, sha256, applied_at FROM schema_migrations"
        " ORDER BY version::numeric"
    )
    return [
        Applied(version=version, name=name, sha256=sha256, applied_at=applied_at)
        for version, name, sha256, applied_at in rows
    ]


def _first(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().splitlines()[0]
