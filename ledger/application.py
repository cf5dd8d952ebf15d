"""Loading and saving, and races turned into refusals.

The eventsourcing library is kept behind this file and `ledger/log`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import RecordConflictError, StoredEvent
from eventsourcing.utils import Environment, EnvType
from psycopg.rows import DictRow

import ledger.aggregates.rules  # noqa: F401  Whoever replays is held to them.
from ledger import aggregates, vocabulary
from ledger.aggregates.account import Account, Entry
from ledger.aggregates.allotment import Allotment
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.base import Recorded
from ledger.aggregates.batch import Batch
from ledger.aggregates.case import Case
from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.gift import Gift
from ledger.aggregates.grant import Grant
from ledger.aggregates.mandate import Mandate
from ledger.aggregates.medium import Medium, MediumUnknown
from ledger.aggregates.offering import Offering
from ledger.aggregates.offline_fact import OfflineFact
from ledger.aggregates.order import Order, OrderUnknown
from ledger.aggregates.paper import Paper
from ledger.aggregates.party import Party
from ledger.aggregates.payment import Payment
from ledger.aggregates.receipt import Receipt
from ledger.aggregates.registered_sale import RegisteredSale
from ledger.aggregates.sale import Sale
from ledger.aggregates.waiting_list import WaitingList
from ledger.errors import Conflict, Missing, Overtaken, Unknown
from ledger.log.recorder import Command, LedgerRecorder
from ledger.log.snapshots import Snapshots, code_fingerprint
from ledger.vocabulary.ids import medium_id

ATTEMPTS_MAX = 4

_A = TypeVar("_A", bound=Recorded)
_T = TypeVar("_T")

AGGREGATES: tuple[type[Recorded], ...] = (
    Account,
    Allotment,
    Allowance,
    Batch,
    Case,
    Device,
    ETicket,
    Entry,
    Gift,
    Grant,
    Mandate,
    Medium,
    Offering,
    OfflineFact,
    Order,
    Paper,
    Party,
    Payment,
    Receipt,
    RegisteredSale,
    Sale,
    WaitingList,
)


Listener: TypeAlias = Callable[
    [Sequence[tuple[Recorded, Sequence[Recorded.Event]]]], None
]
"""Is told what a commit recorded: each aggregate and its new events. Never raises."""


class VersionStale(Conflict):
    code = "precondition_failed"
    says = "This changed since you read it; it is at version {version} now."


@dataclass(slots=True)
class CommitTerms:
    """What a caller wants of a command's commits; none of it is recorded.

    The first commit takes `command` into the log, so that it has one effect, and is
    refused unless the stream of `expected` is at that version before it. A `dry`
    command is decided and not recorded.
    """

    command: Command | None = None
    expected: tuple[UUID, int] | None = None
    dry: bool = False

    def are_met(self) -> None:
        """The first commit was made: the next ones have no terms."""
        self.command = self.expected = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Who and what caused events; recorded with each of them. Ids only, no names."""

    actor: str
    credential: str | None = None
    device: str | None = None
    command: str | None = None
    correlation: str | None = None
    device_time: str | None = None
    terms: CommitTerms = field(default_factory=CommitTerms, compare=False)

    def as_dict(self) -> dict[str, str]:
        names = (each.name for each in fields(self) if each.name != "terms")
        return {name: value for name in names if (value := getattr(self, name))}


class TicketUnknown(Missing):
    code = "unknown"
    says = "There is no such ticket."


class Ledger(Application[UUID]):
    """The log of one origin, as aggregates that can be loaded and recorded."""

    name = "ledger"

    recorder: LedgerRecorder

    def __init__(self, env: EnvType | None = None) -> None:
        super().__init__(env)
        self._streams = Snapshots(
            self.recorder.datastore,
            code=code_fingerprint(aggregates, vocabulary),
            event_of=self._event,
        )
        self._listeners: list[Listener] = []

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        # The library would read the whole process environment; settings come in here.
        return Environment(name, dict(env or {}))

    def ticket(self, ticket_id: UUID) -> ETicket:
        return self._load(ETicket, ticket_id, TicketUnknown())

    def offering(self, offering_id: UUID) -> Offering:
        return self._load(Offering, offering_id, Unknown(what="offering"))

    def order(self, order_id: UUID) -> Order:
        return self._load(Order, order_id, OrderUnknown())

    def party(self, party_id: UUID) -> Party:
        return self._load(Party, party_id, Unknown(what="party"))

    def device(self, device_id: UUID) -> Device:
        return self._load(Device, device_id, Unknown(what="device"))

    def account(self, account_id: UUID) -> Account:
        return self._load(Account, account_id, Unknown(what="account"))

    def medium(self, uid: bytes) -> Medium:
        return self._load(Medium, medium_id(uid), MediumUnknown())

    def knows(self, stream_id: UUID) -> bool:
        return bool(self.recorder.select_events(stream_id, limit=1))

    def known(self, stream_ids: Collection[UUID]) -> set[UUID]:
        """Return those of the streams that were begun, whatever their kind."""
        return self.recorder.begun_of(stream_ids)

    def record(self, *aggregates: Recorded, cause: Cause) -> int:
        """Append what is pending, all or nothing; return the last position.

        Raises `Overtaken` when another writer was first on one of the streams, and by
        `cause.terms` `CommandRepeated` and `VersionStale`.
        """
        terms = cause.terms
        if terms.expected is not None:
            self._require_version(aggregates, *terms.expected)
        if terms.dry:
            return self.position()
        stamped = cause.as_dict()
        for aggregate in aggregates:
            for event in aggregate.pending_events:
                # Events are frozen for everybody else; the cause joins them here.
                object.__setattr__(event, "cause", stamped)
        said = [(each, _new_events(each)) for each in aggregates]
        try:
            recordings = self.save(*aggregates, command=terms.command)
        except RecordConflictError:
            raise Overtaken from None
        if recordings:
            terms.are_met()
        for listener in self._listeners:
            listener(said)
        if not recordings:
            return self.position()
        return max(recording.notification.id for recording in recordings)

    def _require_version(
        self, changed: Collection[Recorded], stream_id: UUID, version: int
    ) -> None:
        """Of a stream that the commit changes, the append itself keeps the version."""
        its = next((each for each in changed if each.id == stream_id), None)
        if its is not None:
            now = its.version - len(its.pending_events)
        else:
            newest = self.recorder.select_events(stream_id, desc=True, limit=1)
            now = newest[0].originator_version if newest else 0
        if now != version:
            raise VersionStale(version=now)

    def hear(self, listener: Listener) -> None:
        """Have somebody told of every commit, after it: for hints, not for truth."""
        self._listeners.append(listener)

    def position(self) -> int:
        """Return the position of the newest event, 0 for an empty log."""
        return self.recorder.max_notification_id() or 0

    def reached(self, *read: Recorded) -> int:
        """Return a position by which all this was so.

        What was just committed by another may still wait for its position.
        """
        places = [self.recorder.place_of(each.id, each.version) for each in read]
        return max([self.position(), *places])

    def paper(self, paper_id: UUID) -> Paper:
        return self._load(Paper, paper_id, Unknown(what="paper"))

    def events_of(self, stream_id: UUID) -> list[tuple[int, Recorded.Event]]:
        """Return every event of one stream with its position, oldest first."""
        events = list(self.events.get(stream_id))
        if not events:
            return []
        # The newest may have none yet: asked for its place, the log gives it one.
        self.recorder.place_of(stream_id, events[-1].originator_version)
        positions = self.recorder.positions_of(stream_id)
        return [
            (positions[event.originator_version], cast("Recorded.Event", event))
            for event in events
        ]

    def find(self, kind: type[_A], stream_id: UUID) -> _A | None:
        """Load an aggregate of this kind; None if there is none."""
        loaded = self.load([stream_id]).get(stream_id)
        return loaded if isinstance(loaded, kind) else None

    def load(self, stream_ids: Collection[UUID]) -> dict[UUID, Recorded]:
        """Load aggregates of any kind in one round trip; those that were begun."""
        return cast("dict[UUID, Recorded]", self._streams.load(stream_ids))

    def work(self) -> Work:
        """Begin a command that touches several streams."""
        return Work(self)

    def _event(self, stream_id: UUID, row: DictRow) -> Any:
        stored = StoredEvent(stream_id, row["version"], row["topic"], row["state"])
        return self.mapper.to_domain_event(stored)

    def _load(self, kind: type[_A], stream_id: UUID, missing: Missing) -> _A:
        loaded = self.find(kind, stream_id)
        if loaded is None:
            raise missing
        return loaded


class Work:
    """All that one command touches: loaded once, changed together, recorded as one.

    Whoever asks for the same stream twice gets the same object, so that several steps
    of a command see each other's changes before anything is recorded.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._touched: dict[UUID, Recorded] = {}
        self._absent: set[UUID] = set()

    def find(self, kind: type[_A], stream_id: UUID) -> _A | None:
        """Return the aggregate of this kind with this id; None if there is none."""
        touched = self._touched.get(stream_id)
        if touched is None and stream_id not in self._absent:
            touched = self.ledger.find(kind, stream_id)
            if touched is not None:
                self._touched[stream_id] = touched
        return touched if isinstance(touched, kind) else None

    def fetch(self, *stream_ids: UUID) -> None:
        """Load at once what the command will ask for: the rest needs no query."""
        wanted = set(stream_ids) - self._touched.keys() - self._absent
        loaded = self.ledger.load(wanted) if wanted else {}
        self._touched |= loaded
        self._absent |= wanted - loaded.keys()

    def look_up(self, stream_ids: Collection[UUID]) -> None:
        """Ask at once which of many streams exist: the others need no query each."""
        self._absent |= set(stream_ids) - self.ledger.known(stream_ids)

    def get(self, kind: type[_A], stream_id: UUID, missing: Missing) -> _A:
        """Return the aggregate of this kind with this id; raise `missing`."""
        found = self.find(kind, stream_id)
        if found is None:
            raise missing
        return found

    def add(self, begun: _A) -> _A:
        """Take in a stream that this command has begun."""
        if begun.id in self._touched:
            raise ValueError("the stream is there already")
        self._touched[begun.id] = begun
        return begun

    def touched(self, kind: type[_A]) -> list[_A]:
        """Return the aggregates of this kind that the command works on so far."""
        return [each for each in self._touched.values() if isinstance(each, kind)]

    def ticket(self, ticket_id: UUID) -> ETicket:
        return self.get(ETicket, ticket_id, TicketUnknown())

    def order(self, order_id: UUID) -> Order:
        return self.get(Order, order_id, OrderUnknown())

    def medium(self, uid: bytes) -> Medium:
        return self.get(Medium, medium_id(uid), MediumUnknown())

    def record(self, cause: Cause) -> int:
        """Append all that changed, all or nothing; return the last position.

        Raises `Overtaken` when another writer was first on one of the streams.
        """
        changed = [each for each in self._touched.values() if each.pending_events]
        if not changed:
            return self.reached()
        return self.ledger.record(*changed, cause=cause)

    def reached(self) -> int:
        """Return a position by which all that the command has read was so."""
        return self.ledger.reached(*self._touched.values())


def _new_events(aggregate: Recorded) -> list[Recorded.Event]:
    return [cast("Recorded.Event", event) for event in aggregate.pending_events]


def attempt(command: Callable[[], _T]) -> _T:
    """Run a use case, again if it was overtaken: it reloads, so it decides anew."""
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            return command()
        except Overtaken:
            continue
    return command()
