"""Dispenses: a ticket leaves its card and is printed, exactly once.

start ──► the card is written ──► mark ──► print ──► printed
  └──────────────────────► abort
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.nouns.media import Lease, lease
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class PrintOrder:
    """What is to stand on the paper."""

    serial: str
    code: str
    title: str
    right: str
    not_before: datetime
    not_after: datetime
    ticket_id: UUID
    origin: str


class Dispenses:
    """`/v1/tickets/{ticket_id}/dispenses`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def start(
        self,
        ticket_id: UUID,
        reading: Mapping[str, str],
        *,
        slot: int,
        epoch: int,
        answered: bool,
        key: str | None = None,
    ) -> Lease:
        """Lock a ticket for this machine; return the card's write and its end."""
        body = {
            "reading": dict(reading),
            "slot": slot,
            "epoch": epoch,
            "answered": answered,
        }
        reply = self._calls.command("POST", _path(ticket_id), body, key=key)
        return lease(reply.said, "job_id")

    def mark(
        self, ticket_id: UUID, job_id: UUID, outcome: Mapping[str, Any]
    ) -> PrintOrder:
        """Say what the card did, with the paper's serial; return what to print."""
        path = f"{_path(ticket_id)}/{job_id}/mark"
        return read(_Marked, self._calls.command("PUT", path, outcome).said).print

    def printed(
        self, ticket_id: UUID, job_id: UUID, *, serial: str, device_time: datetime
    ) -> None:
        """Say that the paper is out."""
        body = {"serial": serial, "device_time": device_time.isoformat()}
        self._calls.command("PUT", f"{_path(ticket_id)}/{job_id}/printed", body)

    def abort(self, ticket_id: UUID, job_id: UUID, *, reason: str) -> None:
        """Give the ticket back: nothing was printed."""
        body = {"reason": reason}
        self._calls.command("PUT", f"{_path(ticket_id)}/{job_id}/aborted", body)


@dataclass(frozen=True, slots=True)
class _Marked:
    print: PrintOrder


def _path(ticket_id: UUID) -> str:
    return f"/v1/tickets/{ticket_id}/dispenses"
