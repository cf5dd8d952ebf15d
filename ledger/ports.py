"""What the ledger asks of the outside world. Adapters implement it, tests share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey


@dataclass(frozen=True, slots=True)
class CardOperation:
    """One command of a card transaction, as the device reports it for the proof."""

    cmd: int
    file: int
    offset: int
    length: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What one authenticated session with a card needs; worthless afterwards."""

    ti: bytes
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)


class CardAuthority(Protocol):
    """Holds the cards' master keys and does what needs them; never gives them away."""

    def answer_challenge(
        self, *, uid: bytes, key_no: int, challenge: bytes, at: datetime
    ) -> tuple[bytes, bytes]:
        """Answer a card's encrypted RndB; return (part 2, continuation).

        The continuation is sealed and carries what `finish` needs: no state is kept.
        """

    def finish(
        self, *, uid: bytes, continuation: bytes, response: bytes, at: datetime
    ) -> SessionKeys:
        """Check the card's answer; raise `CardNotGenuine`."""

    def proves(
        self,
        *,
        uid: bytes,
        transaction_counter: int,
        transaction_mac: bytes,
        operations: Sequence[CardOperation],
    ) -> bool:
        """Say whether the card with this UID committed exactly these operations."""

    def record_public_key(self, uid: bytes) -> X25519PublicKey:
        """Return the key for which tickets on this medium are sealed."""

    def card_keys(self, uid: bytes) -> dict[str, Any]:
        """Return one card's own keys, for personalising it."""

    def reader_keys(self) -> dict[str, str]:
        """Return the masters a dispenser or point of sale holds, in hex."""


class Secrets(Protocol):
    """Keys of the installation that are not about cards."""

    def issuer_key(self) -> Ed25519PrivateKey: ...

    def issuer_public_keys(self) -> Mapping[bytes, Ed25519PublicKey]: ...

    def print_code(self, serial: str) -> str:
        """Return the short keyed code that is printed beside a serial."""


class PersonalData(Protocol):
    """Seals what is said about a person, under a key that can be destroyed."""

    def seal(self, subject_id: UUID, text: str) -> str:
        """Return text that may stand in an event."""

    def open(self, subject_id: UUID, sealed: str) -> str | None:
        """Return the text, or None once the person was erased."""

    def destroy(self, subject_id: UUID) -> None:
        """Destroy the person's key for ever: nothing sealed under it opens again."""
