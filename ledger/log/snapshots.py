"""Aggregates as they were after many events, so that a long story loads like a short.

A snapshot is a cache and never the truth: it is made of a stream that was just
replayed, proves nothing, is in no export, and may be deleted at any moment. It is only
as good as the code that made it, so each row names that code, and a row of other code
is not looked at. One that is damaged, or stands for an event that the log does not
have, is left aside, loudly, and the whole stream replayed.

What is packed comes back as it was, members of an `Enum` and tuples included.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import DictRow

from ledger.log.arrays import Uuids
from ledger.log.patience import patiently

# The longest tail that is replayed beside a snapshot, when nobody else comes along.
EVENTS_BETWEEN = 16

_log = logging.getLogger(__name__)

_WITH_SNAPSHOT = """
WITH kept AS (
    SELECT stream_id, version, state, sha256 FROM ledger_snapshots s
    WHERE stream_id = ANY(%(streams)s) AND code = %(code)s AND EXISTS (
        SELECT FROM ledger_events e
        WHERE e.originator_id = s.stream_id AND e.originator_version = s.version)
)
SELECT stream_id, version, NULL AS topic, state, sha256 FROM kept
UNION ALL
SELECT wanted, tail.version, tail.topic, tail.state, NULL
FROM unnest(%(streams)s) AS wanted, LATERAL (
    SELECT originator_version AS version, topic, state FROM ledger_events
    WHERE originator_id = wanted AND originator_version > COALESCE(
        (SELECT version FROM kept WHERE stream_id = wanted), 0)
) AS tail
ORDER BY stream_id, version
"""

_WHOLE = """
SELECT originator_version AS version, topic, state, NULL AS sha256 FROM ledger_events
WHERE originator_id = %(stream)s ORDER BY originator_version
"""

_PUT = """
INSERT INTO ledger_snapshots AS old (stream_id, version, code, state, sha256)
VALUES (%(stream)s, %(version)s, %(code)s, %(state)s, %(sha256)s)
ON CONFLICT (stream_id) DO UPDATE SET version = excluded.version,
    code = excluded.code, state = excluded.state, sha256 = excluded.sha256
WHERE old.code <> excluded.code OR old.version <= excluded.version
"""


class Unpackable(TypeError):
    """A state holds something that a snapshot cannot carry."""


class Snapshots:
    """The table `ledger_snapshots`, and streams read with its help."""

    def __init__(
        self,
        datastore: PostgresDatastore,
        *,
        code: bytes,
        event_of: Callable[[UUID, DictRow], Any],
    ) -> None:
        """`code` fingerprints the aggregates' code; `event_of` decodes a stored row,
        which has `version`, `topic` and `state`."""
        self._datastore = datastore
        self._code = code
        self._event_of = event_of

    def load(self, stream_ids: Collection[UUID]) -> dict[UUID, object]:
        """Return the aggregates of these streams as of their last events.

        Streams without events are not in it. One round trip gives all snapshots and
        what came after them. A load that had to replay many events keeps a snapshot
        for the next one.
        """
        wanted = Uuids(stream_ids)
        rows = self._rows(_WITH_SNAPSHOT, {"streams": wanted, "code": self._code})
        return {
            stream_id: self._aggregate(stream_id, list(its))
            for stream_id, its in groupby(rows, itemgetter("stream_id"))
        }

    def _aggregate(self, stream_id: UUID, rest: list[DictRow]) -> object:
        """Make an aggregate of a snapshot, if that comes first, and of events."""
        aggregate = None
        if rest[0]["topic"] is None:
            snapshot, *rest = rest
            aggregate = _restored(stream_id, snapshot)
            if aggregate is None:
                rest = self._rows(_WHOLE, {"stream": stream_id})
        for row in rest:
            aggregate = self._event_of(stream_id, row).mutate(aggregate)
        if aggregate is not None and len(rest) >= EVENTS_BETWEEN:
            self._keep(aggregate)
        return aggregate

    def _rows(self, query: str, values: Mapping[str, object]) -> list[DictRow]:
        def attempt() -> list[DictRow]:
            with self._datastore.get_connection() as connection:
                text = query.encode()
                return connection.execute(text, values, prepare=True).fetchall()

        return patiently(self._datastore, attempt)

    def _keep(self, aggregate: Any) -> None:
        try:
            state = pack((type(aggregate), vars(aggregate)))
        except Unpackable:
            _log.exception("no snapshot of %s: it cannot be packed", aggregate.id)
            return
        values = {
            "stream": aggregate.id,
            "version": aggregate.version,
            "code": self._code,
            "state": state,
            "sha256": hashlib.sha256(state).digest(),
        }
        self._put(values)

    def _put(self, values: Mapping[str, Any]) -> None:
        def attempt() -> None:
            with self._datastore.get_connection() as connection:
                connection.execute(_PUT, values)

        patiently(self._datastore, attempt)


def _restored(stream_id: UUID, row: Mapping[str, Any]) -> Any:
    """Return the aggregate of a snapshot; None, and a line in the log, if damaged."""
    state = bytes(row["state"])
    if hashlib.sha256(state).digest() != bytes(row["sha256"]):
        _log.error("the snapshot of %s is damaged; the stream is replayed", stream_id)
        return None
    kind, attributes = unpack(state)
    aggregate = object.__new__(kind)
    aggregate.__dict__.update(attributes)
    return aggregate


def code_fingerprint(*packages: ModuleType) -> bytes:
    """Return the SHA-256 over all source files of some packages."""
    digest = hashlib.sha256()
    for package in packages:
        for folder in map(Path, package.__path__):
            for path in sorted(folder.rglob("*.py")):
                name = path.relative_to(folder).as_posix()
                for part in (package.__name__, name, path.read_bytes()):
                    said = part.encode() if isinstance(part, str) else part
                    digest.update(len(said).to_bytes(8, "big") + said)
    return digest.digest()


# ---- values as JSON in which every object has one key, which says what it is.


def pack(value: object) -> bytes:
    """Return plain values, collections, dataclasses and enums as bytes.

    Raises `Unpackable`.
    """
    return json.dumps(_packed(value), separators=(",", ":")).encode()


def unpack(state: bytes) -> Any:
    """Return what was packed, equal to it in value and type."""
    return json.loads(state, object_hook=_unpacked)


def _packed(value: Any) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is list:
        return _each(value)
    if type(value) in _PACKED:
        tag, said = _PACKED[type(value)]
        return {tag: said(value)}
    if isinstance(value, type):
        return {"type": _name(value)}
    if isinstance(value, Enum):
        return {"enum": [_name(type(value)), value.name]}
    if is_dataclass(value):
        states = [_packed(getattr(value, field.name)) for field in fields(value)]
        return {"data": [_name(type(value)), states]}
    raise Unpackable(f"a snapshot cannot carry a {type(value).__qualname__}")


def _each(values: Any) -> list[Any]:
    return [_packed(value) for value in values]


def _pairs(values: Mapping[Any, Any]) -> list[Any]:
    return [[_packed(key), _packed(value)] for key, value in values.items()]


_PACKED: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    tuple: ("tuple", _each),
    set: ("set", _each),
    frozenset: ("frozenset", _each),
    dict: ("dict", _pairs),
    UUID: ("uuid", lambda value: value.hex),
    datetime: ("datetime", datetime.isoformat),
    bytes: ("bytes", bytes.hex),
}


def _data(said: Any) -> Any:
    kind = _class(said[0])
    made = object.__new__(kind)
    # What was valid when it was made is not judged again, nor computed anew.
    for field, value in zip(fields(kind), said[1], strict=True):
        object.__setattr__(made, field.name, value)
    return made


_UNPACKED: Mapping[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": lambda said: dict(map(tuple, said)),
    "uuid": lambda said: UUID(hex=said),
    "datetime": datetime.fromisoformat,
    "bytes": bytes.fromhex,
    "type": lambda said: _class(said),
    "enum": lambda said: _class(said[0])[said[1]],
    "data": _data,
}


def _unpacked(tagged: dict[str, Any]) -> Any:
    ((tag, said),) = tagged.items()
    return _UNPACKED[tag](said)


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _class(name: str) -> Any:
    """Find a class among those that were imported; nothing is imported for a name."""
    module, _, path = name.partition(":")
    found: Any = sys.modules[module]
    for part in path.split("."):
        found = getattr(found, part)
    return found
