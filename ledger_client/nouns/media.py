"""Media: the ledger's record of a card, and what is to be written on it next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.nouns.tickets import Happened
from ledger_client.problems import Json
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Slot:
    slot: int
    status: str
    epoch: int
    uses_left: int
    ticket_id: UUID | None


@dataclass(frozen=True, slots=True)
class Medium:
    """A card as the ledger has it on record."""

    uid: bytes
    holder_id: UUID
    status: str
    seq: int
    version: int
    digest: bytes
    slots: tuple[Slot, ...]
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class MediumListed:
    uid: bytes
    position: int
    holder_id: UUID
    profile: str
    status: str
    personalised_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Exposed:
    """A machine without the line may print this ticket until then."""

    ticket_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class SlotChange:
    """What is to be written into one slot; `transmission` is base64."""

    slot: int
    entry: bytes
    ticket_id: UUID | None
    epoch: int
    transmission: str | None


@dataclass(frozen=True, slots=True)
class Write:
    """One transaction to be made on a card."""

    write_id: UUID
    uid: bytes
    seq: int
    stamp: bytes
    changes: tuple[SlotChange, ...]


@dataclass(frozen=True, slots=True)
class Lease:
    """A card's write that was prepared for one job or session, until then."""

    lease_id: UUID
    until: datetime
    write: Write


class Media:
    """`/v1/media`; a card's `uid` has 7 bytes."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def mine(self) -> Iterator[MediumListed]:
        """Yield the caller's own cards, newest first."""
        return self._calls.list_of(MediumListed, "/v1/media", "media")

    def get(self, uid: bytes) -> Medium:
        reply = self._calls.get(_path(uid))
        return read(Medium, {**reply.said, "etag": reply.etag})

    def history(self, uid: bytes) -> Iterator[Happened]:
        """Yield what was recorded about a card, newest first."""
        return self._calls.list_of(Happened, f"{_path(uid)}/history", "events")

    def prepare(
        self,
        uid: bytes,
        reading: Mapping[str, str],
        *,
        terminal_id: UUID,
        load: Sequence[UUID] = (),
        unload: Sequence[UUID] = (),
        key: str | None = None,
    ) -> Write | None:
        """Have the next write prepared, which records and takes off these tickets.

        None: the card is in line with the ledger, and nothing is to be written.
        """
        body = {
            "reading": dict(reading),
            "terminal_id": str(terminal_id),
            "load": [str(each) for each in load],
            "unload": [str(each) for each in unload],
        }
        path = f"{_path(uid)}/writes"
        said = self._calls.command("POST", path, body, key=key).said
        return None if said.get("write_id") is None else read(Write, said)

    def settle(self, uid: bytes, write_id: UUID, outcome: Mapping[str, Any]) -> Json:
        """Say what the card did with a write; return what the ledger made of it."""
        path = f"{_path(uid)}/writes/{write_id}"
        return self._calls.command("PUT", path, outcome).said

    def report_lost(self, uid: bytes, *, key: str | None = None) -> tuple[Exposed, ...]:
        """Report a card lost; return what may still be printed from it."""
        reply = self._calls.command("POST", f"{_path(uid)}/loss", key=key)
        return tuple(read(Exposed, each) for each in reply.said.get("exposed", ()))

    def report_found(self, uid: bytes) -> None:
        self._calls.command("DELETE", f"{_path(uid)}/loss")


def lease(said: Json, name: str) -> Lease:
    """Read a lease whose id is told under `name`. Raises `Unreachable`."""
    told = {
        "lease_id": said.get(name),
        "until": said.get("lease_until"),
        "write": said.get("write"),
    }
    return read(Lease, told)


def _path(uid: bytes) -> str:
    return f"/v1/media/{uid.hex()}"
