"""The checks speak when something is wrong: forgeries are named, an honest log is not.

Broken builds under real kills are for `make kills`; here it is the checks alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from ledger.log.merkle import Tree, leaf_hash
from tests.kills.checks import Event, Evidence, Memory, of_log
from tests.kills.journal import Asked, Journal, Outcome, read

ONE, TWO = UUID(int=1), UUID(int=2)


def event(position: int, stream: UUID, version: int, key: str) -> Event:
    its = leaf_hash(f"{stream}/{version}".encode())
    return Event(stream, version, key, its, position, its)


def honest() -> Evidence:
    """A pair, then an entry; a command that was refused."""
    events = [event(1, ONE, 1, "a"), event(2, ONE, 2, "a"), event(3, TWO, 1, "b")]
    tree, checkpoints = Tree(), {}
    for each in events:
        tree.append(each.leaf_hash)
        checkpoints[each.position or 0] = tree.root()
    return Evidence(
        events=events,
        commands={"a": (ONE, 2), "b": (TWO, 1)},
        positions=[1, 2, 3],
        size=3,
        waiting=0,
        stopped=[],
        checkpoints=checkpoints,
        asked={
            "a": Asked("a", {"kind": "pair"}, Outcome.DONE),
            "b": Asked("b", {"kind": "entry"}, Outcome.DONE),
            "c": Asked("c", {"kind": "entry"}, Outcome.REFUSED),
        },
        seen=[(1, ONE, 1), (2, ONE, 2), (3, TWO, 1)],
    )


def told(key: str, outcome: Outcome) -> Callable[[Evidence], Evidence]:
    asked = Asked(key, {"kind": "entry"}, outcome)
    return lambda its: replace(its, asked={**its.asked, key: asked})


def with_events(
    change: Callable[[list[Event]], list[Event]],
) -> Callable[..., Evidence]:
    return lambda its: replace(its, events=change(its.events))


FORGERIES: dict[str, Callable[[Evidence], Evidence]] = {
    "lost": told("d", Outcome.DONE),
    "unknown": told("d", Outcome.UNKNOWN),
    "made up": told("b", Outcome.REFUSED),
    "torn": with_events(lambda events: events[1:]),
    "doubled": with_events(lambda its: [*its, event(4, UUID(int=3), 1, "b")]),
    "apart": with_events(
        lambda its: [its[0], replace(its[2], position=2), replace(its[1], position=3)]
    ),
    "command": lambda its: replace(its, commands={"a": (ONE, 2)}),
    "gap": lambda its: replace(its, positions=[1, 2, 4]),
    "head": lambda its: replace(its, size=2),
    "inbox": lambda its: replace(its, waiting=1),
    "stopped": lambda its: replace(its, stopped=["A witness leads."]),
    "skipped": with_events(lambda its: [*its[:2], replace(its[2], position=None)]),
    "order": with_events(lambda its: [replace(its[0], version=2), *its[1:]]),
    "behind": lambda its: replace(its, checkpoints={1: its.checkpoints[1]}),
    "leaf": with_events(lambda its: [replace(its[0], kept_hash=bytes(32)), *its[1:]]),
    "forked": with_events(lambda its: [replace(its[0], leaf_hash=bytes(32)), *its[1:]]),
    "forgotten": lambda its: replace(its, checkpoints={3: its.checkpoints[3]}),
    "reader": lambda its: replace(its, seen=its.seen[1:]),
}


def test_of_an_honest_log_they_say_nothing():
    assert of_log(honest(), Memory()) == []


@pytest.mark.parametrize("sort", FORGERIES)
def test_each_forgery_is_named(sort):
    memory = Memory()
    assert of_log(honest(), memory) == []
    said = of_log(FORGERIES[sort](honest()), memory)
    assert sort in {sentence.partition(":")[0] for sentence in said}


def test_a_journal_that_was_cut_within_a_line_is_read_and_gone_on_with(tmp_path):
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.ask("a", {"kind": "entry"})
        journal.ask_again("a")
        journal.tell("a", Outcome.DONE)
        journal.ask("b", {"kind": "entry"})
    with path.open("ab") as cut:
        cut.write(b'{"key": "b", "outc')
    assert read(path)["b"].outcome == Outcome.UNKNOWN
    with Journal(path) as journal:
        journal.tell("b", Outcome.REFUSED)
    found = read(path)
    assert (found["a"].outcome, found["a"].again) == (Outcome.DONE, True)
    assert found["b"].outcome == Outcome.REFUSED
