"""What is so after each commit, told by a model that shares no code with the ledger.

It knows of a ticket its owner, what locks it, and whether it is used up; of an account
its balance; of an allotment who has which place. It reads stored events and believes
none of them: what an honest ledger never records, it names.

    ticket    free ─► locked by a gift, a listing, a dispense, a redemption ─► free
              owned ─► dispensed, once
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

State: TypeAlias = Mapping[str, Any]
Thing: TypeAlias = tuple[str, str]
"""What can be read: `owner` and `title` of a ticket, `purse` and `balance` by id."""


@dataclass(slots=True)
class Event:
    """One event of the log; ids are hexadecimal, times as they were written."""

    position: int
    stream: str
    version: int
    topic: str
    state: State


@dataclass(slots=True)
class Ticket:
    owner: str
    title_version: int
    uses_left: int
    lock: tuple[str, str] | None = None
    offered_to: str = ""
    dispensed: bool = False


@dataclass(slots=True)
class Changes:
    """What was so from which commit on, in the order of the log."""

    since: list[int] = field(default_factory=lambda: [0])
    values: list[Any] = field(default_factory=lambda: [None])

    def now(self, commit: int, value: Any) -> None:
        if self.since[-1] == commit:
            self.values[-1] = value
        else:
            self.since.append(commit)
            self.values.append(value)


class Model:
    """Takes commits in; `things` is what reads are held against."""

    def __init__(self) -> None:
        self.things: dict[Thing, Changes] = defaultdict(Changes)
        self._tickets: dict[str, Ticket] = {}
        self._balances: Counter[str] = Counter()
        self._places: dict[tuple[str, str], str | None] = {}
        self._serials: dict[str, str] = {}
        self._posted: Counter[tuple[str, str]] = Counter()

    def take_in(self, commit: int, events: list[Event]) -> Iterator[str]:
        """Apply one commit; yield a sentence for all that cannot be."""
        self._posted.clear()
        for event in events:
            rule = _RULES.get(event.topic)
            for wrong in rule(self, event) if rule else ():
                yield f"{event.topic} at {event.position}: {wrong}"
            if event.topic.startswith("e-ticket.") and event.stream in self._tickets:
                self._ticket_is(commit, event)
            elif event.topic in ("account.opened", "account.posted"):
                now = event.version, self._balances[event.stream]
                self.things["purse", event.stream].now(commit, now)
            elif event.topic == "entry.made":
                for posting in event.state["postings"]:
                    name = posting["account"]
                    balance = self._balances[f"entry/{name}"]
                    self.things["balance", name].now(commit, balance)
        for (account, entry), amount in self._posted.items():
            if amount:
                yield f"the purse {account} and the entry {entry} differ by {amount}"

    def _ticket_is(self, commit: int, event: Event) -> None:
        its = self._tickets[event.stream]
        whole = self.things["owner", event.stream]
        whole.now(commit, (event.version, its.owner))
        title = self.things["title", event.stream]
        if title.values[-1] != (its.title_version, its.owner):
            title.now(commit, (its.title_version, its.owner))

    # Tickets.

    def _issued(self, event: Event) -> Iterator[str]:
        if event.stream in self._tickets:
            yield "a ticket is issued a second time"
        owner, uses = hexa(event.state["owner_id"]), event.state["uses_limit"]
        self._tickets[event.stream] = Ticket(owner, event.version, uses)

    def _locked(self, event: Event) -> Iterator[str]:
        its = self._tickets[event.stream]
        kind, name = _LOCKS[event.topic]
        if its.lock is not None or its.dispensed:
            yield f"it is not free: {its.lock}, dispensed {its.dispensed}"
        its.lock = kind, hexa(event.state[name])
        its.offered_to = hexa(event.state.get("to_party_id") or "")

    def _freed(self, event: Event) -> Iterator[str]:
        its = self._tickets[event.stream]
        kind, name = _ENDS[event.topic]
        mine = kind, hexa(event.state[name])
        if its.lock != mine:
            yield f"it is locked by {its.lock}, not by {mine}"
        its.lock = None

    def _moved(self, event: Event) -> Iterator[str]:
        yield from self._freed(event)
        its, state = self._tickets[event.stream], event.state
        giver = hexa(state["giver_id" if "giver_id" in state else "seller_id"])
        if its.owner != giver or its.title_version != state["previous_title_version"]:
            yield f"{giver} moved a title that is {its.owner}'s"
        if its.offered_to not in ("", hexa(state["owner_id"])):
            yield f"it was offered to {its.offered_to}"
        its.owner, its.title_version = hexa(state["owner_id"]), event.version

    def _written(self, event: Event) -> Iterator[str]:
        """A copy that is brought up to date has locked nothing before."""
        its = self._tickets[event.stream]
        if its.lock == ("card", hexa(event.state["write_id"])):
            its.lock = None
        yield from ()

    def _authorised(self, event: Event) -> Iterator[str]:
        its, job = self._tickets[event.stream], hexa(event.state["job_id"])
        if its.lock != ("dispense", job):
            yield f"it is locked by {its.lock}, and printed by {job}"
        if self._serials.setdefault(event.state["serial"], event.stream) != (
            event.stream
        ):
            yield "its serial stands on another ticket"

    def _dispensed(self, event: Event) -> Iterator[str]:
        yield from self._freed(event)
        its = self._tickets[event.stream]
        if its.dispensed:
            yield "it was dispensed before"
        its.dispensed = True

    def _redeemed(self, event: Event) -> Iterator[str]:
        yield from self._freed(event)
        its = self._tickets[event.stream]
        its.uses_left -= event.state["amount"]
        if its.uses_left < 0:
            yield "it is used more often than it can be"

    # Money.

    def _entered(self, event: Event) -> Iterator[str]:
        sums: Counter[str] = Counter()
        for posting in event.state["postings"]:
            account, amount = posting["account"], posting["amount_minor"]
            sums[posting["currency"]] += amount
            self._balances[f"entry/{account}"] += amount
            if "/" not in account:
                self._posted[account.replace("-", ""), event.stream] += amount
        if any(sums.values()):
            yield f"the postings do not sum to zero: {dict(sums)}"

    def _credited(self, event: Event) -> Iterator[str]:
        amount = event.state["amount_minor"]
        self._balances[event.stream] += amount
        self._posted[event.stream, hexa(event.state["entry_id"])] -= amount
        if amount < 0 and self._balances[event.stream] < 0:
            yield f"the purse holds {self._balances[event.stream]}"

    # Places.

    def _opened(self, event: Event) -> Iterator[str]:
        for place in event.state["places"]:
            self._places[event.stream, place] = None
        yield from ()

    def _held(self, event: Event) -> Iterator[str]:
        yield from self._taken(event, hexa(event.state["holder_id"]), (None,))

    def _sold(self, event: Event) -> Iterator[str]:
        order = event.state["order_id"]
        before = None if order is None else hexa(order)
        yield from self._taken(event, "sold", (before,))

    def _released(self, event: Event) -> Iterator[str]:
        yield from self._taken(event, None, (hexa(event.state["holder_id"]),))

    def _taken(
        self, event: Event, whose: str | None, before: tuple[str | None, ...]
    ) -> Iterator[str]:
        for place in event.state["places"]:
            now = self._places.get((event.stream, place), "nowhere")
            if now not in before:
                yield f"the place {place} is {now}'s, which is oversold"
            self._places[event.stream, place] = whose


def hexa(stored: Any) -> str:
    """Return an id as it stands in a stored state, in hexadecimal."""
    return str(stored["_data_"] if isinstance(stored, dict) else stored)


_LOCKS = {
    "e-ticket.medium-write-prepared": ("card", "write_id"),
    "e-ticket.gift-offered": ("gift", "offer_id"),
    "e-ticket.listed": ("listing", "listing_id"),
    "e-ticket.dispense-started": ("dispense", "job_id"),
    "e-ticket.redemption-started": ("redemption", "session_id"),
}
_ENDS = {
    "e-ticket.medium-write-aborted": ("card", "write_id"),
    "e-ticket.gift-accepted": ("gift", "offer_id"),
    "e-ticket.gift-declined": ("gift", "offer_id"),
    "e-ticket.gift-withdrawn": ("gift", "offer_id"),
    "e-ticket.unlisted": ("listing", "listing_id"),
    "e-ticket.resold": ("listing", "listing_id"),
    "e-ticket.dispense-aborted": ("dispense", "job_id"),
    "e-ticket.dispensed": ("dispense", "job_id"),
    "e-ticket.redemption-released": ("redemption", "session_id"),
    "e-ticket.coupon-redeemed": ("redemption", "session_id"),
}
_Rule: TypeAlias = Callable[[Model, Event], Iterator[str]]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_LOCKS, Model._locked),
    **dict.fromkeys(_ENDS, Model._freed),
    "e-ticket.issued": Model._issued,
    "e-ticket.gift-accepted": Model._moved,
    "e-ticket.resold": Model._moved,
    "e-ticket.written-to-medium": Model._written,
    "e-ticket.print-authorised": Model._authorised,
    "e-ticket.dispensed": Model._dispensed,
    "e-ticket.coupon-redeemed": Model._redeemed,
    "entry.made": Model._entered,
    "account.posted": Model._credited,
    "allotment.opened": Model._opened,
    "allotment.places-held": Model._held,
    "allotment.places-sold": Model._sold,
    "allotment.places-released": Model._released,
}
