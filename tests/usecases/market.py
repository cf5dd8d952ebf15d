"""A market of tickets: people with purses, tickets of theirs, and how they trade."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.account import Entry
from ledger.aggregates.e_ticket import HoldKind, Terms
from ledger.aggregates.party import Party
from ledger.aggregates.sale import Sale
from ledger.application import Cause, Ledger
from ledger.ports import PersonalData
from ledger.usecases import accounts, catalogue, clawbacks, payouts, resale
from ledger.usecases.accounts import Leg, points_ref, purse_ref
from ledger.usecases.resale import Bought, ListedTicket
from ledger.usecases.settlement import Wanted, sale_of
from ledger.usecases.tenders import Tender
from ledger.vocabulary.ids import account_id
from ledger.vocabulary.money import Money
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    HOUR,
    ISSUER,
    NOON,
    OFFERING,
    UID,
    a_ticket,
)
from tests.lifecycle.memory import MemoryLedger

CAUSE = Cause(actor="test")
PEOPLE = (ALICE, BOB, CAROL)
TERMS: Mapping[str, Any] = {
    "resale_cap_percent": 120,
    "royalty_percent": 7,
    "platform_percent": 3,
    "tax_percent": 11,
}
_ids = itertools.count(50_000)


def fresh() -> UUID:
    return UUID(int=next(_ids))


class Unsealed:
    """Keeps what is said as it is: a test can read what was answered."""

    def seal(self, subject_id: UUID, text: str) -> str:
        return f"{subject_id.int}:{text}"

    def open(self, subject_id: UUID, sealed: str) -> str | None:
        return sealed.partition(":")[2]

    def destroy(self, subject_id: UUID) -> None:
        """There is no key: everything stays readable."""


class Market:
    """Everybody known, each with a purse; tickets are issued without an order."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        purse_minor: int = 10_000,
        purchase_limit: int = 50,
        max_points_percent: int = 100,
        personal: PersonalData | None = None,
    ) -> None:
        self.ledger = ledger
        self.personal: PersonalData = personal or Unsealed()
        known = [
            Party.register(
                party_id=party_id,
                kind="person",
                name_sealed="",
                contact_sealed=None,
                at=NOON,
            )
            for party_id in PEOPLE
        ]
        ledger.record(*known, cause=CAUSE)
        catalogue.open_offering(
            ledger,
            offering_id=OFFERING,
            issuer_id=ISSUER,
            title="The Tempest",
            kind="admission",
            price=Money(4_000, "EUR"),
            places=["A1"],
            sale_from=NOON - HOUR,
            sale_until=NOON + HOUR,
            valid_from=NOON - HOUR,
            valid_until=NOON + 100 * HOUR,
            purchase_limit=purchase_limit,
            uses_limit=1,
            question=None,
            terms=Terms(),
            max_points_percent=max_points_percent,
            at=NOON,
            cause=CAUSE,
        )
        for party_id in PEOPLE:
            self.top_up(party_id, purse_minor)

    def top_up(self, party_id: UUID, amount_minor: int, *, at: datetime = NOON) -> None:
        work = self.ledger.work()
        accounts.move(
            work,
            entry_id=fresh(),
            legs=[
                Leg(purse_ref(party_id, "EUR"), Money(amount_minor, "EUR")),
                Leg("counter/EUR", Money(-amount_minor, "EUR")),
            ],
            reason="top-up",
            reference="counter 1",
            at=at,
        )
        work.record(CAUSE)

    def give_points(self, party_id: UUID, points: int) -> None:
        work = self.ledger.work()
        accounts.move(
            work,
            entry_id=fresh(),
            legs=[
                Leg(points_ref(party_id, ISSUER), Money(points, "PTS")),
                Leg(accounts.points_issued_of(ISSUER), Money(-points, "PTS")),
            ],
            reason="points",
            reference="a present",
            at=NOON,
        )
        work.record(CAUSE)

    def points(self, party_id: UUID) -> int:
        return self.ledger.account(points_ref(party_id, ISSUER).id).balance_minor

    def issue(self, *, count: int = 1, **given: Any) -> list[UUID]:
        """Issue tickets to Alice; `terms` are added to the market's."""
        terms = Terms(**(dict(TERMS) | given.pop("terms", {})))
        tickets = [
            a_ticket(ticket_id=fresh(), order_id=None, terms=terms, **given)
            for _ in range(count)
        ]
        self.ledger.record(*tickets, cause=CAUSE)
        return [ticket.id for ticket in tickets]

    def list_ticket(
        self,
        ticket_id: UUID,
        price_minor: int = 4_000,
        *,
        by: UUID = ALICE,
        to: UUID | None = None,
        at: datetime = NOON,
    ) -> ListedTicket:
        return resale.list_ticket(
            self.ledger,
            ticket_id=ticket_id,
            listing_id=fresh(),
            by=by,
            price_minor=price_minor,
            to=to,
            until=at + 24 * HOUR,
            at=at,
            cause=CAUSE,
        )

    def unlist(self, ticket_id: UUID, *, by: UUID = ALICE, at: datetime = NOON) -> int:
        return resale.unlist(
            self.ledger,
            ticket_id=ticket_id,
            listing_id=self.listing_of(ticket_id),
            by=by,
            at=at,
            cause=CAUSE,
        )

    def buy(
        self,
        *ticket_ids: UUID,
        by: UUID = CAROL,
        answer: str | None = None,
        offered: Sequence[Tender] | None = None,
        at: datetime = NOON,
    ) -> Bought:
        """Buy listed tickets together, with e-money unless more is offered."""
        return resale.buy_together(
            self.ledger,
            self.personal,
            wanted=self.wanted(ticket_ids, answer),
            sale_id=fresh(),
            entry_id=fresh(),
            by=by,
            offered=offered,
            at=at,
            cause=CAUSE,
        )

    def wanted(
        self, ticket_ids: Sequence[UUID], answer: str | None = None
    ) -> list[Wanted]:
        return [Wanted(each, self.listing_of(each), answer) for each in ticket_ids]

    def listing_of(self, ticket_id: UUID) -> UUID:
        listing = self.ledger.ticket(ticket_id).listing
        return listing.listing_id if listing else ticket_id

    def freeze(
        self,
        ticket_id: UUID,
        *,
        case_id: UUID = ALICE,
        effects: Collection[str] = ("no_title",),
        at: datetime = NOON,
    ) -> None:
        ticket = self.ledger.ticket(ticket_id)
        ticket.freeze(case_id=case_id, kind=HoldKind.DISPUTE, effects=effects, at=at)
        self.ledger.record(ticket, cause=CAUSE)

    def unfreeze(
        self, ticket_id: UUID, *, case_id: UUID = ALICE, at: datetime = NOON
    ) -> None:
        ticket = self.ledger.ticket(ticket_id)
        ticket.unfreeze(case_id=case_id, at=at)
        self.ledger.record(ticket, cause=CAUSE)

    def pay_out(self, sale_id: UUID, *, at: datetime = NOON) -> dict[str, int]:
        return payouts.payout(
            self.ledger, sale_id=sale_id, at=at, cause=CAUSE
        ).split_minor

    def reverse(self, sale_id: UUID, *ticket_ids: UUID, **more: Any) -> None:
        """Give the buyer his money back; the titles are not what is tried here."""
        work = self.ledger.work()
        clawbacks.reverse_sale(
            work,
            sale_id=sale_id,
            decision_id=fresh(),
            ticket_ids=ticket_ids or None,
            at=NOON,
            **more,
        )
        work.record(CAUSE)

    def compensate(
        self, sale_id: UUID, to: UUID, amount_minor: int, **more: Any
    ) -> None:
        work = self.ledger.work()
        clawbacks.compensate(
            work,
            sale_id=sale_id,
            to=to,
            amount=Money(amount_minor, "EUR"),
            entry_id=fresh(),
            decision_id=fresh(),
            at=NOON,
            **more,
        )
        work.record(CAUSE)

    def spend(self, party_id: UUID, amount_minor: int, *, at: datetime = NOON) -> None:
        self.top_up(party_id, -amount_minor, at=at)

    def record_on_card(self, ticket_id: UUID, *, slot: int) -> None:
        """Let the ticket stand on its owner's card."""
        place: dict[str, Any] = {"medium_uid": UID.hex(), "slot": slot}
        ticket, write_id = self.ledger.ticket(ticket_id), fresh()
        ticket.prepare_write(
            write_id=write_id,
            by=ticket.owner_id,
            seq=1,
            at=NOON,
            **place,
        )
        ticket.confirm_write(write_id=write_id, epoch=ticket.epoch, at=NOON, **place)
        self.ledger.record(ticket, cause=CAUSE)

    def entries(self) -> list[Entry]:
        """Return every entry but for what was paid in, of a ledger in memory."""
        assert isinstance(self.ledger, MemoryLedger)
        return [
            each
            for each in self.ledger.replayed()
            if isinstance(each, Entry)
            and not any(at.account.startswith("counter/") for at in each.postings)
        ]

    def balance(self, account: str) -> int:
        """Sum what was posted to an account without a floor."""
        return sum(
            posting.amount_minor
            for entry in self.entries()
            for posting in entry.postings
            if posting.account == account
        )

    def sale(self, sale_id: UUID) -> Sale:
        return sale_of(self.ledger.work(), sale_id)

    def owner(self, ticket_id: UUID) -> UUID:
        return self.ledger.ticket(ticket_id).owner_id

    def purse(self, party_id: UUID) -> int:
        return self.ledger.account(account_id(party_id, "e-money", "EUR")).balance_minor

    def purse_name(self, party_id: UUID) -> str:
        """Return how postings name a party's purse."""
        return str(account_id(party_id, "e-money", "EUR"))
