"""The rights that a schema's objects have, held against those that they should have."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Connection

from ledger.adapters.roles.rights import (
    MAY,
    MAY_CALL,
    DatabaseRole,
    name_of,
    names_of,
)

PUBLIC = "public"


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


def changes(schema: str, found: Standing) -> Iterator[bytes]:
    """Yield the statements that bring the rights to what they should be."""
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
            where = quoted(schema) + ("" if kind == "SCHEMA" else f".{name}")
            who = "PUBLIC" if grantee == PUBLIC else quoted(grantee)
            said.append(
                f"{verb} {', '.join(sorted(rights))} ON {kind} {where} {end} {who};"
            )
        if said:
            # Of names that the database itself has quoted, and of our own words.
            yield "\n".join(said).encode()


def _wanted(schema: str, objects: Collection[tuple[str, str, str]]) -> Iterator[Grant]:
    for role in DatabaseRole:
        grantee = name_of(schema, role)
        yield Grant("SCHEMA", schema, grantee, "USAGE")
        for kind, name, plain in objects:
            rights = (MAY_CALL if kind == "FUNCTION" else MAY).get(plain)
            for right in rights[role] if rights else ():
                yield Grant(kind, name, grantee, right)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_ROLES: LiteralString = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"

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
