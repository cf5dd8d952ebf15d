"""Rights and money move together, once, and never against the rules."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ledger.aggregates.account import Entry, InsufficientFunds
from ledger.aggregates.e_ticket.refusals import (
    CapExceeded,
    Listed,
    NotTheOwner,
    NotYours,
    OfferExpired,
    OfferUnknown,
    TermsChanged,
)
from ledger.aggregates.order import OrderClosed, OrderExpired, OrderUnknown
from ledger.application import attempt
from ledger.errors import Overtaken, Refusal
from ledger.usecases import audit, modification, ownership, stock
from ledger.usecases.sales import AnswerMissing
from ledger.vocabulary.codes import Question
from tests.domain.examples import ALICE, BOB, CAROL, ISSUER, NOON
from tests.usecases.town import CAUSE, Town


def test_who_pays_a_reservation_owns_the_ticket(installation):
    town = Town(installation)
    ticket = town.ledger.ticket(town.buy(ALICE))
    assert (ticket.owner_id, ticket.epoch) == (ALICE, 1)
    assert town.balance(ALICE) == 6_000


def test_a_gift_moves_the_title_only_when_the_recipient_accepts(installation):
    town = Town(installation)
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    assert town.ledger.ticket(ticket_id).owner_id == ALICE
    with pytest.raises(NotYours):
        town.accept(ticket_id, offer, by=CAROL)
    town.accept(ticket_id, offer)
    ticket = town.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.epoch) == (BOB, 2)


def test_a_late_accept_is_refused_although_no_scheduler_ran(installation):
    town = Town(installation)
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    before = town.ledger.position()
    with pytest.raises(OfferExpired, match="expired at"):
        town.accept(ticket_id, offer, at=NOON + timedelta(hours=1))
    assert town.ledger.position() == before
    # The owner is free again, without anybody having cleared the offer away.
    town.list_ticket(ticket_id, at=NOON + timedelta(hours=1))


def test_a_change_by_the_issuer_asks_the_recipient_anew(installation):
    town = Town(installation)
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    modification.modify(
        town.ledger,
        ticket_id=ticket_id,
        by=ISSUER,
        changes={"right": "B7"},
        reason="the stage was moved",
        at=NOON,
        cause=CAUSE,
    )
    with pytest.raises(TermsChanged):
        town.accept(ticket_id, offer)


def test_a_resale_moves_money_and_title_in_one_commit(installation):
    town = Town(installation)
    ticket_id = town.buy(ALICE)
    listing = town.list_ticket(ticket_id, price_minor=3_999, to=CAROL)
    sale = town.buy_listed(ticket_id, listing)
    assert town.ledger.ticket(ticket_id).owner_id == CAROL
    assert (sale.split_minor["seller"], sale.split_minor["royalty"]) == (3_799, 200)
    assert town.balance(ALICE) == 6_000 + 3_799
    assert town.balance(CAROL) == 10_000 - 3_999
    entry: Entry = town.ledger.repository.get(sale.entry_id)
    assert sum(posting.amount_minor for posting in entry.postings) == 0


def test_without_the_money_neither_title_nor_money_moves(installation):
    town = Town(installation)
    ticket_id = town.buy(ALICE)
    listing = town.list_ticket(ticket_id)
    before = town.ledger.position()
    with pytest.raises(InsufficientFunds):
        town.buy_listed(ticket_id, listing, by=BOB)
    assert town.ledger.position() == before
    assert town.ledger.ticket(ticket_id).owner_id == ALICE


def test_a_price_above_the_cap_is_refused_with_the_cap(installation):
    town = Town(installation)
    with pytest.raises(CapExceeded) as refused:
        town.list_ticket(town.buy(), price_minor=4_001)
    assert refused.value.facts["cap_minor"] == 4_000


def test_a_listed_ticket_cannot_be_given_and_says_which_event_decided(installation):
    town = Town(installation)
    ticket_id = town.buy()
    town.list_ticket(ticket_id)
    with pytest.raises(Listed) as refused:
        town.offer(ticket_id)
    assert refused.value.because == (f"{ticket_id}/2",)


def test_only_the_owner_gives_or_sells(installation):
    town = Town(installation)
    ticket_id = town.buy(ALICE)
    with pytest.raises(NotTheOwner):
        town.offer(ticket_id, by=CAROL, to=BOB)
    with pytest.raises(NotTheOwner):
        town.list_ticket(ticket_id, by=CAROL)


def test_a_listing_that_is_not_there_cannot_be_bought(installation):
    town = Town(installation)
    ticket_id = town.buy(ALICE)
    listing = town.list_ticket(ticket_id)
    town.buy_listed(ticket_id, listing)
    with pytest.raises(OfferUnknown):
        town.buy_listed(ticket_id, listing, by=BOB)


def test_an_expired_reservation_cannot_be_paid_and_costs_nothing(installation):
    town = Town(installation)
    order = town.reserve()
    with pytest.raises(OrderExpired):
        town.pay(order.order_id, at=order.held_until)
    assert town.balance(ALICE) == 10_000


def test_an_order_is_paid_once_and_by_its_buyer(installation):
    town = Town(installation)
    order = town.reserve()
    with pytest.raises(OrderUnknown):
        town.pay(order.order_id, by=CAROL)
    town.pay(order.order_id)
    with pytest.raises(OrderClosed):
        town.pay(order.order_id)
    assert town.balance(ALICE) == 6_000


def test_a_question_to_the_holder_needs_an_answer_at_every_change_of_owner(
    installation,
):
    town = Town(installation, question=int(Question.POSTCODE))
    order = town.reserve()
    with pytest.raises(AnswerMissing, match="Postcode"):
        town.pay(order.order_id)
    ticket_id = town.pay(order.order_id, answer="AB1 2CD").ticket_id
    offer = town.offer(ticket_id)
    with pytest.raises(AnswerMissing):
        town.accept(ticket_id, offer)


def test_no_event_holds_a_name_or_an_answer_in_clear(installation):
    town = Town(installation, question=int(Question.POSTCODE))
    order = town.reserve()
    town.pay(order.order_id, answer="Rosebud 99")
    stored = b"".join(
        notification.state
        for notification in town.ledger.recorder.select_notifications(1, 1_000)
    )
    assert b"Rosebud" not in stored
    assert b"Somebody" not in stored


def test_two_who_buy_the_last_place_at_once_never_both_get_it(installation):
    town = Town(installation, places=["A1"])

    def try_to_reserve(by):
        try:
            return attempt(lambda: town.reserve(by))
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(try_to_reserve, [ALICE, CAROL] * 8))
    won = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    assert len(won) == 1
    assert stock.count(town.ledger, town.offering_id) == stock.StockCount(1, 0, 1, 0)


def test_accept_against_withdraw_lets_the_tickets_stream_decide(installation):
    town = Town(installation)
    for _ in range(3):
        ticket_id = town.buy()
        offer = town.offer(ticket_id)

        def withdraw(ticket_id=ticket_id, offer=offer):
            return ownership.withdraw_gift(
                town.ledger,
                ticket_id=ticket_id,
                offer_id=offer.offer_id,
                by=ALICE,
                at=NOON,
                cause=CAUSE,
            )

        def accept(ticket_id=ticket_id, offer=offer):
            return town.accept(ticket_id, offer)

        def outcome(move):
            try:
                return bool(attempt(move))
            except Refusal:
                return False

        with ThreadPoolExecutor(2) as pool:
            withdrawn, accepted = pool.map(outcome, [withdraw, accept])
        assert withdrawn != accepted
        owner = town.ledger.ticket(ticket_id).owner_id
        assert owner == (BOB if accepted else ALICE)
        town.top_up(ALICE, 4_000)


def test_a_writer_that_was_overtaken_leaves_nothing(installation):
    town = Town(installation)
    ticket_id = town.buy()
    slow = town.ledger.ticket(ticket_id)
    town.offer(ticket_id)
    slow.modify(by=ISSUER, changes={"right": "Z1"}, reason="moved", at=NOON)
    with pytest.raises(Overtaken):
        town.ledger.record(slow, cause=CAUSE)
    assert town.ledger.ticket(ticket_id).right == "A1"


def test_the_history_tells_who_owned_it_when_and_by_which_event(installation):
    town = Town(installation)
    ticket_id = town.buy(ALICE)
    town.accept(ticket_id, town.offer(ticket_id))
    listing = town.list_ticket(ticket_id, by=BOB)
    town.buy_listed(ticket_id, listing)
    owners = audit.owners(town.ledger, ticket_id=ticket_id)
    assert [(line.owner_id, line.event) for line in owners] == [
        (ALICE, "Issued"),
        (BOB, "GiftAccepted"),
        (CAROL, "Resold"),
    ]
    history = audit.history(town.ledger, ticket_id=ticket_id)
    assert [line.version for line in history] == [1, 2, 3, 4, 5]
    assert all(line.by == "test" for line in history)
