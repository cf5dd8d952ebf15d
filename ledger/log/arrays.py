"""Columns of many rows as PostgreSQL arrays in binary form, made in one go.

psycopg's own dumper looks at every element twice and calls a dumper for each, which
took longer than the server needs to store the rows. The form is that of `array_send`
in PostgreSQL's src/backend/utils/adt/arrayfuncs.c: number of dimensions, has-null flag,
element type; size and lower bound of the dimension; then length and bytes of each.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_LENGTH = struct.Struct("!i").pack
_BIGINT = struct.Struct("!iq").pack

_oid = psycopg.adapters.types


class Column:
    """One column; `element` and `array` are the types' names in PostgreSQL."""

    element: ClassVar[str]

    def __init__(self, count: int, elements: Iterable[bytes]) -> None:
        """`elements` are in binary form, each with its length before it."""
        info = _oid[self.element]
        dimensions = _HEADER.pack(1, 0, info.oid, count, 1)
        self.raw = b"".join((dimensions, *elements))


class Uuids(Column):
    element = "uuid"

    def __init__(self, values: Collection[UUID]) -> None:
        length = _LENGTH(16)
        super().__init__(len(values), (length + each.bytes for each in values))


class Bigints(Column):
    element = "int8"

    def __init__(self, values: list[int]) -> None:
        super().__init__(len(values), (_BIGINT(8, each) for each in values))


class Texts(Column):
    element = "text"

    def __init__(self, values: list[str]) -> None:
        made = {each: _sized(each.encode()) for each in set(values)}
        super().__init__(len(values), (made[each] for each in values))


class Byteas(Column):
    element = "bytea"

    def __init__(self, values: list[bytes]) -> None:
        super().__init__(len(values), map(_sized, values))


def _sized(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


def _register(kind: type[Column]) -> None:
    class ColumnDumper(Dumper):
        format = Format.BINARY
        oid = _oid[kind.element].array_oid

        def dump(self, obj: Any) -> Buffer | None:
            raw: bytes = obj.raw
            return raw

    psycopg.adapters.register_dumper(kind, ColumnDumper)


for _kind in (Uuids, Bigints, Texts, Byteas):
    _register(_kind)
