"""What is given whole is free in the commit in which one of it can be given no more.

Whatever door that comes through: a machine, time, a bank that does not pay.
"""

from __future__ import annotations

from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import Life, LockKind
from ledger.aggregates.gift import Gift, GiftState
from ledger.application import Ledger
from ledger.ports import PersonalData
from ledger.usecases import dispensing, expiry, gifts
from ledger.usecases.gifts import Recipient
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, HOUR, NOON, TILL
from tests.usecases.checkouts import Till, card
from tests.usecases.foyer import CAUSE, Foyer, fresh
from tests.usecases.test_checkout import confirmed_but_not_captured
from tests.usecases.test_offline import printed, redeemed
from tests.usecases.test_sale_payments import Shop


def offer(
    ledger: Ledger, personal: PersonalData, *ticket_ids: UUID, by: UUID = ALICE
) -> UUID:
    """Offer these tickets to Bob, all or nothing."""
    offer_id = fresh()
    gifts.offer(
        ledger,
        personal,
        offer_id=offer_id,
        by=by,
        ticket_ids=ticket_ids,
        recipient=Recipient(BOB),
        until=NOON + 9 * HOUR,
        at=NOON,
        cause=CAUSE,
    )
    return offer_id


def assert_void(ledger: Ledger, offer_id: UUID, free: UUID) -> None:
    gift = ledger.find(Gift, offer_id)
    assert gift is not None
    assert gift.state == GiftState.VOIDED
    ticket = ledger.ticket(free)
    assert (ticket.lock.kind, ticket.offer) == (LockKind.NONE, None)


@pytest.fixture
def foyer(installation):
    return Foyer(installation)


@pytest.mark.parametrize("said_by", ["the machine", "an operator"])
def test_the_print_of_one_frees_the_other(foyer, said_by):
    (used, card), other = foyer.on_card(), foyer.ticket()
    offer_id = offer(foyer.ledger, foyer.its.personal, used, other)
    lease = foyer.lease(used, card)
    foyer.mark(used, card, lease, "D-0001")
    if said_by == "the machine":
        foyer.printed(used, lease, "D-0001")
    else:
        job = {"job_id": lease.job_id, "was_printed": True}
        foyer.do(dispensing.settle_print, ticket_id=used, **job)
    assert_void(foyer.ledger, offer_id, other)


def test_a_coupon_that_is_used_up_frees_the_other_and_one_that_is_not_does_not(foyer):
    coupon_id, card, other = foyer.coupon(uses_limit=2), foyer.card(), foyer.ticket()
    foyer.load(card, coupon_id)
    offer_id = offer(foyer.ledger, foyer.its.personal, coupon_id, other)
    foyer.use(coupon_id, card, "R-1")
    assert foyer.now(other).lock.ref == offer_id
    foyer.use(coupon_id, card, "R-2")
    assert foyer.now(coupon_id).life == Life.SPENT
    assert_void(foyer.ledger, offer_id, other)


@pytest.mark.parametrize("used", ["printed", "redeemed"])
def test_a_use_while_the_line_was_down_frees_the_other_when_it_is_reported(foyer, used):
    card, other = foyer.card(), foyer.ticket()
    spent = foyer.ticket() if used == "printed" else foyer.coupon(uses_limit=1)
    foyer.load(card, spent)
    offer_id = offer(foyer.ledger, foyer.its.personal, spent, other)
    fact = printed if used == "printed" else redeemed
    machine = DISPENSER if used == "printed" else TILL
    foyer.delegate(machine, offline=True)
    foyer.upload(machine, fact(spent, card), at=NOON)
    assert_void(foyer.ledger, offer_id, other)


def test_the_end_of_ones_validity_frees_the_other(foyer):
    short, other = foyer.ticket(not_after=NOON + HOUR), foyer.ticket()
    offer_id = offer(foyer.ledger, foyer.its.personal, short, other)
    foyer.do(expiry.expire, ticket_id=short, at=NOON + HOUR)
    assert_void(foyer.ledger, offer_id, other)


def test_one_that_the_card_never_paid_frees_the_other(installation):
    till = Till(installation)
    paid = till.buy()
    order_id, (unpaid,) = confirmed_but_not_captured(
        till, card(4_000, "tok-capture-declines")
    )
    offer_id = offer(till.ledger, till.personal, paid, unpaid)
    till.advance(order_id)
    assert till.ledger.ticket(unpaid).life == Life.REVOKED
    assert_void(till.ledger, offer_id, paid)


def test_one_that_goes_back_to_its_seller_frees_the_other():
    shop = Shop()
    shop.begin("tok-away-capture-capture-declines")
    [other] = shop.market.issue(owner_id=CAROL)
    offer_id = offer(shop.ledger, shop.market.personal, shop.ticket_id, other, by=CAROL)
    shop.advance()
    assert shop.owner == ALICE
    assert_void(shop.ledger, offer_id, other)
