"""A seller with a shop of its own tells the centre, which issues the e-tickets.

Planted and caught: a seller without a mandate; a second sale for a reference that was
told again; a commission that is rounded away; a returned sale that keeps its place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger.aggregates.account import Entry
from ledger.aggregates.allotment import PlaceTaken, SoldOut
from ledger.aggregates.allowance import LimitReached
from ledger.aggregates.e_ticket import Life, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.mandate import NotMandated
from ledger.aggregates.offering import Block, Category, NotOnSale
from ledger.aggregates.registered_sale import (
    ReferenceReused,
    RegisteredSaleUnknown,
    SaleCancelled,
)
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.usecases import (
    cancellation,
    elsewhere,
    mandates,
    parties,
    resale,
    stock,
    transmission,
)
from ledger.vocabulary.ids import elsewhere_id
from ledger.vocabulary.money import Money
from ledger.vocabulary.sealed_ticket import Transmission, unseal
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.test_given_whole import offer
from tests.usecases.town import CAUSE, Town, fresh

SHOP = CAROL


def mandated(installation, *, percent=5, **offering):
    town = Town(installation, **offering)
    mandates.give_mandate(
        town.ledger,
        issuer_id=ISSUER,
        seller_id=SHOP,
        commission_percent=percent,
        at=NOON,
        cause=CAUSE,
    )
    return town


def tell(town, reference="S-1", *, count=1, taken=None, to=ALICE, at=NOON, **more):
    return elsewhere.register(
        town.ledger,
        town.desk,
        town.personal,
        **{"seller_id": SHOP} | more,
        reference=reference,
        offering_id=town.offering_id,
        purchaser_id=to,
        ticket_ids=[fresh() for _ in range(count)],
        entry_id=fresh(),
        taken=Money(4_000 * count if taken is None else taken, "EUR"),
        at=at,
        cause=CAUSE,
    )


def take_back(town, reference="S-1", *, seller_id=SHOP, at=NOON):
    return elsewhere.cancel(
        town.ledger,
        town.desk,
        seller_id=seller_id,
        reference=reference,
        reason="returned at the counter",
        entry_id=fresh(),
        at=at,
        cause=CAUSE,
    )


def postings(town, entry_id):
    entry = town.ledger.find(Entry, entry_id)
    return {posting.account: posting.amount_minor for posting in entry.postings}


def sale_of(town, reference="S-1"):
    return town.ledger.repository.get(elsewhere_id(SHOP, reference))


def counted(town):
    return stock.count(town.ledger, town.offering_id, at=NOON)


def test_the_purchaser_owns_the_e_ticket_and_the_seller_owes_its_price(installation):
    town = mandated(installation, percent=7)
    told = tell(town)
    ticket = town.ledger.ticket(told.ticket_ids[0])
    assert (ticket.owner_id, ticket.source, ticket.price_minor) == (
        ALICE,
        "elsewhere",
        4_000,
    )
    assert (told.price_minor, told.commission_minor) == (4_000, 280)
    assert postings(town, sale_of(town).entry_id) == {
        f"revenue/{ISSUER}/EUR": 4_000,
        f"commission/{ISSUER}/EUR": -280,
        f"receivable/{SHOP}/EUR": -3_720,
    }
    assert counted(town).sold == 1
    assert town.balance(ALICE) == 10_000


def test_an_odd_price_is_divided_to_the_last_minor_unit(installation):
    town = mandated(installation, percent=7, price=Money(3_999, "EUR"))
    assert tell(town, taken=3_999).commission_minor == 280  # 279.93
    assert sum(postings(town, sale_of(town).entry_id).values()) == 0


def test_the_centre_transmits_the_e_ticket_to_the_purchasers_terminal(installation):
    town = mandated(installation)
    ticket_id = tell(town).ticket_ids[0]
    terminal_id, key = fresh(), X25519PrivateKey.generate()
    parties.enrol(
        town.ledger,
        device_id=terminal_id,
        keeper_id=ALICE,
        kind="terminal",
        public_key=key.public_key().public_bytes_raw().hex(),
        label="Alice's phone",
        at=NOON,
        cause=CAUSE,
    )
    origin = installation.origin
    sent = transmission.transmit(
        town.ledger,
        town.personal,
        installation.secrets,
        ticket_id=ticket_id,
        terminal_id=terminal_id,
        by=ALICE,
        origin=origin,
        at=NOON,
    )
    context = Transmission(origin, ticket_id, sent.epoch, terminal_id)
    assert unseal(sent.sealed, key=key, context=context)


def test_a_sale_told_again_is_answered_again_and_happens_once(installation):
    town = mandated(installation)
    first = tell(town)
    before = town.ledger.position()
    again = tell(town)
    assert (again.ticket_ids, again.price_minor) == (
        first.ticket_ids,
        first.price_minor,
    )
    assert town.ledger.position() == before
    # Even once the sale is over, or the mandate withdrawn: it has happened.
    mandates.withdraw_mandate(
        town.ledger, issuer_id=ISSUER, seller_id=SHOP, at=NOON, cause=CAUSE
    )
    assert tell(town, at=NOON + 24 * HOUR).ticket_ids == first.ticket_ids


@pytest.mark.parametrize(
    "other", [{"to": BOB}, {"count": 2}, {"taken": 1}, {"place": "A2"}]
)
def test_a_reference_told_with_another_content_is_refused(installation, other):
    town = mandated(installation)
    tell(town)
    before = town.ledger.position()
    with pytest.raises(ReferenceReused) as refused:
        tell(town, **other)
    assert refused.value.code == "idempotency"
    assert refused.value.because == (f"{elsewhere_id(SHOP, 'S-1')}/1",)
    assert town.ledger.position() == before


def test_only_whom_the_issuer_has_authorised_sells(installation):
    town = mandated(installation)
    with pytest.raises(NotMandated):
        tell(town, seller_id=BOB)
    mandates.withdraw_mandate(
        town.ledger, issuer_id=ISSUER, seller_id=SHOP, at=NOON, cause=CAUSE
    )
    with pytest.raises(NotMandated):
        tell(town, "S-2")
    assert counted(town).free == 3


def test_a_seller_sells_at_the_issuers_price_within_the_sale_and_the_limit(
    installation,
):
    town = mandated(installation, purchase_limit=2)
    with pytest.raises(elsewhere.PriceDiffers):
        tell(town, taken=3_999)
    with pytest.raises(NotOnSale):
        tell(town, at=NOON + 24 * HOUR)
    tell(town, count=2)
    with pytest.raises(LimitReached):
        tell(town, "S-2")
    with pytest.raises(SoldOut):
        tell(town, "S-3", count=2, to=BOB)
    assert (counted(town).sold, counted(town).free) == (2, 1)


def test_fees_and_categories_are_part_of_the_price_and_of_the_cap(installation):
    town = mandated(
        installation,
        currency="EUR",
        categories=[Category("stalls", 5_000, 250), Category("gallery", 1_000)],
        blocks=[Block("stalls", count=2), Block("gallery", count=2)],
    )
    told = tell(town, taken=5_250, category="stalls")
    ticket = town.ledger.ticket(told.ticket_ids[0])
    assert (ticket.category, ticket.price_minor, ticket.fees_minor) == (
        "stalls",
        5_000,
        250,
    )
    assert ticket.resale_cap_minor == 5_250


def test_a_return_undoes_money_place_and_share_exactly(installation):
    town = mandated(installation, percent=3, purchase_limit=2)
    told = tell(town, count=2)
    made = sale_of(town).entry_id
    take_back(town)
    undone = sale_of(town).entry_id
    back = [
        event.entry_id
        for _, event in town.ledger.events_of(told.sale_id)
        if hasattr(event, "reason")
    ]
    assert postings(town, back[0]) == {
        account: -amount for account, amount in postings(town, made).items()
    }
    assert undone == made
    assert {town.ledger.ticket(each).life for each in told.ticket_ids} == {Life.VOIDED}
    assert (counted(town).free, counted(town).sold) == (3, 0)
    tell(town, "S-2", count=2)
    with pytest.raises(SaleCancelled):
        tell(town, count=2)


def test_a_return_told_again_changes_nothing_and_of_strangers_nothing_is_known(
    installation,
):
    town = mandated(installation)
    tell(town)
    take_back(town)
    before = town.ledger.position()
    take_back(town)
    assert town.ledger.position() == before
    with pytest.raises(RegisteredSaleUnknown):
        take_back(town, seller_id=BOB)


def test_what_was_given_on_or_is_listed_is_not_returned(installation):
    town = mandated(installation, terms=Terms())
    told = tell(town, count=2)
    kept, given = told.ticket_ids
    listing = town.list_ticket(kept)
    with pytest.raises(no.Listed):
        take_back(town)
    resale.unlist(
        town.ledger,
        ticket_id=kept,
        listing_id=listing.listing_id,
        by=ALICE,
        at=NOON,
        cause=CAUSE,
    )
    town.accept(given, town.offer(given))
    with pytest.raises(no.NotOnePiece):
        take_back(town)
    assert town.ledger.ticket(kept).life == Life.OWNED
    assert counted(town).sold == 2


def test_of_a_group_that_was_sold_elsewhere_what_is_left_can_still_be_given(
    installation,
):
    town = mandated(installation, terms=Terms(together=True), purchase_limit=9)
    ended, one, other = tell(town, count=3).ticket_ids
    with pytest.raises(no.GroupTogether):
        offer(town.ledger, town.personal, one, other)
    ticket = town.ledger.ticket(ended)
    ticket.revoke(reason="lost", by=ISSUER, at=NOON)
    town.ledger.record(ticket, cause=CAUSE)
    offer(town.ledger, town.personal, one, other)


def test_what_stands_on_a_card_is_cleared_before_it_is_returned(installation):
    town = mandated(installation)
    (ticket_id,) = tell(town).ticket_ids
    ticket = town.ledger.ticket(ticket_id)
    write = fresh()
    ticket.prepare_write(
        write_id=write, medium_uid="04", slot=0, seq=1, by=ALICE, at=NOON
    )
    ticket.confirm_write(
        write_id=write, medium_uid="04", slot=0, epoch=ticket.epoch, at=NOON
    )
    town.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(no.StillOnMedium):
        take_back(town)


def test_the_same_sale_told_twice_at_once_happens_once(installation):
    town = mandated(installation)
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: attempt(lambda: tell(town)), range(4)))
    assert len({answer.ticket_ids for answer in told}) == 1
    assert counted(town).sold == 1


def test_two_sellers_of_one_place_never_both_sell_it(installation):
    town = mandated(installation)
    mandates.give_mandate(
        town.ledger,
        issuer_id=ISSUER,
        seller_id=BOB,
        commission_percent=0,
        at=NOON,
        cause=CAUSE,
    )

    def outcome(seller_id):
        try:
            return attempt(
                lambda: tell(town, seller_id=seller_id, place="A1")
            ).ticket_ids
        except Refusal as refusal:
            return type(refusal)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, [SHOP, BOB]))
    assert outcomes.count(PlaceTaken) == 1
    assert counted(town).sold == 1


def called_off(town):
    """Cancel the offering, and take every ticket of it back."""
    cancellation.begin(
        town.ledger,
        offering_id=town.offering_id,
        by=ISSUER,
        reason="the theatre burnt down",
        at=NOON,
        cause=CAUSE,
    )
    cancellation.pay_back(
        town.ledger, offering_id=town.offering_id, at=NOON, cause=CAUSE
    )


def test_14_a_seller_owes_nothing_for_what_was_called_off_once_he_returned_it(
    installation,
):
    town = mandated(installation, percent=7)
    told = tell(town, count=2)
    town.offer(told.ticket_ids[0])
    called_off(town)
    lives = [town.ledger.ticket(each).life for each in told.ticket_ids]
    assert lives == [Life.REFUNDED, Life.REFUNDED]
    take_back(town)
    *_, cancelled = [event for _, event in town.ledger.events_of(sale_of(town).id)]
    assert postings(town, cancelled.entry_id) == {
        account: -amount
        for account, amount in postings(town, sale_of(town).entry_id).items()
    }
    assert (counted(town).free, counted(town).sold) == (3, 0)
