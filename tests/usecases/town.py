"""A small town: people with purses, an issuer, an offering, and what they do."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from uuid import UUID

from ledger.aggregates.e_ticket import Terms
from ledger.application import Cause
from ledger.bootstrap import Installation
from ledger.usecases import accounts, catalogue, ownership, parties, resale, sales
from ledger.vocabulary.ids import account_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON

CAUSE = Cause(actor="test")
_ids = itertools.count(10_000)


def fresh() -> UUID:
    return UUID(int=next(_ids))


class Town:
    """Everybody registered, Alice and Carol with money, one offering on sale."""

    def __init__(self, installation: Installation, **offering: Any) -> None:
        self.ledger = installation.ledger
        self.personal = installation.personal
        self.desk = installation.desk
        for party_id in (ISSUER, ALICE, BOB, CAROL):
            parties.register(
                self.ledger,
                self.personal,
                party_id=party_id,
                kind="person",
                name=f"Somebody {party_id.int}",
                contact=None,
                at=NOON,
                cause=CAUSE,
            )
        for party_id in (ALICE, CAROL):
            self.top_up(party_id, 10_000)
        said: dict[str, Any] = {
            "offering_id": fresh(),
            "issuer_id": ISSUER,
            "title": "The Tempest",
            "kind": "admission",
            "price": Money(4_000, "EUR"),
            "places": ["A1", "A2", "A3"],
            "sale_from": NOON - HOUR,
            "sale_until": NOON + 24 * HOUR,
            "valid_from": NOON - HOUR,
            "valid_until": NOON + 48 * HOUR,
            "purchase_limit": 4,
            "uses_limit": 1,
            "question": None,
            "terms": Terms(royalty_percent=5),
        }
        said |= offering
        if "blocks" in offering:
            del said["price"], said["places"]
        self.offering_id = said["offering_id"]
        catalogue.open_offering(self.ledger, **said, at=NOON, cause=CAUSE)

    def top_up(self, party_id: UUID, amount_minor: int) -> None:
        accounts.top_up(
            self.ledger,
            entry_id=fresh(),
            party_id=party_id,
            amount=Money(amount_minor, "EUR"),
            reference="counter 1",
            at=NOON,
            cause=CAUSE,
        )

    def reserve(self, by=ALICE, *, at=NOON, **more):
        return sales.reserve(
            self.ledger,
            self.desk,
            order_id=fresh(),
            offering_id=self.offering_id,
            buyer_id=by,
            at=at,
            cause=CAUSE,
            **more,
        )

    def pay(self, order_id, by=ALICE, *, answer=None, at=NOON):
        return sales.pay(
            self.ledger,
            self.personal,
            order_id=order_id,
            entry_id=fresh(),
            by=by,
            answers=[] if answer is None else [answer],
            at=at,
            cause=CAUSE,
        )

    def buy(self, by=ALICE, **more):
        """Reserve and pay; return the ticket's id."""
        order = self.reserve(by)
        return self.pay(order.order_id, by, **more).ticket_id

    def offer(self, ticket_id, *, by=ALICE, to=BOB, at=NOON):
        return ownership.offer_gift(
            self.ledger,
            self.personal,
            ticket_id=ticket_id,
            offer_id=fresh(),
            by=by,
            to=to,
            until=at + timedelta(hours=1),
            at=at,
            cause=CAUSE,
        )

    def accept(self, ticket_id, offer, *, by=BOB, at=NOON):
        return ownership.accept_gift(
            self.ledger,
            self.personal,
            ticket_id=ticket_id,
            offer_id=offer.offer_id,
            by=by,
            terms_hash=offer.terms_hash,
            answer=None,
            at=at,
            cause=CAUSE,
        )

    def list_ticket(self, ticket_id, *, by=ALICE, price_minor=4_000, to=None, at=NOON):
        return resale.list_ticket(
            self.ledger,
            ticket_id=ticket_id,
            listing_id=fresh(),
            by=by,
            price_minor=price_minor,
            to=to,
            until=at + timedelta(hours=1),
            at=at,
            cause=CAUSE,
        )

    def buy_listed(self, ticket_id, listing, *, by=CAROL, at=NOON):
        return resale.buy(
            self.ledger,
            self.personal,
            ticket_id=ticket_id,
            listing_id=listing.listing_id,
            sale_id=fresh(),
            entry_id=fresh(),
            by=by,
            answer=None,
            at=at,
            cause=CAUSE,
        )

    def balance(self, party_id: UUID) -> int:
        return self.ledger.account(account_id(party_id, "e-money", "EUR")).balance_minor
