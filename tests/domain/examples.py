"""The people, times and tickets that tests of the domain speak of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Terms
from ledger.aggregates.offering import Block, Category, Offering

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ISSUER, ALICE, BOB, CAROL = (UUID(int=n) for n in range(1, 5))
DISPENSER, TERMINAL, TILL = (UUID(int=n) for n in range(21, 24))
TICKET, OFFERING, ORDER = UUID(int=100), UUID(int=101), UUID(int=102)
UID = bytes.fromhex("04a1b2c3d4e5f6")


def a_ticket(**given: Any) -> ETicket:
    """Return a ticket that Alice owns; `given` replaces what was issued."""
    said: dict[str, Any] = {
        "ticket_id": TICKET,
        "order_id": ORDER,
        "offering_id": OFFERING,
        "issuer_id": ISSUER,
        "owner_id": ALICE,
        "kind": "admission",
        "title": "The Tempest",
        "right": "Row 4 Seat 12",
        "not_before": NOON - HOUR,
        "not_after": NOON + 100 * HOUR,
        "price_minor": 4_000,
        "currency": "EUR",
        "uses_limit": 1,
        "terms": Terms(resale_cap_percent=110, royalty_percent=5, on_medium="exposure"),
        "question": None,
        "check_sealed": None,
        "at": NOON,
    }
    return ETicket.issue(**(said | given))


def an_offering(**given: Any) -> Offering:
    said: dict[str, Any] = {
        "offering_id": OFFERING,
        "issuer_id": ISSUER,
        "title": "The Tempest",
        "kind": "admission",
        "currency": "EUR",
        "categories": [Category(None, 4_000)],
        "blocks": [Block(None, ("A1", "A2", "A3"))],
        "sale_from": NOON - HOUR,
        "sale_until": NOON + 24 * HOUR,
        "valid_from": NOON + 24 * HOUR,
        "valid_until": NOON + 48 * HOUR,
        "purchase_limit": 2,
        "uses_limit": 1,
        "question": None,
        "terms": Terms(),
        "at": NOON,
    }
    return Offering.open(**(said | given))
