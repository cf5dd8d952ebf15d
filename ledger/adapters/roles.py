"""Who may do what with a log's tables: append-only by privilege, not by promise.

    <schema>_app        serves: appends by function, reads, keeps its working tables
    <schema>_views      follows the log: writes the views, reads the log
    <schema>_publisher  gives positions, adds tiles, checkpoints and cosignatures
    <schema>_auditor    reads events, their order and its proof, and nothing else

The roles cannot log in. Programs connect as the operator's login and take a role on in
the first packet of the connection (`speaking_as`). Tables belong to whoever migrates,
and to him triggers refuse what the roles are not even granted.

`MAY` is the whole of it: what stands there is granted, what does not is taken back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

CONNECT_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 60
IDLE_IN_TRANSACTION_S = 10

PUBLIC = "public"


class DatabaseRole(StrEnum):
    """What a program is to a log; its role in the database is `name_of`."""

    APP = "app"
    VIEWS = "views"
    PUBLISHER = "publisher"
    AUDITOR = "auditor"


# Statements of a role end after so long. A session's role is taken on, not logged in
# as, so the database does not apply settings of the role: the connection brings them.
STATEMENT_TIMEOUT_S: Mapping[DatabaseRole, int] = {
    DatabaseRole.APP: 60,
    DatabaseRole.VIEWS: 600,
    DatabaseRole.PUBLISHER: 600,
    DatabaseRole.AUDITOR: 600,
}

_Rights = Mapping[DatabaseRole, frozenset[str]]


def _rights(
    app: str = "", views: str = "", publisher: str = "", auditor: str = ""
) -> _Rights:
    given = zip(DatabaseRole, (app, views, publisher, auditor), strict=True)
    return {role: frozenset(words.split()) for role, words in given}


_KEEP = "SELECT INSERT UPDATE DELETE"
_LOG = _rights(app="SELECT", views="SELECT", publisher="SELECT", auditor="SELECT")
_PROOF = _rights(
    app="SELECT", views="SELECT", publisher="SELECT INSERT", auditor="SELECT"
)
_WAITING = _rights(app="SELECT", views="SELECT", publisher="SELECT")
_VIEW = _rights(app="SELECT", views=_KEEP)

MAY: Mapping[str, _Rights] = {
    # The log: all writing goes through functions that run as the tables' owner.
    "ledger_events": _LOG,
    "ledger_log": _LOG,
    "ledger_head": _LOG,
    "ledger_inbox": _WAITING,
    "ledger_inbox_0": _WAITING,
    "ledger_inbox_1": _WAITING,
    "ledger_tickets": _rights(),
    "ledger_commands": _WAITING,
    "ledger_stop": _rights(
        app="SELECT", views="SELECT", publisher="SELECT INSERT DELETE"
    ),
    # Its proof.
    "ledger_tiles": _PROOF,
    "ledger_checkpoints": _PROOF,
    "ledger_cosignatures": _PROOF,
    # What serving needs beside the log.
    "ledger_snapshots": _rights(app=_KEEP),
    "access_tokens": _rights(app="SELECT INSERT UPDATE"),
    "subject_keys": _rights(app="SELECT INSERT UPDATE"),
    "stock_desk": _rights(app=_KEEP),
    "stock_holds": _rights(app=_KEEP),
    "installation": _LOG,
    "schema_migrations": _WAITING,
    # Views and their bookmarks.
    "projection_tracking": _VIEW,
    "projection_stops": _VIEW,
    "projection_rebuilds": _rights(app="SELECT", views="SELECT UPDATE"),
    # Which tables the owner's functions make anew: nobody else may add one.
    "projection_tables": _rights(app="SELECT", views="SELECT"),
    "ownership": _VIEW,
    "freshness_media": _VIEW,
    "freshness_slots": _VIEW,
    "freshness_tickets": _VIEW,
    "freshness_holds": _VIEW,
    "wallet": _VIEW,
    "wallet_holds": _VIEW,
    "notices": _VIEW,
    "notices_tickets": _VIEW,
    "accounts": _VIEW,
    "gifts": _VIEW,
}

_CALL = "EXECUTE"
MAY_CALL: Mapping[str, _Rights] = {
    "ledger_append": _rights(app=_CALL),
    "ledger_append_one": _rights(app=_CALL),
    "ledger_place": _rights(app=_CALL),
    "ledger_sequence": _rights(app=_CALL, views=_CALL, publisher=_CALL),
    "projection_rebuild_begin": _rights(views=_CALL),
    "projection_rebuild_drop": _rights(views=_CALL),
    "projection_rebuild_analyze": _rights(views=_CALL),
    "projection_rebuild_swap": _rights(views=_CALL),
}
"""Functions by name; any other is called by the owner and by triggers alone."""


class RolesError(Exception):
    """The roles cannot be had; the message says what an administrator is to run."""


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right on one object, as the database has it or should have it."""

    kind: str
    """`TABLE`, `SEQUENCE`, `FUNCTION`, `SCHEMA` or `COLUMN` (never granted by us)."""

    name: str
    """As SQL says it, within the schema; a function with its arguments."""

    grantee: str
    right: str

    def __str__(self) -> str:
        return f"{self.right} on {self.name} to {self.grantee}"


@dataclass(frozen=True, slots=True)
class Standing:
    """The grants of a schema against the map."""

    missing: frozenset[Grant]
    extra: frozenset[Grant]
    """Of our roles or of everybody."""

    strange: frozenset[Grant]
    """Of roles that are none of ours."""

    undecided: frozenset[str]
    """Tables that the map does not know."""

    absent: tuple[str, ...]
    """Roles that are not there."""


def name_of(schema: str, role: DatabaseRole) -> str:
    """Return a role's name in the database."""
    return f"{schema}_{role}"


def names_of(schema: str) -> list[str]:
    return [name_of(schema, role) for role in DatabaseRole]


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
        for change in _changes(schema, before):
            connection.execute(change)


def administrators_sql(schema: str, login: str) -> str:
    """Return what an administrator runs where the login may not create roles."""
    quoted = [_quote(name) for name in names_of(schema)]
    made = "".join(f"CREATE ROLE {name} NOLOGIN;\n" for name in quoted)
    return f"{made}GRANT {', '.join(quoted)} TO {_quote(login)};\n"


def login_of(url: str) -> str:
    """Return the name by which the database knows whoever connects so."""
    with _connected(url) as connection:
        row = connection.execute("SELECT session_user::text").fetchone()
    assert row is not None
    return str(row[0])


def standing(connection: Connection[Any], schema: str) -> Standing:
    """Compare the grants of a schema with the map, changing nothing."""
    known = {name for (name,) in connection.execute(_ROLES, (names_of(schema),))}
    rows = connection.execute(_OBJECTS, {"schema": schema}).fetchall()
    wanted = frozenset(_wanted(schema, rows))
    actual = frozenset(
        Grant(*row) for row in connection.execute(_ACTUAL, {"schema": schema})
    )
    ours = {*names_of(schema), PUBLIC}
    extra = actual - wanted
    return Standing(
        missing=wanted - actual,
        extra=frozenset(each for each in extra if each.grantee in ours),
        strange=frozenset(each for each in extra if each.grantee not in ours),
        undecided=frozenset(
            name
            for kind, name, plain in rows
            if kind in ("TABLE", "SEQUENCE") and plain not in MAY
        ),
        absent=tuple(name for name in names_of(schema) if name not in known),
    )


def _wanted(schema: str, objects: Collection[tuple[str, str, str]]) -> Iterator[Grant]:
    for role in DatabaseRole:
        grantee = name_of(schema, role)
        yield Grant("SCHEMA", schema, grantee, "USAGE")
        for kind, name, plain in objects:
            rights = (MAY_CALL if kind == "FUNCTION" else MAY).get(plain)
            for right in rights[role] if rights else ():
                yield Grant(kind, name, grantee, right)


def _changes(schema: str, found: Standing) -> Iterator[bytes]:
    for verb, grants, end in (
        ("REVOKE", found.extra, "FROM"),
        ("GRANT", found.missing, "TO"),
    ):
        together: dict[tuple[str, str, str], set[str]] = {}
        for each in grants:
            key = (each.kind, each.name, each.grantee)
            together.setdefault(key, set()).add(each.right)
        said = []
        for (kind, name, grantee), rights in sorted(together.items()):
            if kind == "COLUMN":
                table, _, column = name.rpartition(".")
                kind, name = "TABLE", table
                rights = {f"{right} ({column})" for right in rights}
            where = _quote(schema) + ("" if kind == "SCHEMA" else f".{name}")
            who = "PUBLIC" if grantee == PUBLIC else _quote(grantee)
            said.append(
                f"{verb} {', '.join(sorted(rights))} ON {kind} {where} {end} {who};"
            )
        if said:
            # Of names that the database itself has quoted, and of our own words.
            yield "\n".join(said).encode()


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


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_ROLES: LiteralString = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"

_OWNED: LiteralString = """
SELECT bool_and(pg_has_role(c.relowner, 'USAGE')) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p')
"""

# Kind, name as SQL says it, plain name.
_OBJECTS: LiteralString = """
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
    quote_ident(c.relname), c.relname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'FUNCTION', quote_ident(p.proname) || '('
    || pg_get_function_identity_arguments(p.oid) || ')', p.proname::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = %(schema)s AND p.prokind = 'f'
"""

# What anybody but the owner may. An object without a list has its kind's default one.
_ACTUAL: LiteralString = """
WITH here AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace
    WHERE nspname = %(schema)s),
listed AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
        quote_ident(c.relname) AS name, c.relowner AS owner, a.*
    FROM here JOIN pg_class c ON c.relnamespace = here.oid, aclexplode(c.relacl) a
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT 'COLUMN', quote_ident(c.relname) || '.' || quote_ident(t.attname),
        c.relowner, a.*
    FROM here JOIN pg_class c ON c.relnamespace = here.oid
        JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
    UNION ALL
    SELECT 'FUNCTION', quote_ident(p.proname) || '('
        || pg_get_function_identity_arguments(p.oid) || ')', p.proowner, a.*
    FROM here JOIN pg_proc p ON p.pronamespace = here.oid,
        aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) a
    UNION ALL
    SELECT 'SCHEMA', nspname::text, nspowner, a.*
    FROM here, aclexplode(nspacl) a
)
SELECT kind, name, COALESCE(r.rolname::text, 'public'), privilege_type
FROM listed LEFT JOIN pg_roles r ON r.oid = grantee WHERE grantee <> owner
"""
