"""A card lies before a machine: is it fresh, and which tickets are on it?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api import metrics
from api.auth import cause, party, principal
from api.openapi.fields import Choice, Strict, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import Waiting, recorded
from api.v1.schemas import QUESTIONS, CardReading, reading_of
from ledger.aggregates.medium import Judgement
from ledger.aggregates.medium.judge import said
from ledger.application import Ledger, attempt
from ledger.clock import Clock
from ledger.projections.freshness import FreshnessView
from ledger.projections.wallet import WalletView
from ledger.usecases import media
from ledger.usecases.media import Tapped
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.ids import medium_id

_MENDED_BY_REFRESH = "medium_stale"

ROUTE = "/v1/taps"
MACHINES = frozenset({Role.DISPENSER, Role.SHOP})


class TappedSlotOut(Strict):
    """An occupied slot: usable, or why not."""

    slot = fields.Integer()
    verdict = Choice(*words(Verdict))
    code = fields.String(allow_none=True, metadata=about("null: it can be used."))
    says = fields.String(metadata=about("What the person at the machine reads."))
    ticket_id = fields.UUID()
    right = fields.String()
    title = fields.String()
    kind = Choice("admission", "coupon")
    question = fields.Integer(allow_none=True, metadata=about(QUESTIONS))


class TapOut(Strict):
    verdict = Choice(*words(Verdict))
    says = fields.String(metadata=about("What the person at the machine reads."))
    code = fields.String(allow_none=True, metadata=about("null: the card is good."))
    slots = fields.List(fields.Nested(TappedSlotOut))
    refresh_needed = fields.Boolean(
        metadata=about("Whether a tap at a user terminal would mend something.")
    )


def blueprint(
    ledger: Ledger,
    freshness: FreshnessView,
    wallet: WalletView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("taps", ROUTE, "Cards judged.", waiting=waiting)

    @routes.post("", takes=CardReading, gives=TapOut, status=200, view="freshness")
    def tap(body: Json) -> Answer:
        """Judge a card by what it shows."""
        reading = reading_of(body)
        tapped = attempt(
            lambda: (
                media.tap(
                    ledger,
                    freshness,
                    reading=reading,
                    machine_id=_machine(),
                    at=clock.now(),
                    cause=cause(),
                )
                if principal().device_id or _is_mine(ledger, reading.uid)
                else Tapped(said(Verdict.COUNTERFEIT), ledger.position())
            )
        )
        judged = tapped.judgement
        metrics.judged(judged.verdict)
        known = wallet.tickets([slot.ticket_id for slot in judged.slots])
        answer = answer_of(
            judged,
            # One that the view does not know yet is loaded.
            lambda ticket_id: known.get(ticket_id) or ledger.ticket(ticket_id),
        )
        return answer, recorded(tapped.position)

    return routes.blueprint


def _machine() -> UUID | None:
    """Return the dispenser or till that asks; None for a person at a terminal."""
    who = principal()
    return who.device_id if who.roles & MACHINES else None


def _is_mine(ledger: Ledger, uid: bytes) -> bool:
    """A person's own token judges that person's cards; others are not known here."""
    stream = medium_id(uid)
    return ledger.knows(stream) and ledger.medium(uid).holder_id == party()


class Purpose(Protocol):
    """What a ticket is for."""

    @property
    def title(self) -> str: ...
    @property
    def right(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def question(self) -> int | None: ...


def answer_of(
    judged: Judgement, purpose_of: Callable[[UUID], Purpose]
) -> dict[str, Any]:
    """Return a `TapOut`, in JSON's own types."""
    slots = []
    for slot in judged.slots:
        purpose = purpose_of(slot.ticket_id)
        slots.append(
            {
                "slot": slot.slot,
                "ticket_id": str(slot.ticket_id),
                "verdict": slot.verdict,
                "code": slot.code,
                "says": slot.says,
                "title": purpose.title,
                "right": purpose.right,
                "kind": purpose.kind,
                "question": purpose.question,
            }
        )
    stale = any(slot.code == _MENDED_BY_REFRESH for slot in judged.slots)
    return {
        "verdict": judged.verdict,
        "says": judged.says,
        "code": judged.code,
        "slots": slots,
        "refresh_needed": stale or judged.code == _MENDED_BY_REFRESH,
    }
