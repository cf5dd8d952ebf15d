"""Did all clients see one strictly serialisable history? Read off the log, in one walk.

The log is a total order, so there is nothing to search: a command's place is where it
stands, and a read's place is the first at which its answer is true. Then whatever ended
before something else began must stand before it.

    floor   the furthest place of all that has ended: nothing that begins now may
            stand at or before a write of it, and no read may be answered from before

A view may be behind, though never behind what a reader asked for at least, nor behind
what the same reader saw in it before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.history.log import Commit, Log
from tests.history.model import Event, hexa
from tests.history.operations import NOTHING, Operation, Outcome

EFFECTS = {
    "credit": "entry.made",
    "transfer": "entry.made",
    "issue": "e-ticket.issued",
    "reserve": "order.reserved",
    "pay": "order.confirmed",
    "release": "order.released",
    "offer": "e-ticket.gift-offered",
    "accept": "e-ticket.gift-accepted",
    "decline": "e-ticket.gift-declined",
    "withdraw": "e-ticket.gift-withdrawn",
    "list": "e-ticket.listed",
    "unlist": "e-ticket.unlisted",
    "buy": "e-ticket.resold",
    "load": "medium.write-prepared",
    "settle": "medium.written",
    "lease": "e-ticket.dispense-started",
    "mark": "e-ticket.print-authorised",
    "print": "e-ticket.dispensed",
    "abort": "e-ticket.dispense-aborted",
    "use": "e-ticket.redemption-started",
    "redeem": "e-ticket.coupon-redeemed",
    "give_up": "e-ticket.redemption-released",
}
"""What each command records, exactly once."""

DONE_BY = {"give_up": "e-ticket.coupon-redeemed"}
"""What a command finds there that has come too late, if it is not its own effect."""

STRICT = ("owner", "purse", "head")
"""Reads of the streams themselves; all others are of views."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """`rule` is a stable name; `says` the story of one case."""

    rule: str
    says: str


def check(
    log: Log, operations: Sequence[Operation], *, since: int = 0
) -> list[Anomaly]:
    """Return all that no honest ledger could have told; `since` clients were at work.

    What stands up to position `since` was there before them.
    """
    found = [Anomaly("log", sentence) for sentence in log.wrong]
    found += [
        Anomaly("fault", f"{each.kind} {each.key} failed: {each.answer['fault']}")
        for each in operations
        if "fault" in each.answer
    ]
    found += _effects(log, operations, since)
    found += _one_order(log, operations)
    return found


def _effects(
    log: Log, operations: Sequence[Operation], since: int
) -> Iterator[Anomaly]:
    """What was answered stands in the log, once; what was refused does not."""
    asked = set()
    for each in operations:
        if each.kind not in EFFECTS:
            continue
        asked.add(each.key)
        commits = log.by_key.get(each.key, ())
        told = f"{each.kind} {each.key}"
        if each.outcome == Outcome.REFUSED and commits:
            yield Anomaly(
                "ghost", f"{told} was refused and stands at {commits[0].last}"
            )
        if each.outcome == Outcome.OK and not (commits or _was_done(log, each)):
            yield Anomaly("lost", f"{told} was acknowledged and stands nowhere")
        if len(commits) > 1:
            yield Anomaly("twice", f"{told} stands in {len(commits)} places")
        for commit in commits[:1]:
            if each.answer.get("position") != NOTHING:
                yield from _as_asked(each, commit)
    for commit in log.commits:
        if commit.last > since and commit.key not in asked:
            yield Anomaly("nobody", f"nobody asked for what stands at {commit.last}")


def _was_done(log: Log, asked: Operation) -> bool:
    """Whether there was nothing to do: somebody has done just that."""
    done = DONE_BY.get(asked.kind, EFFECTS[asked.kind])
    return asked.answer["position"] == NOTHING or any(
        each.topic == done and not any(_differs(asked, each))
        for each in log.streams.get(asked.said.get("stream", ""), ())
    )


def _as_asked(asked: Operation, commit: Commit) -> Iterator[Anomaly]:
    """The command has its one effect, with what was said, where it was told."""
    told = f"{asked.kind} {asked.key} at {commit.last}"
    effects = [each for each in commit.events if each.topic == EFFECTS[asked.kind]]
    if len(effects) != 1:
        yield Anomaly("twice", f"{told} has its effect {len(effects)} times")
    for effect in effects:
        for wrong in _differs(asked, effect):
            yield Anomaly("other", f"{told}: {wrong}")
    if "entry" in asked.said and (posted := _posted(commit)) != asked.said["entry"]:
        yield Anomaly("other", f"{told} posted {posted}")
    # Who asks again may be told of the log as it is, and not of his command's place.
    again = asked.answer.get("again", True)
    if not again and asked.answer["position"] != commit.last:
        yield Anomaly("place", f"{told} was told {asked.answer['position']}")


def _differs(asked: Operation, effect: Event) -> Iterator[str]:
    if asked.said.get("stream", effect.stream) != effect.stream:
        yield f"its effect is on {effect.stream}"
    for name, value in asked.said.items():
        if name in effect.state and hexa(effect.state[name]) != str(value):
            yield f"{name} is {effect.state[name]}"


def _posted(commit: Commit) -> dict[str, int]:
    posted: Counter[str] = Counter()
    for each in commit.events:
        if each.topic == "account.posted":
            posted[each.stream] += each.state["amount_minor"]
    return dict(posted)


def _one_order(log: Log, operations: Sequence[Operation]) -> Iterator[Anomaly]:
    """Give everything its place and walk through time: nobody looks back."""
    numbers = range(len(operations))
    ends = sorted(numbers, key=[each.ended_ns for each in operations].__getitem__)
    begins = sorted(numbers, key=[each.begun_ns for each in operations].__getitem__)
    begun_ns = {
        commits[0].number: each.begun_ns
        for each in operations
        if each.kind in EFFECTS and (commits := log.by_key.get(each.key))
    }
    places, seen = [0] * len(operations), Counter[tuple[str, str]]()
    floor = ended = 0
    for number in begins:
        now = operations[number]
        while operations[ends[ended]].ended_ns < now.begun_ns:
            floor = max(floor, places[ends[ended]])
            ended += 1
        if now.kind in EFFECTS:
            if commits := log.by_key.get(now.key):
                places[number] = place = commits[0].number
                if place <= floor:
                    yield Anomaly("order", _back(now, log, place, floor))
        elif now.outcome == Outcome.OK:
            view = now.client, now.kind
            asked = log.holding(now.said.get("at_least", 0))
            least = floor if now.kind in STRICT else max(asked, seen[view])
            found = _place(log, now, least)
            if found is None or begun_ns.get(found, 0) > now.ended_ns:
                told = f"{now.kind} {now.key} answered {now.answer}"
                known = found is None and _place(log, now, 0) is not None
                says = f"{told}, which was so before commit {least}"
                yield (
                    Anomaly("stale", says)
                    if known
                    else Anomaly("never", f"{told}, which was not so by then")
                )
                continue
            seen[view] = max(seen[view], found)
            # A view is behind: what it shows is in the log, and that is all it tells.
            places[number] = found if now.kind in STRICT else _since(log, now, found)


def _place(log: Log, read: Operation, least: int) -> int | None:
    """Return the first commit from `least` on after which the answer is true."""
    value = read.answer["value"]
    if read.kind in ("head", "wait"):
        place = log.holding(value)
        if value < read.said.get("at_least", 0) or place > len(log.commits):
            return None
        if read.kind == "head" and log.end_of(place) != value:
            return None
        return place if place >= least else None
    changes = log.things.get((read.kind, read.said["of"]))
    if changes is None:
        return least if value is None else None
    value = tuple(value) if isinstance(value, list) else value
    index = bisect_right(changes.since, least) - 1
    for at in range(index, len(changes.since)):
        if changes.values[at] == value:
            return max(least, changes.since[at])
    return None


def _since(log: Log, read: Operation, place: int) -> int:
    """Return the commit that made a view's answer true."""
    if read.kind == "wait":
        return place
    changes = log.things.get((read.kind, read.said["of"]))
    if changes is None:
        return 0
    return changes.since[bisect_right(changes.since, place) - 1]


def _back(asked: Operation, log: Log, place: int, floor: int) -> str:
    return (
        f"{asked.kind} {asked.key} stands at {log.end_of(place)}, but when it began"
        f" somebody had been answered from {log.end_of(floor)}"
    )
