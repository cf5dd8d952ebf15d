"""May the roles do what they should, and nothing else? Does the owner meet triggers?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier

from ledger.adapters.roles import CONNECT_TIMEOUT_S, Standing, names_of, standing
from ledger.operation.doctor.findings import Finding, Patient, fail, ok, warn

CHECK = "grants"
APPEND_ONLY = (
    "ledger_events",
    "ledger_log",
    "ledger_commands",
    "ledger_tiles",
    "ledger_checkpoints",
    "ledger_cosignatures",
    "ledger_resumptions",
)
SHOWN_MAX = 3
MEND = "Run `ledgerctl roles`, and find out who changed the grants."
RESTORE_TRIGGER = (
    "Find out who took it away; put it back as migrations/ has it, and verify the log."
)
_TRUNCATE = 1 << 5
_BEFORE = 1 << 1

_TRIGGERED = """
SELECT c.relname::text FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relnamespace = %s::regnamespace AND p.proname = 'refuse_rewrite'
    AND t.tgenabled IN ('O', 'A') AND t.tgtype & %s = %s
"""
_COLUMNS = """
SELECT c.relname::text, a.attname::text FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
WHERE c.relnamespace = %s::regnamespace AND c.relname = ANY(%s) ORDER BY 1
"""
_TRIED: Mapping[str, LiteralString] = {
    "UPDATE": "UPDATE {0} SET {1} = {1} WHERE false",
    "DELETE": "DELETE FROM {0} WHERE false",
}
_UNSAFE = """
SELECT proname::text FROM pg_proc
WHERE pronamespace = %s::regnamespace AND prosecdef
    AND NOT COALESCE(proconfig, '{}') @> ARRAY[%s]
ORDER BY 1
"""
_POWERS = """
SELECT rolname::text FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolcanlogin
    OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
UNION
SELECT r.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
WHERE r.rolname = ANY(%s)
"""
_LOGIN = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user"


def examine(patient: Patient) -> Iterator[Finding]:
    """Compare grants with the map, and try what the owner is refused."""
    schema = patient.settings.schema
    with psycopg.connect(patient.url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        found = [*_compared(standing(connection, schema)), *_powers(patient)]
        found += _triggers(patient, connection)
    found += _functions(patient)
    yield from found
    if not found:
        names = len(names_of(schema))
        yield ok(CHECK, f"{names} roles may what they should, and the owner no rewrite")
    ((superuser,),) = patient.ask(_LOGIN)
    if superuser and patient.settings.database_url is not None:
        said = "the login is a superuser, whom no grant and no trigger holds back"
        yield warn(
            CHECK, said, "Give the ledger a login of its own: docs/operations.md"
        )


def _compared(found: Standing) -> Iterator[Finding]:
    if found.absent:
        said = f"there is no role {', '.join(found.absent)}"
        yield fail(CHECK, said, "Run `ledgerctl roles`.")
    for said, grants in (
        ("not granted", sorted(found.missing)),
        ("granted, and should not be", sorted(found.extra)),
    ):
        if grants and not found.absent:
            yield fail(CHECK, f"{said}: {_few(map(str, grants))}", MEND)
    if found.undecided:
        said = f"nothing is decided about {_few(sorted(found.undecided))}"
        yield fail(CHECK, said, "Run the ledgerctl of the version that migrated last.")
    if found.strange:
        reading = all(each.right in ("SELECT", "USAGE") for each in found.strange)
        said = f"others are let in: {_few(map(str, sorted(found.strange)))}"
        do = "Revoke it, unless somebody may answer for it."
        yield warn(CHECK, said, do) if reading else fail(CHECK, said, do)


def _powers(patient: Patient) -> Iterator[Finding]:
    names = names_of(patient.settings.schema)
    if rows := patient.ask(_POWERS, names, names):
        said = f"may more than their grants say: {_few(name for (name,) in rows)}"
        do = "Take the attributes and memberships from them: they need none."
        yield fail(CHECK, said, do)


def _triggers(
    patient: Patient, connection: Connection[tuple[object, ...]]
) -> Iterator[Finding]:
    """Try what a trigger refuses even where no row is touched.

    TRUNCATE is only looked up: to try it would be to wait for every reader.
    """
    schema = patient.settings.schema
    wanted = _TRUNCATE | _BEFORE
    held = {name for (name,) in patient.ask(_TRIGGERED, schema, wanted, wanted)}
    for table, column in patient.ask(_COLUMNS, schema, list(APPEND_ONLY)):
        may = [] if table in held else ["TRUNCATE"]
        for verb, text in _TRIED.items():
            names = Identifier(schema, table), Identifier(column)
            if not _is_refused(connection, SQL(text).format(*names)):
                may.append(verb)
        if may:
            said = f"the owner may {' and '.join(may)} {table}: its trigger is gone"
            yield fail(CHECK, said, RESTORE_TRIGGER)


def _is_refused(
    connection: Connection[tuple[object, ...]], statement: Composed
) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def _functions(patient: Patient) -> Iterator[Finding]:
    schema = patient.settings.schema
    rows = patient.ask(_UNSAFE, schema, f"search_path={schema}, pg_temp")
    if rows:
        said = f"run as the owner on a path of the caller's: {_few(n for (n,) in rows)}"
        yield fail(CHECK, said, "Set their search_path as the migrations have it.")


def _few(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - SHOWN_MAX} more" if len(shown) > SHOWN_MAX else ""
    return ", ".join(shown[:SHOWN_MAX]) + more
