"""Who owned a ticket when, told from an export alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from ledger.log.replay import transcoder
from ledger.log.verify import exported_events

TITLE_TOPICS = frozenset(
    {
        "e-ticket.issued",
        "e-ticket.gift-accepted",
        "e-ticket.resold",
        "e-ticket.reassigned",
    }
)


@dataclass(frozen=True, slots=True)
class Owned:
    """One owner, from the event that made him so; `until` is None for the present."""

    owner_id: UUID
    topic: str
    position: int
    version: int
    since: datetime
    until: datetime | None = None


def owners(lines: Iterable[bytes], ticket_id: UUID) -> list[Owned]:
    """Return the chain of title of one ticket. Raises `Wrong` for a bad line.

    Verify the export first: here nothing is proven.
    """
    chain: list[Owned] = []
    for owned in _titles(lines, ticket_id):
        if chain:
            chain[-1] = replace(chain[-1], until=owned.since)
        chain.append(owned)
    return chain


def _titles(lines: Iterable[bytes], ticket_id: UUID) -> Iterator[Owned]:
    reader = transcoder()
    for event in exported_events(lines):
        if event.originator_id == ticket_id and event.topic in TITLE_TOPICS:
            state = reader.decode(event.state)
            yield Owned(
                owner_id=state["owner_id"],
                topic=event.topic,
                position=event.position,
                version=event.version,
                since=state["timestamp"],
            )
