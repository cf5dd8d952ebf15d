"""Taps: a card lies on a reader, and the ledger says what is good on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class TappedSlot:
    slot: int
    verdict: str
    code: str | None
    says: str
    ticket_id: UUID
    right: str
    title: str
    kind: str
    question: int | None


@dataclass(frozen=True, slots=True)
class Tap:
    """What the ledger says of a card; `says` is for the person before it."""

    verdict: str
    code: str | None
    says: str
    slots: tuple[TappedSlot, ...]
    refresh_needed: bool


class Taps:
    """`/v1/taps`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def judge(
        self, reading: Mapping[str, str], *, terminal_id: UUID | None = None
    ) -> Tap:
        """Ask about a reading: `uid`, `stamp` and `slots`, each in hex.

        It carries no key: a tap that is asked about twice is a tap, and fast.
        """
        body = dict(reading)
        if terminal_id is not None:
            body["terminal_id"] = str(terminal_id)
        return read(Tap, self._calls.ask("POST", "/v1/taps", body, again=True).said)
