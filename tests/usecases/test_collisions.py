"""Two actors want the same ticket at once: who wins, and what the other is told.

The number in a test's name is that of the collision in docs/coverage.md. Here are
those in which machines, givers and buyers meet; cases and money have files of their
own. Where two actors meet they are two writers on one PostgreSQL.
"""

from datetime import timedelta
from functools import partial
from typing import cast

import pytest

from ledger.aggregates.e_ticket import FormKind, Life, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.registered_sale import ReferenceReused
from ledger.errors import Refusal
from ledger.ports import CardAuthority
from ledger.usecases import (
    dispensing,
    elsewhere,
    mandates,
    media,
    modification,
    parties,
)
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.lifecycle.props import Cards
from tests.usecases.meeting import at_once
from tests.usecases.town import CAUSE, Town, fresh

ROUNDS = 4


class Foyer(Town):
    """A town with a card of Alice's and two dispensers."""

    def __init__(self, installation, **offering):
        offering.setdefault("terms", Terms(on_medium="exposure"))
        offering.setdefault("price", Money(400, "EUR"))
        super().__init__(installation, **offering)
        self.cards, self.secrets = Cards(), installation.secrets
        self.terminal = self._enrolled("terminal")
        self.dispensers = [self._enrolled("dispenser"), self._enrolled("dispenser")]
        # Asked for proofs alone: it holds no keys and opens no session.
        self.authority = cast("CardAuthority", self.cards)
        self.card = self.cards.make(1, ALICE)
        media.register(
            self.ledger,
            device_id=self._enrolled("personaliser"),
            uid=self.card.uid,
            holder_id=ALICE,
            profile="desfire-1",
            key_version=1,
            at=NOON,
            cause=CAUSE,
        )

    def _enrolled(self, kind):
        device_id = fresh()
        parties.enrol(
            self.ledger,
            device_id=device_id,
            kind=kind,
            keeper_id=ISSUER,
            public_key="09" + "00" * 31,
            label=kind,
            at=NOON,
            cause=CAUSE,
        )
        return device_id

    def on_card(self):
        """Buy a ticket and record it on Alice's card; return its id."""
        ticket_id = self.buy()
        prepared = media.prepare_write(
            self.ledger,
            self.personal,
            self.secrets,
            reading=self.card.reading(),
            write_id=fresh(),
            load=[ticket_id],
            unload=[],
            terminal_id=self.terminal,
            by=ALICE,
            origin="town.example/log",
            at=NOON,
            cause=CAUSE,
        )
        assert prepared.write is not None
        media.settle_write(
            self.ledger,
            self.authority,
            uid=self.card.uid,
            write_id=prepared.write.write_id,
            proof=self.cards.commit(prepared.write),
            by=ALICE,
            at=NOON,
            cause=CAUSE,
        )
        return ticket_id

    def slot_of(self, ticket_id):
        return self.ledger.ticket(ticket_id).form.slot

    def start(self, ticket_id, *, number=0, job_id=None, at=NOON, slot=0):
        return dispensing.start(
            self.ledger,
            ticket_id=ticket_id,
            reading=self.card.reading(),
            slot=slot,
            expected_epoch=self.card.slots[slot].epoch,
            answered=True,
            device_id=self.dispensers[number],
            job_id=job_id or fresh(),
            write_id=fresh(),
            at=at,
            cause=CAUSE,
        )

    def mark(self, ticket_id, lease, *, serial="T-000001"):
        return dispensing.mark(
            self.ledger,
            self.authority,
            self.secrets,
            ticket_id=ticket_id,
            job_id=lease.job_id,
            uid=self.card.uid,
            write_id=lease.write.write_id,
            proof=self.cards.commit(lease.write),
            serial=serial,
            device_id=self.dispensers[0],
            at=NOON,
            cause=CAUSE,
        )

    def printed(self, ticket_id, lease, *, serial="T-000001", at=NOON):
        return dispensing.printed(
            self.ledger,
            ticket_id=ticket_id,
            job_id=lease.job_id,
            serial=serial,
            device_id=self.dispensers[0],
            device_time=None,
            at=at,
            cause=CAUSE,
        )


def test_3_of_a_dispenser_and_an_accept_at_once_one_gets_the_ticket(installation):
    foyer = Foyer(installation, places=[f"A{n}" for n in range(ROUNDS)])
    for _ in range(ROUNDS):
        ticket_id = foyer.on_card()
        offer, slot = foyer.offer(ticket_id), foyer.slot_of(ticket_id)
        leased, accepted = at_once(
            partial(foyer.start, ticket_id, slot=slot),
            partial(foyer.accept, ticket_id, offer),
        )
        ticket = foyer.ledger.ticket(ticket_id)
        if ticket.owner_id == BOB:
            # The copy on the sender's card is not the ticket any more.
            assert leased in ("medium_stale", "epoch_stale")
        else:
            assert accepted == "in_dispense"
            foyer.mark(ticket_id, leased, serial=f"T-{leased.job_id.int}")
            foyer.printed(ticket_id, leased, serial=f"T-{leased.job_id.int}")
            with pytest.raises(no.AlreadyDispensed):
                foyer.accept(ticket_id, offer)


def test_4_of_two_dispensers_at_once_one_gets_the_lease(installation):
    foyer = Foyer(installation)
    ticket_id = foyer.on_card()
    first, second = at_once(
        lambda: foyer.start(ticket_id, number=0),
        lambda: foyer.start(ticket_id, number=1),
    )
    refused = [each for each in (first, second) if isinstance(each, str)]
    assert refused in (["in_dispense"], ["in_doubt"])


def test_5_while_it_is_not_known_what_was_printed_nobody_gets_the_ticket(installation):
    foyer = Foyer(installation)
    ticket_id = foyer.on_card()
    lease = foyer.start(ticket_id)
    foyer.mark(ticket_id, lease)
    long_after = NOON + 5 * HOUR
    with pytest.raises(no.InDispense):
        foyer.offer(ticket_id, at=long_after)
    with pytest.raises(no.InDispense):
        foyer.list_ticket(ticket_id, at=long_after)
    foyer.printed(ticket_id, lease, at=long_after)
    ticket = foyer.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.form.serial) == (Life.DISPENSED, "T-000001")


def test_7_modified_while_offered_the_owner_is_refused_the_issuer_asks_anew(
    installation,
):
    places = [f"A{n}" for n in range(ROUNDS)]
    town = Town(installation, places=places, price=Money(400, "EUR"))

    def modify(ticket_id, by):
        return modification.modify(
            town.ledger,
            ticket_id=ticket_id,
            by=by,
            changes={"right": "B7"},
            reason="the stage was moved",
            at=NOON,
            cause=CAUSE,
        )

    for _ in range(ROUNDS):
        ticket_id = town.buy()
        offer = town.offer(ticket_id)
        with pytest.raises(Refusal) as refused:
            modify(ticket_id, ALICE)
        assert refused.value.code in ("not_owner", "in_gift")
        modified, accepted = at_once(
            partial(modify, ticket_id, ISSUER),
            partial(town.accept, ticket_id, offer),
        )
        assert not isinstance(modified, str)
        ticket = town.ledger.ticket(ticket_id)
        assert ticket.owner_id == (ALICE if accepted == "epoch_stale" else BOB)


def test_8_a_late_accept_is_told_when_it_expired_though_no_scheduler_ran(installation):
    town = Town(installation)
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    with pytest.raises(no.OfferExpired, match=offer.until.isoformat()[:16]):
        town.accept(ticket_id, offer, at=offer.until)
    late = offer.until + timedelta(days=1)
    again = town.offer(ticket_id, at=late)
    town.accept(ticket_id, again, at=late)
    assert town.ledger.ticket(ticket_id).owner_id == BOB


def test_9_what_stays_together_is_not_given_or_sold_in_part(installation):
    town = Town(installation, terms=Terms(together=True, on_medium="exposure"))
    order = town.reserve(count=2)
    bought = town.pay(order.order_id).ticket_ids
    with pytest.raises(no.GroupTogether):
        town.accept(bought[0], town.offer(bought[0]))
    listing = town.list_ticket(bought[1])
    with pytest.raises(no.GroupTogether):
        town.buy_listed(bought[1], listing)


def test_11_the_sellers_card_is_stale_and_the_buyer_keeps_the_ticket(installation):
    foyer = Foyer(installation)
    ticket_id = foyer.on_card()
    listing = foyer.list_ticket(ticket_id, price_minor=400)
    foyer.buy_listed(ticket_id, listing)
    with pytest.raises(Refusal) as refused:
        foyer.start(ticket_id)
    assert refused.value.code in ("medium_stale", "epoch_stale")
    ticket = foyer.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.form.kind) == (CAROL, FormKind.ELECTRONIC)


def test_11_of_a_sale_and_a_tap_of_the_sellers_card_at_once_one_wins(installation):
    foyer = Foyer(installation)
    ticket_id = foyer.on_card()
    listing = foyer.list_ticket(ticket_id, price_minor=400)
    leased, _ = at_once(
        lambda: foyer.start(ticket_id), lambda: foyer.buy_listed(ticket_id, listing)
    )
    # A listed ticket is not dispensed, and a sold one not from the seller's card.
    assert leased in ("listed", "medium_stale", "epoch_stale")
    assert foyer.ledger.ticket(ticket_id).owner_id == CAROL


def a_seller(town):
    """Return how a seller with a mandate registers a sale of a place as "shop-1"."""
    mandates.give_mandate(
        town.ledger,
        issuer_id=ISSUER,
        seller_id=CAROL,
        commission_percent=10,
        at=NOON,
        cause=CAUSE,
    )

    def register(place, reference="shop-1"):
        return elsewhere.register(
            town.ledger,
            town.desk,
            town.personal,
            seller_id=CAROL,
            reference=reference,
            offering_id=town.offering_id,
            purchaser_id=BOB,
            ticket_ids=[fresh()],
            entry_id=fresh(),
            taken=Money(4_000, "EUR"),
            place=place,
            at=NOON,
            cause=CAUSE,
        )

    return register


def test_16_the_same_reference_with_another_body_has_its_own_refusal(installation):
    register = a_seller(Town(installation))
    first = register("A1")
    assert register("A1").ticket_ids == first.ticket_ids
    with pytest.raises(ReferenceReused):
        register("A2")


def test_16_of_one_reference_with_two_bodies_at_once_one_is_registered(installation):
    places = [f"{row}{n}" for row in "AB" for n in range(ROUNDS)]
    register = a_seller(Town(installation, places=places, purchase_limit=99))
    for n in range(ROUNDS):
        told = at_once(*(partial(register, f"{row}{n}", f"shop-{n}") for row in "AABB"))
        sold = [each for each in told if not isinstance(each, str)]
        assert told.count(ReferenceReused.code) == 2
        assert len({tuple(each.ticket_ids) for each in sold}) == 1
        # The place of the refused one is free for the next.
        other = "B" if told[2] == ReferenceReused.code else "A"
        assert register(f"{other}{n}", f"next-{n}").ticket_ids
