"""Exported events as objects again, and the aggregates they make.

Topics are found among the classes that were imported: whoever replays imports
`ledger.application` first. Nothing here needs a database.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.persistence import (
    DatetimeAsISO,
    DecimalAsStr,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    UUIDAsHex,
)

from ledger.log.export import ExportedEvent


class BadHistory(ValueError):
    """An event cannot have happened to its aggregate."""


class Replay:
    """Applies events in the order of the log; holds every aggregate's present state."""

    def __init__(self) -> None:
        self._mapper = Mapper[UUID](transcoder())
        self._aggregates: dict[UUID, Any] = {}

    def apply(self, exported: ExportedEvent) -> None:
        """Apply one event. Raises `BadHistory`."""
        stream_id = exported.originator_id
        aggregate = self._aggregates.get(stream_id)
        try:
            event: Any = self._mapper.to_domain_event(_stored(exported))
            if aggregate is not None and not isinstance(event, type(aggregate).Event):
                raise BadHistory(f"{exported.topic} is no event of this stream")
            self._aggregates[stream_id] = event.mutate(aggregate)
        except BadHistory:
            raise
        except Exception as error:
            said = f"{exported.topic} does not replay: {type(error).__name__}: {error}"
            raise BadHistory(said) from error

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
