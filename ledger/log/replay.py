"""Exported events as objects again, and the aggregates they make.

Before an event is applied it is held to the rules of its kind: who holds the log's key
can sign anything, but not make a used ticket usable once more.

Topics are found among the classes that were imported, and so are the rules: whoever
replays imports `ledger.application` first. Nothing here needs a database.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.domain import CanInitAggregate, CanMutateAggregate
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
            # The library would import whatever module a topic with a colon names.
            event: Any = None if ":" in topic else self._event(exported)
            if not isinstance(event, CanMutateAggregate | CanInitAggregate):
                raise BadHistory(f"{topic} is no event")
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
