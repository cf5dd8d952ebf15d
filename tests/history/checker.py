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
        if len(commits) == 1 and each.outcome != Outcome.REFUSED:
            if each.answer.get("position") != NOTHING:
                yield from _as_asked(each, commits[0])
        elif len(commits) > 1:
            yield Anomaly("twice", f"{_told(each)} stands in {len(commits)} places")
        elif commits:
            says = f"{_told(each)} was refused and stands at {commits[0].last}"
            yield Anomaly("ghost", says)
        elif each.outcome == Outcome.OK and not _was_done(log, each):
            yield Anomaly("lost", f"{_told(each)} was acknowledged and stands nowhere")
    for commit in log.commits:
        if commit.key not in asked and commit.last > since:
            yield Anomaly("nobody", f"nobody asked for what stands at {commit.last}")


def _was_done(log: Log, asked: Operation) -> bool:
    """Whether there was nothing to do: somebody has done just that."""
    done = DONE_BY.get(asked.kind, EFFECTS[asked.kind])
    return asked.answer["position"] == NOTHING or any(
        each.topic == done
        and each.position <= asked.answer["position"]
        and not _differs(asked, each)
        for each in log.streams.get(asked.said.get("stream", ""), ())
    )


def _as_asked(asked: Operation, commit: Commit) -> Iterator[Anomaly]:
    """The command has its one effect, with what was said, where it was told."""
    topic, said, effects = EFFECTS[asked.kind], asked.said, 0
    for event in commit.events:
        if event.topic == topic:
            effects += 1
            for wrong in _differs(asked, event):
                yield Anomaly("other", f"{_told(asked)} at {commit.last}: {wrong}")
    if effects != 1:
        yield Anomaly(
            "twice", f"{_told(asked)} at {commit.last} did it {effects} times"
        )
    if "entry" in said and (posted := _posted(commit)) != said["entry"]:
        yield Anomaly("other", f"{_told(asked)} at {commit.last} posted {posted}")
    # Who asks again may be told of the log as it is, but of no time before his command.
    again, told = asked.answer.get("again"), asked.answer.get("position", commit.last)
    if told < commit.last or (told > commit.last and not again):
        yield Anomaly("place", f"{_told(asked)} at {commit.last} was told {told}")


def _differs(asked: Operation, effect: Event) -> list[str]:
    """Return how an effect is not what was asked for."""
    state, differing = effect.state, []
    for name, value in asked.said.items():
        if name == "stream":
            if value != effect.stream:
                differing.append(f"its effect is on {effect.stream}")
        elif name in state and hexa(state[name]) != value:
            differing.append(f"{name} is {state[name]}")
    return differing


def _told(asked: Operation) -> str:
    return f"{asked.kind} {asked.key}"


def _posted(commit: Commit) -> dict[str, int]:
    posted: Counter[str] = Counter()
    for each in commit.events:
        if each.topic == "account.posted":
            posted[each.stream] += each.state["amount_minor"]
    return dict(posted)


def _one_order(log: Log, operations: Sequence[Operation]) -> Iterator[Anomaly]:
    """Give everything its place and walk through time: nobody looks back."""
    numbers = range(len(operations))
    begun = [each.begun_ns for each in operations]
    ended = [each.ended_ns for each in operations]
    first = {key: commits[0].number for key, commits in log.by_key.items()}
    places = [first.get(each.key, 0) for each in operations]
    # When who made a commit had begun: before that, nobody can have seen it.
    since = [0] * (len(log.commits) + 2)
    for place, begun_ns in zip(places, begun, strict=True):
        since[place] = begun_ns
    since[0] = 0
    seen: Counter[tuple[str, str]] = Counter()
    ends = iter(sorted(numbers, key=ended.__getitem__))
    next_end, floor = next(ends, None), 0
    for number in sorted(numbers, key=begun.__getitem__):
        while next_end is not None and ended[next_end] < begun[number]:
            floor = max(floor, places[next_end])
            next_end = next(ends, None)
        now, place = operations[number], places[number]
        if place:
            if place <= floor:
                yield Anomaly("order", _back(now, log, place, floor))
        elif now.kind not in EFFECTS and now.outcome == Outcome.OK:
            strict, view = now.kind in STRICT, (now.client, now.kind)
            least = floor
            if not strict:
                least = max(log.holding(now.said.get("at_least", 0)), seen[view])
            found = _place(log, now, least)
            if found is None or since[found] > now.ended_ns:
                yield _untrue(log, now, least, found)
            elif strict:
                places[number] = found
            else:
                seen[view] = found
                # A view is behind: what it shows is in the log, and no more is told.
                places[number] = _since(log, now, found)


def _untrue(log: Log, read: Operation, least: int, found: int | None) -> Anomaly:
    said = f"{_told(read)} answered {read.answer['value']}"
    if found is None and _place(log, read, 0) is not None:
        return Anomaly("stale", f"{said}, which was so before {log.end_of(least)}")
    return Anomaly("never", f"{said}, which was not so by then")


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
