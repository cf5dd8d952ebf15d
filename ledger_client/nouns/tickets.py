"""Tickets: what one has, what it is just now, and what has happened to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Lock:
    """What holds a ticket exclusively: a gift, a listing, a dispenser, a case."""

    kind: str
    ref: UUID
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Form:
    """What a ticket is carried by."""

    kind: str
    medium_uid: bytes | None
    slot: int | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class Uses:
    """How often a ticket may be used, and was."""

    limit: int
    redeemed: int
    reversed: int
    unit: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket as it is now. `etag` may be given back as a command's `if_match`."""

    ticket_id: UUID
    offering_id: UUID
    title: str
    kind: str
    right: str
    category: str | None
    owner_id: UUID
    epoch: int
    life: str
    lock: Lock | None
    form: Form
    uses: Uses
    currency: str
    not_before: datetime
    not_after: datetime
    question: int | None
    version: int
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Happened:
    """One recorded event. `by` is who caused it, `facts` what it tells."""

    position: int
    version: int
    event: str
    at: datetime
    by: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Transmission:
    """A ticket sealed for one terminal, as base64."""

    sealed: str
    epoch: int
    terminal_id: UUID
    origin: str


class Tickets:
    """`/v1/tickets`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def mine(self) -> Iterator[Ticket]:
        """Yield the caller's own tickets."""
        return self._calls.list_of(Ticket, "/v1/tickets", "tickets")

    def get(self, ticket_id: UUID, *, as_of: datetime | int | None = None) -> Ticket:
        """Return a ticket as it is, or as it was at a time or a position of the log."""
        asked = as_of.isoformat() if isinstance(as_of, datetime) else as_of
        reply = self._calls.get(f"/v1/tickets/{ticket_id}", query={"as_of": asked})
        return read(Ticket, {**reply.said, "etag": reply.etag})

    def history(self, ticket_id: UUID) -> Iterator[Happened]:
        """Yield all that was recorded about a ticket."""
        return self._calls.list_of(
            Happened, f"/v1/tickets/{ticket_id}/history", "events"
        )

    def transmit(self, ticket_id: UUID, *, terminal_id: UUID) -> Transmission:
        """Have a ticket sealed for one of the caller's own terminals."""
        body = {"terminal_id": str(terminal_id)}
        path = f"/v1/tickets/{ticket_id}/transmissions"
        return read(Transmission, self._calls.command("POST", path, body).said)
