"""Receipts over HTTP: whoever asks for one takes the log's signature home.

A command with `Want-Receipt: ?1` (RFC 9651) is answered with `Ledger-Receipt`, base64
of a signed note: what was recorded, and by when a checkpoint includes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from flask import Flask, Response, g, has_request_context, request

from api.idempotency import REPLAYED
from api.positions import LEDGER_POSITION
from ledger.aggregates.base import Recorded
from ledger.clock import Clock
from ledger.log.note import Signer, to_base64
from ledger.log.proof_store import ProofStore
from ledger.log.receipt import Promised, Receipt

WANT_RECEIPT = "Want-Receipt"
LEDGER_RECEIPT = "Ledger-Receipt"
YES = "?1"
EVENTS_IN_HEADER_MAX = 64
"""The last so many of a command; a header has no room for more."""


class Receipts:
    """Signs receipts with the log's key for them."""

    def __init__(
        self,
        proofs: ProofStore,
        signer: Callable[[], Signer],
        clock: Clock,
        *,
        origin: str,
    ) -> None:
        self._proofs = proofs
        self._signer = signer
        self._clock = clock
        self._origin = origin

    def install(self, app: Flask) -> None:
        app.after_request(self._answer)

    def at(self, position: int) -> str | None:
        """Return a receipt for the event at a position; None if there is none."""
        promised = self._proofs.promised_at(position)
        return self._sign(promised) if promised else None

    def _answer(self, answer: Response) -> Response:
        position = answer.headers.get(LEDGER_POSITION)
        if request.headers.get(WANT_RECEIPT) != YES or position is None:
            return answer
        recorded: dict[tuple[UUID, int], None] = g.get("recorded", {})
        promised = self._proofs.promised([*recorded][-EVENTS_IN_HEADER_MAX:])
        if not promised and REPLAYED in answer.headers:  # What it recorded then.
            promised = self._proofs.promised_at(int(position))
        if promised:
            answer.headers[LEDGER_RECEIPT] = to_base64(self._sign(promised).encode())
        return answer

    def _sign(self, promised: Sequence[Promised]) -> str:
        receipt = Receipt.now(self._origin, promised, at=self._clock.now())
        return self._signer().sign(receipt.text())


def heard(said: Sequence[tuple[Recorded, Sequence[Recorded.Event]]]) -> None:
    """Note what this request has recorded. Listens to the ledger (`Ledger.hear`)."""
    if has_request_context():
        recorded: dict[tuple[UUID, int], None] = g.setdefault("recorded", {})
        for _, events in said:
            for each in events:
                recorded[each.originator_id, each.originator_version] = None
