"""Exported events as objects again, and the aggregates they make.

Before an event is applied it is held to the rules of its kind: who holds the log's key
can sign anything, but not make a used ticket usable once more.

Topics are found among the classes that were imported, and so are the rules: whoever
replays imports `ledger.application` first. Nothing here needs a database.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    UUIDAsHex,
)

from ledger.errors import Refusal
from ledger.log.export import ExportedEvent


class BadHistory(ValueError):
    """An event cannot have happened to its aggregate."""


class Replay:
    """Applies events in the order of the log; holds every aggregate's present state.

    Events of different streams do not depend on each other here, so a log may be
    replayed in parts, as long as each stream is in one. Without `rules` anything that
    can be applied is: to read single events that make up no history.
    """

    def __init__(self, *, rules: bool = True) -> None:
        self._mapper = Mapper[UUID](transcoder())
        self._rules = rules
        self._aggregates: dict[UUID, Any] = {}

    def apply(self, exported: ExportedEvent) -> None:
        """Apply one event. Raises `BadHistory`."""
        stream_id, topic = exported.originator_id, exported.topic
        aggregate = self._aggregates.get(stream_id)
        try:
            if not is_event(topic):
                raise BadHistory(f"{topic} is no event")
            event = self._event(exported)
            if self._rules:
                self._allow(event, aggregate, topic)
            self._aggregates[stream_id] = event.mutate(aggregate)
        except BadHistory:
            raise
        except Exception as error:
            said = f"{topic} does not replay: {type(error).__name__}: {error}"
            raise BadHistory(said) from error

    def _event(self, exported: ExportedEvent) -> Any:
        return self._mapper.to_domain_event(_stored(exported))

    def _allow(self, event: Any, aggregate: Any, topic: str) -> None:
        try:
            event.require_allowed(aggregate)
        except (Refusal, ValueError) as refused:
            raise BadHistory(f"{topic} is not allowed here: {refused}") from refused

    def present(self, stream_id: UUID) -> Any:
        """Return an aggregate as of its last event that was applied."""
        return self._aggregates[stream_id]


def is_event(topic: str) -> bool:
    """Say whether an event class of that name was imported.

    Whatever else a topic names, the library would import it as a module: an export
    would choose what runs where it is checked.
    """
    if topic not in _topics:
        _topics.update(_topics_under(CanMutateAggregate))
    return topic in _topics


def _topics_under(kind: type) -> Iterator[str]:
    below: list[type] = kind.__subclasses__()
    for each in below:
        if "TOPIC" in vars(each):
            yield vars(each)["TOPIC"]
        yield from _topics_under(each)


_topics: set[str] = set()


def transcoder() -> JSONTranscoder:
    """Return what reads a stored state, as the application writes it."""
    made = JSONTranscoder()
    for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
        made.register(transcoding)
    return made


def _stored(exported: ExportedEvent) -> StoredEvent:
    return StoredEvent(
        originator_id=exported.originator_id,
        originator_version=exported.version,
        topic=exported.topic,
        state=exported.state,
    )
