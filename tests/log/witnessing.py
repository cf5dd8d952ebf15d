"""A log with witnesses of its own, all of them real but for the network between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import StoredEvent

from ledger.application import Ledger
from ledger.log.cosignature import Cosigner
from ledger.log.note import Signer
from ledger.log.policy import Policy
from ledger.log.proof_store import ProofStore
from ledger.log.publisher import Publisher
from ledger.log.witness import PATH, Witness

ORIGIN = "tickets.example/log"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def key(seed: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


SIGNER = Signer(ORIGIN, key(1))
COSIGNERS = {name: Cosigner(f"{name}.example", key(ord(name))) for name in "abc"}


class SetClock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Shelf(dict[str, str]):
    """A memory that lasts as long as the test."""

    def recall(self, origin: str) -> str | None:
        return self.get(origin)

    def keep(self, origin: str, note: str) -> None:
        self[origin] = note


class Wire:
    """Carries posts to witnesses by name; a line can be cut, or answer wrongly."""

    def __init__(self, clock: SetClock, names: str = "abc") -> None:
        self.clock = clock
        self.shelves = {name: Shelf() for name in names}
        self.witnesses = {
            name: Witness(COSIGNERS[name], [SIGNER.verifier], self.shelves[name])
            for name in names
        }
        self.down: set[str] = set()
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []

    def post(self, url: str, body: bytes) -> tuple[int, bytes]:
        name = url.removeprefix("http://").removesuffix(PATH)
        self.asked.append(name)
        if name in self.down:
            raise ConnectionRefusedError("nobody there")
        if name in self.answers:
            return self.answers[name]
        said = self.witnesses[name].add_checkpoint(body, at=self.clock.now())
        return said.status, said.body.encode()

    def policy(self, quorum: str) -> Policy:
        """`quorum` as a group's needed count, or none."""
        lines = [
            f"witness {name} {COSIGNERS[name].verifier} http://{name}"
            for name in self.witnesses
        ]
        if quorum == "none":
            lines.append("quorum none")
        else:
            lines.append(f"group all {quorum} {' '.join(self.witnesses)}")
            lines.append("quorum all")
        return Policy.parse("\n".join(lines).encode())


def publisher(
    ledger: Ledger, wire: Wire, *, quorum: str = "none", **changed: Any
) -> Publisher:
    said: Mapping[str, Any] = {
        "signers": lambda _: [SIGNER],
        "clock": wire.clock,
        "origin": ORIGIN,
        "policy": wire.policy(quorum),
        "post": wire.post,
        **changed,
    }
    return Publisher(ledger.recorder.datastore, **said)


def store_of(ledger: Ledger) -> ProofStore:
    return ProofStore(ledger.recorder.datastore.get_connection)


def append(ledger: Ledger, count: int, *, each: Callable[[int], bytes] = bytes) -> UUID:
    """Append so many events to a stream of their own, and give them positions."""
    stream = uuid4()
    for first in range(1, count + 1, 1_000):
        versions = range(first, min(first + 1_000, count + 1))
        ledger.recorder.insert_events(
            [StoredEvent(stream, version, "t:x", each(version)) for version in versions]
        )
    return stream
