"""Who may do what with a log's tables: append-only by privilege, not by promise.

    <schema>_app        serves: appends by function, reads, keeps its working tables
    <schema>_views      follows the log: writes the views, reads the log
    <schema>_publisher  gives positions, adds tiles, checkpoints and cosignatures
    <schema>_auditor    reads events, their order and its proof, and nothing else

The roles cannot log in. Programs connect as the operator's login and take a role on in
the first packet of the connection (`speaking_as`). Tables belong to whoever migrates,
and to him triggers refuse what the roles are not even granted.

`rights.py` is the whole of it: what stands there is granted, the rest is taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.adapters.roles.rights import (
    MAY,
    MAY_CALL,
    DatabaseRole,
    name_of,
    names_of,
)
from ledger.adapters.roles.standing import Grant, Standing, changes, quoted, standing

__all__ = [
    "MAY",
    "MAY_CALL",
    "DatabaseRole",
    "Grant",
    "RolesError",
    "Standing",
    "administrators_sql",
    "ensure",
    "login_of",
    "name_of",
    "names_of",
    "speaking_as",
    "standing",
]

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 60
IDLE_IN_TRANSACTION_S = 10

# Statements of a role end after so long. A session's role is taken on, not logged in
# as, so the database does not apply settings of the role: the connection brings them.
STATEMENT_TIMEOUT_S: Mapping[DatabaseRole, float] = {
    DatabaseRole.APP: 30,
    DatabaseRole.VIEWS: 600,
    DatabaseRole.PUBLISHER: 600,
    DatabaseRole.AUDITOR: 600,
}


class RolesError(Exception):
    """The roles cannot be had; the message says what an administrator is to run."""


def speaking_as(url: str, schema: str, role: DatabaseRole) -> str:
    """Return the database's address for connections that take the role on."""
    options = (
        str(conninfo_to_dict(url).get("options") or ""),
        f"-c role={name_of(schema, role)}",
        f"-c statement_timeout={STATEMENT_TIMEOUT_S[role]}s",
        f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_S}s",
    )
    return make_conninfo(url, options=" ".join(options).strip())


def ensure(url: str, schema: str) -> None:
    """Make the roles and bring their rights to what the map says; again: do nothing.

    For after the migrations. A login that does not own the tables changes nothing and
    only needs to be let into the roles. Raises `RolesError`.
    """
    with _alone(url, schema) as connection:
        if not _owns(connection, schema):
            _require_let_in(connection, schema)
            return
        before = standing(connection, schema)
        if before.absent:
            _make(connection, schema, before.absent)
        _require_let_in(connection, schema)
        for change in changes(schema, before):
            connection.execute(change)


def administrators_sql(schema: str, login: str) -> str:
    """Return what an administrator runs where the login may not create roles."""
    quotes = [quoted(name) for name in names_of(schema)]
    made = "".join(f"CREATE ROLE {name} NOLOGIN;\n" for name in quotes)
    return f"{made}GRANT {', '.join(quotes)} TO {quoted(login)};\n"


def login_of(url: str) -> str:
    """Return the name by which the database knows whoever connects so."""
    with _connected(url) as connection:
        row = connection.execute("SELECT session_user::text").fetchone()
    assert row is not None
    return str(row[0])


def _make(connection: Connection[Any], schema: str, absent: Collection[str]) -> None:
    try:
        for name in absent:
            role = sql.Identifier(name)
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
            # Since 16 a creator may administer a role and yet not take it on.
            let_in = sql.SQL("GRANT {} TO CURRENT_USER").format(role)
            connection.execute(let_in)
    except psycopg.errors.InsufficientPrivilege:
        raise RolesError(
            f"The database's login may not create the roles of the log {schema}; have"
            " an administrator run what `ledgerctl roles --sql` prints."
        ) from None


def _require_let_in(connection: Connection[Any], schema: str) -> None:
    how = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
    for name in names_of(schema):
        try:
            row = connection.execute(
                "SELECT pg_has_role(current_user, %s, %s)", (name, how)
            ).fetchone()
        except psycopg.errors.UndefinedObject:
            row = None
        if row != (True,) and not name.endswith(DatabaseRole.AUDITOR):
            raise RolesError(
                f"The database's login may not take on the role {name}; have an"
                " administrator run what `ledgerctl roles --sql` prints."
            )


def _owns(connection: Connection[Any], schema: str) -> bool:
    row = connection.execute(_OWNED, {"schema": schema}).fetchone()
    return row == (True,)


@contextmanager
def _alone(url: str, schema: str) -> Iterator[Connection[Any]]:
    """One transaction, one at a time: grants on one object do not go side by side."""
    digest = hashlib.sha256(f"eticket-ledger roles {schema}".encode()).digest()
    key = int.from_bytes(digest[:8], "big", signed=True)
    with _connected(url) as connection:
        connection.execute(
            "SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_TIMEOUT_S}s",)
        )
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (key,))
        yield connection


@contextmanager
def _connected(url: str) -> Iterator[Connection[Any]]:
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            yield connection
    except psycopg.Error as error:
        said = (error.diag.message_primary or str(error)).strip().splitlines()[0]
        raise RolesError(f"The log's roles cannot be seen to: {said}.") from error


_OWNED: LiteralString = """
SELECT bool_and(pg_has_role(c.relowner, 'USAGE')) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')
"""
