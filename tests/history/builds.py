"""Broken ledgers: each lacks one thing that keeps histories whole, and must be found.

A build names the rules of the checker of which one has to speak; which of them does is
a matter of who was first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import LiteralString

from tests.history import breaking
from tests.history.breaking import Put
from tests.history.doings import Habits

SEEING = Habits()
BLIND = Habits(sees_views=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What is broken, what of the checker's rules tells, and what clients it takes."""

    name: str
    says: str
    rules: Sequence[str]
    patch: Callable[[Put], None] | None = None
    sql: Sequence[LiteralString] = ()
    cut_share: float = 0.0
    habits: Habits = BLIND
    follows: bool = True
    clients: int = 2


BUILDS: Mapping[str, Build] = {
    each.name: each
    for each in (
        Build(
            name="versions-unchecked",
            says="who comes second is put behind the first, and not refused",
            rules=("log",),
            patch=breaking.versions_unchecked,
            clients=3,
        ),
        Build(
            name="lost-write",
            says="a command is acknowledged and not recorded",
            rules=("lost",),
            patch=breaking.lost_write,
        ),
        Build(
            name="told-before-commit",
            says="a command is acknowledged before its commit",
            rules=("lost", "place", "stale", "order"),
            patch=breaking.told_before_commit,
        ),
        Build(
            name="one-commit-an-event",
            says="the events of one append are committed one by one",
            rules=("twice",),
            patch=breaking.one_commit_an_event,
        ),
        Build(
            name="stale-read",
            says="a ticket is read as it was a while ago",
            rules=("stale",),
            patch=breaking.stale_read,
        ),
        Build(
            name="wait-for-nothing",
            says="a view is read before it has come as far as was asked",
            rules=("stale",),
            patch=breaking.wait_for_nothing,
            habits=SEEING,
            follows=False,
        ),
        Build(
            name="first-owner",
            says="the chain of title ends with its first owner",
            rules=("stale",),
            patch=breaking.first_owner,
            habits=SEEING,
        ),
        Build(
            name="refused-too-late",
            says="a command is refused after its commit",
            rules=("ghost",),
            patch=breaking.refused_too_late,
        ),
        Build(
            name="dispensed-again",
            says="a ticket that is on paper is dispensed a second time",
            rules=("log",),
            patch=breaking.dispensed_again,
            habits=replace(BLIND, machines_share=0.95),
        ),
        Build(
            name="taken-by-anybody",
            says="a gift is taken by whom it was not offered to",
            rules=("log",),
            patch=breaking.taken_by_anybody,
            habits=replace(BLIND, strangers_share=0.6, machines_share=0.0),
        ),
        Build(
            name="a-cent-more",
            says="the postings of an entry sum to a cent",
            rules=("log",),
            patch=breaking.a_cent_more,
        ),
        Build(
            name="bottomless",
            says="a purse pays what is not in it",
            rules=("log",),
            patch=breaking.bottomless,
        ),
        Build(
            name="oversold",
            says="an allotment sells places that are taken",
            rules=("log",),
            patch=breaking.oversold,
        ),
        Build(
            name="keys-forgotten",
            says="a command that is asked again is carried out again",
            rules=("twice",),
            sql=breaking.KEYS_FORGOTTEN,
            cut_share=0.2,
        ),
        Build(
            name="position-skipped",
            says="the sequencer leaves a position out",
            rules=("log",),
            sql=breaking.POSITION_SKIPPED,
        ),
        Build(
            name="two-sequencers",
            says="two sequencers work at once, and no key stops them",
            rules=("log",),
            sql=breaking.NO_LOCK,
            clients=3,
        ),
        Build(
            name="last-first",
            says="the sequencer places what waits from the last to the first",
            rules=("log",),
            sql=breaking.LAST_FIRST,
        ),
    )
}
