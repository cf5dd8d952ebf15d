"""What must be so after every kill, however it went: each that is not is a sentence.

All is derived from the tables and the journals alone; of the log's own code only the
format of a leaf, the rules of the tree (RFC 6962) and the rebuilding of views are used.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from ledger.application import Ledger
from ledger.log.leaf import leaf
from ledger.log.merkle import Tree, leaf_hash
from ledger.projections.registry import NAMES
from ledger.projections.runner import Runner
from tests.databases import Database
from tests.kills.journal import Asked, Outcome
from tests.kills.reader import Seen
from tests.projections.following import contents

_EVENTS = """
SELECT e.originator_id, e.originator_version, e.topic, e.state, l.position, l.leaf_hash
FROM ledger_events e
LEFT JOIN ledger_log l USING (originator_id, originator_version)
ORDER BY l.position
"""


@dataclass(frozen=True, slots=True)
class Event:
    """One stored event, its command, and its place if it has one."""

    stream: UUID
    version: int
    key: str | None
    leaf_hash: bytes
    """Derived anew from what is stored."""

    position: int | None
    kept_hash: bytes | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The log as it is, and what the clients remember."""

    events: list[Event]
    commands: dict[str, tuple[UUID, int]]
    """By key: the last event that each recorded."""

    positions: list[int]
    size: int
    waiting: int
    """Appends in the inbox."""

    stopped: list[str]
    checkpoints: dict[int, bytes]
    asked: Mapping[str, Asked]
    seen: list[Seen]
    """By a reader that followed the log."""


@dataclass(slots=True)
class Memory:
    """What somebody outside has seen of the log, as a witness would."""

    checkpoints: dict[int, bytes] = field(default_factory=dict)


def gather(
    database: Database,
    ledger: Ledger,
    journals: Mapping[str, Mapping[str, Asked]],
    seen: list[Seen],
) -> Evidence:
    """Read all tables at one moment."""
    decode = ledger.mapper.transcoder.decode
    with psycopg.connect(database.url, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

        def rows(query: str) -> list[dict[str, Any]]:
            return connection.execute(query.encode()).fetchall()

        return Evidence(
            events=[_event(decode(row["state"]), row) for row in rows(_EVENTS)],
            commands={
                row["key"]: (row["originator_id"], row["originator_version"])
                for row in rows("SELECT * FROM ledger_commands")
            },
            positions=[
                row["position"]
                for row in rows("SELECT position FROM ledger_log ORDER BY position")
            ],
            size=rows("SELECT size FROM ledger_head")[0]["size"],
            waiting=rows("SELECT count(*) AS n FROM ledger_inbox")[0]["n"],
            stopped=[row["why"] for row in rows("SELECT why FROM ledger_stop")],
            checkpoints={
                row["size"]: row["root"]
                for row in rows("SELECT size, root FROM ledger_checkpoints")
            },
            asked={
                key: each for some in journals.values() for key, each in some.items()
            },
            seen=seen,
        )


def _event(state: Mapping[str, Any], row: Mapping[str, Any]) -> Event:
    derived = leaf(
        originator_id=row["originator_id"],
        version=row["originator_version"],
        topic=row["topic"],
        state=row["state"],
    )
    return Event(
        stream=row["originator_id"],
        version=row["originator_version"],
        key=(state.get("cause") or {}).get("command"),
        leaf_hash=leaf_hash(derived),
        position=row["position"],
        kept_hash=row["leaf_hash"],
    )


def of_log(evidence: Evidence, memory: Memory) -> list[str]:
    """Return what is wrong with the log; `memory` takes its checkpoints in."""
    return [
        *_of_commands(evidence),
        *_of_order(evidence),
        *_of_tree(evidence, memory),
        *_of_reader(evidence),
    ]


def _of_commands(evidence: Evidence) -> Iterator[str]:
    """Acknowledged: once, whole, together. Refused: not at all. Unknown: none left."""
    by_key: dict[str, list[Event]] = defaultdict(list)
    for event in evidence.events:
        if event.key is not None:
            by_key[event.key].append(event)
    for key, asked in evidence.asked.items():
        found = by_key[key]
        if asked.outcome == Outcome.UNKNOWN:
            yield f"unknown: nobody was told what came of {key}"
        if asked.outcome == Outcome.DONE and not found:
            yield f"lost: {key} was acknowledged and is not in the log"
        if asked.outcome == Outcome.REFUSED and found:
            yield f"made up: {key} was refused and is in the log"
        if len(found) > asked.events:
            yield f"doubled: {key} stands for {asked.events} events, not {len(found)}"
        if 0 < len(found) < asked.events:
            yield f"torn: of {key} only {len(found)} events are there"
        yield from _of_command(evidence, key, found)
    for key in by_key.keys() - evidence.asked.keys():
        yield f"made up: nobody asked for {key}"


def _of_command(evidence: Evidence, key: str, found: list[Event]) -> Iterator[str]:
    last = evidence.commands.get(key)
    if bool(found) != (last is not None):
        yield f"command: the log has {len(found)} events of {key}, and {last} of its id"
    if found and last not in {(each.stream, each.version) for each in found}:
        yield f"command: {key} is said to have recorded {last}"
    places = sorted(each.position for each in found if each.position is not None)
    if places and places[-1] - places[0] != len(places) - 1:
        yield f"apart: the events of {key} stand at {places}"


def _of_order(evidence: Evidence) -> Iterator[str]:
    """Positions 1, 2, 3 … to the head's size; every event has one; streams in order."""
    if evidence.positions != list(range(1, len(evidence.positions) + 1)):
        yield "gap: the positions are not 1, 2, 3 …"
    if evidence.size != len(evidence.positions):
        yield f"head: it says {evidence.size}, there are {len(evidence.positions)}"
    if evidence.waiting:
        yield f"inbox: {evidence.waiting} appends wait though all is quiet"
    for why in evidence.stopped:
        yield f"stopped: {why}"
    newest: Counter[UUID] = Counter()
    for event in evidence.events:
        if event.position is None:
            yield f"skipped: {event.stream}/{event.version} has no position"
            continue
        before = newest[event.stream]
        if event.version != before + 1:
            yield f"order: {event.stream}/{event.version} follows version {before}"
        newest[event.stream] = event.version


def _of_reader(evidence: Evidence) -> Iterator[str]:
    """It has seen every event once, in the order of the log."""
    log = [
        (event.position, event.stream, event.version)
        for event in evidence.events
        if event.position is not None
    ]
    for ours, its in zip_longest(log, evidence.seen):
        if ours != its:
            yield f"reader: it saw {its} where the log has {ours}"
            return


def _of_tree(evidence: Evidence, memory: Memory) -> Iterator[str]:
    """Every root ever signed is that of the events, hashed anew, up to its size."""
    if evidence.size and evidence.size not in evidence.checkpoints:
        yield f"behind: no checkpoint says {evidence.size}"
    for size, root in memory.checkpoints.items():
        if evidence.checkpoints.get(size) != root:
            yield f"forgotten: the checkpoint of {size} is not there any more"
    memory.checkpoints.update(evidence.checkpoints)
    tree, roots = Tree(), {0: Tree().root()}
    for event in evidence.events:
        if event.position is None:
            continue
        if event.kept_hash != event.leaf_hash:
            yield f"leaf: position {event.position} has another event's hash"
        tree.append(event.leaf_hash)
        roots[event.position] = tree.root()
    for size, root in memory.checkpoints.items():
        if roots.get(size) != root:
            yield f"forked: the checkpoint of {size} is not that of these events"


def of_views(database: Database, ledger: Ledger) -> list[str]:
    """Return which views differ from those that are rebuilt; they are rebuilt now."""
    followed = contents(database, ledger)
    for name in NAMES:
        Runner(ledger).rebuild(name)
    rebuilt = contents(database, ledger)
    return [
        f"view: {name} is not what a rebuild makes of the log"
        for name in rebuilt
        if followed[name] != rebuilt[name]
    ]
