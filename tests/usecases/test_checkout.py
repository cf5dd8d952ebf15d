"""Paying a reservation with points, e-money and a card: to tickets, or to nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import permutations
from uuid import UUID

import pytest

from ledger.aggregates.account import Account, InsufficientFunds
from ledger.aggregates.e_ticket import Life, Terms
from ledger.aggregates.order import (
    OrderClosed,
    OrderExpired,
    OrderState,
    OrderUnknown,
    PaymentInFlight,
)
from ledger.aggregates.payment import PaymentState
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.ports import NewsKind, ProviderUnreachable
from ledger.usecases import catalogue, reservations, stock
from ledger.usecases.accounts import Leg, purse_ref
from ledger.usecases.answers import AnswerMissing
from ledger.usecases.checkout import FENCE_S, AnswersMissing, PaymentFailed
from ledger.usecases.tenders import BadTender, PointsLimit
from ledger.vocabulary.codes import Question
from ledger.vocabulary.ids import payment_id, retry_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.checkouts import Till, card, e_money, mixed, points
from tests.usecases.town import CAUSE

AFTER_FENCE = NOON + timedelta(seconds=FENCE_S)


def unheard(till: Till, order_id, *paying, at=NOON):
    """Begin to pay by card with a provider that is not there: the order waits."""
    with silent(till.provider):
        done = till.begin(order_id, *(paying or [card(4_000)]), at=at)
    assert done.state == OrderState.PAYMENT_IN_FLIGHT
    return done


@contextmanager
def silent(provider, calls=("authorise", "capture", "cancel", "refund", "look_up")):
    """Nobody answers in here."""

    def unreachable(**_):
        raise ProviderUnreachable

    for call in calls:
        setattr(provider, call, unreachable)
    yield
    for call in calls:
        delattr(provider, call)


def silent_capture(provider):
    return silent(provider, ("capture",))


def test_points_e_money_and_card_pay_one_ticket_together(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    done = till.begin(order_id, *mixed())
    (ticket_id,) = done.ticket_ids
    ticket = till.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.price_minor, ticket.points_spent) == (
        ALICE,
        4_000,
        500,
    )
    assert done.state == OrderState.CONFIRMED
    assert till.at_provider(order_id) == NewsKind.CAPTURED
    assert (till.points(), till.purse()) == (500, 8_500)
    assert [each.kind for each in till.order(order_id).paid] == [
        "points",
        "e-money",
        "card",
    ]
    assert till.trial_balance().holds


def test_tenders_are_held_in_one_order_however_they_are_named(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    till.begin(order_id, *reversed(mixed()))
    assert [each.kind for each in till.order(order_id).paid] == [
        "points",
        "e-money",
        "card",
    ]


@pytest.mark.parametrize(
    "paying",
    [
        [],
        [e_money(3_999)],
        [e_money(4_001)],
        [e_money(2_000), e_money(2_000)],
        [e_money(-1), card(4_001)],
    ],
    ids=["nothing", "too little", "too much", "one kind twice", "less than nothing"],
)
def test_tenders_sum_to_the_price_each_kind_once(installation, paying):
    till = Till(installation)
    order_id = till.reserve().order_id
    with pytest.raises(BadTender):
        till.begin(order_id, *paying)
    assert till.order(order_id).state == OrderState.HELD


@pytest.mark.parametrize("number", ["4111111111111111", "4242 4242 4242 4242"])
def test_a_card_number_is_refused_before_it_stands_anywhere(installation, number):
    till = Till(installation)
    order_id = till.reserve().order_id
    with pytest.raises(BadTender):
        till.begin(order_id, card(4_000, number))
    assert not till.ledger.knows(payment_id(order_id))


def test_points_pay_so_much_of_a_price_as_the_offering_allows(installation):
    till = Till(installation, point_value_minor=2, max_points_percent=25)
    order_id = till.reserve().order_id
    with pytest.raises(BadTender, match="worth 2"):
        till.begin(order_id, points(500), e_money(3_500))
    with pytest.raises(PointsLimit, match="25 per cent"):
        till.begin(order_id, *worth(2, 501), e_money(2_998))
    till.begin(order_id, *worth(2, 500), e_money(3_000))
    assert till.points() == 500


def worth(value_minor, many):
    tender = points(many)
    return [type(tender)(tender.kind, many * value_minor, points=many)]


def test_without_the_points_or_the_money_nothing_is_asked_of_the_card(installation):
    till = Till(installation, price=Money(20_000, "EUR"))
    order_id = till.reserve().order_id
    for paying in (
        [points(1_001), card(18_999)],
        [points(500), e_money(10_001), card(9_499)],
    ):
        with pytest.raises(InsufficientFunds):
            till.begin(order_id, *paying)
        assert not till.ledger.knows(payment_id(order_id))
        assert (till.points(), till.purse()) == (1_000, 10_000)


def test_who_has_no_money_for_one_more_place_while_paying_is_refused(installation):
    """What is held for one order pays no other."""
    till = Till(installation)
    first, second = till.reserve().order_id, till.reserve().order_id
    unheard(till, first, e_money(3_000), card(1_000))
    till.move(
        Leg(purse_ref(ALICE, "EUR"), Money(-6_000, "EUR")),
        Leg("counter/EUR", Money(6_000, "EUR")),
    )
    with pytest.raises(InsufficientFunds):
        till.begin(second, e_money(4_000))
    till.advance(first)
    assert till.order(first).state == OrderState.CONFIRMED
    assert till.purse() == 1_000


def test_a_declined_card_gives_everything_back_and_the_places_stay_held(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    with pytest.raises(PaymentFailed, match="declined"):
        till.begin(order_id, *mixed("tok-declines"))
    assert till.order(order_id).state == OrderState.HELD
    assert (till.points(), till.purse()) == (1_000, 10_000)


def test_after_a_declined_card_another_one_pays(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    for _ in range(2):
        with pytest.raises(PaymentFailed):
            till.begin(order_id, *mixed("tok-declines"))
    done = till.begin(order_id, *mixed())
    assert done.state == OrderState.CONFIRMED
    assert (till.points(), till.purse()) == (500, 8_500)


def test_old_news_of_a_failed_payment_do_not_touch_the_next_one(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    with pytest.raises(PaymentFailed):
        till.begin(order_id, card(4_000, "tok-declines"))
    unheard(till, order_id)
    till.hear(order_id, NewsKind.DECLINED)
    done = till.advance(order_id)
    assert (done.state, len(done.ticket_ids)) == (OrderState.CONFIRMED, 1)


def test_only_the_buyer_pays_once_and_in_time(installation):
    till = Till(installation)
    order = till.reserve()
    with pytest.raises(OrderUnknown):
        till.begin(order.order_id, card(4_000), by=CAROL)
    with pytest.raises(OrderExpired):
        till.begin(order.order_id, card(4_000), at=order.held_until)
    unheard(till, order.order_id)
    with pytest.raises(PaymentInFlight):
        till.begin(order.order_id, e_money(4_000))
    with pytest.raises(PaymentInFlight):
        release(till, order.order_id, ALICE)
    till.advance(order.order_id)
    with pytest.raises(OrderClosed):
        till.begin(order.order_id, e_money(4_000))


def test_a_question_is_answered_once_for_each_ticket(installation):
    till = Till(installation, question=int(Question.POSTCODE))
    order_id = till.reserve(count=2).order_id
    with pytest.raises(AnswersMissing):
        till.begin(order_id, card(8_000), answers=["AB1 2CD"])
    with pytest.raises(AnswerMissing):
        till.begin(order_id, card(8_000))
    done = till.begin(order_id, card(8_000), answers=["AB1 2CD", "EF3 4GH"])
    sealed = [each.check_sealed or "" for each in till.tickets(done.order_id)]
    opened = [till.personal.open(ALICE, each) for each in sealed]
    assert opened == ["AB1 2CD", "EF3 4GH"]


@pytest.mark.parametrize("together", [True, False])
def test_tickets_that_stay_together_are_one_group(installation, together):
    till = Till(installation, terms=Terms(together=together))
    done = till.begin(till.reserve(count=3).order_id, card(12_000))
    tickets = [till.ledger.ticket(each) for each in done.ticket_ids]
    groups = {(ticket.group_id, ticket.group_size) for ticket in tickets}
    assert groups == ({(done.order_id, 3)} if together else {(None, 1)})


# While the provider does not answer.


def test_a_reservation_does_not_expire_while_its_payment_is_in_flight(installation):
    till = Till(installation, places=["A1"])
    order = till.reserve()
    at = order.held_until - timedelta(seconds=1)
    unheard(till, order.order_id, at=at)
    for late in (order.held_until, AFTER_FENCE + 24 * HOUR - 2 * HOUR):
        with pytest.raises(Refusal) as refused:
            till.reserve(CAROL, at=late)
        assert refused.value.code == "sold_out"
    done = till.advance(order.order_id, at=late)
    assert done.state == OrderState.CONFIRMED


def test_after_its_fence_an_order_is_in_doubt_and_an_operator_may_decide(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    unheard(till, order_id, *mixed())
    with pytest.raises(PaymentInFlight):
        till.give_up(order_id, at=AFTER_FENCE - timedelta(seconds=1))
    assert till.order(order_id).is_in_doubt(AFTER_FENCE)
    done = till.give_up(order_id, at=AFTER_FENCE)
    assert (done.state, done.in_doubt) == (OrderState.EXPIRED, False)
    assert (till.points(), till.purse()) == (1_000, 10_000)
    assert till.at_provider(order_id) == NewsKind.CANCELLED
    till.reserve(CAROL, at=AFTER_FENCE)


def captured_behind_our_back(till: Till, order_id, minor=4_000, card=()) -> None:
    """Let the provider take the money of a payment whose answers were lost."""
    till.provider.authorise(
        payment_id=payment_id(order_id),
        amount=Money(minor, "EUR"),
        instrument=card[0].instrument if card else "tok-ok",
    )
    till.provider.capture(payment_id=payment_id(order_id), reference="")


def given_up(till: Till, order_id, *paying) -> None:
    """An operator gives the order up; the provider has the money and is silent."""
    unheard(till, order_id, *paying)
    captured_behind_our_back(till, order_id, card=paying)
    give_up_unheard(till, order_id)


def give_up_unheard(till: Till, order_id) -> None:
    with silent(till.provider):
        done = till.give_up(order_id, at=AFTER_FENCE)
    assert done.state == OrderState.EXPIRED


def test_15_money_that_comes_late_gets_the_place_if_it_is_still_there(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    given_up(till, order_id)
    till.hear(order_id, NewsKind.CAPTURED, at=AFTER_FENCE)
    assert till.order(order_id).state == OrderState.CONFIRMED
    assert [ticket.right for ticket in till.tickets(order_id)] == ["A1"]
    assert till.posted(f"revenue/{ISSUER}/EUR") == 4_000
    with pytest.raises(Refusal, match="No place"):
        till.reserve(CAROL, at=AFTER_FENCE)


def test_15_money_that_comes_late_with_no_place_left_goes_back(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    given_up(till, order_id)
    till.pay(till.reserve(CAROL, at=AFTER_FENCE).order_id, CAROL, at=AFTER_FENCE)
    for _ in range(2):
        till.hear(order_id, NewsKind.CAPTURED, at=AFTER_FENCE)
    assert till.order(order_id).state == OrderState.REFUNDED
    known = till.provider.look_up(payment_id=payment_id(order_id))
    assert [each.kind for each in known] == [NewsKind.CAPTURED, NewsKind.REFUNDED]
    assert till.posted("card/sandbox/EUR") == 0
    assert till.trial_balance().holds


def test_a_part_that_comes_after_all_leaves_an_order_that_still_waits_alone(
    installation,
):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    unheard(till, order_id, *mixed())
    captured_behind_our_back(till, order_id, 2_000)
    overdrawn = Leg(purse_ref(ALICE, "EUR"), Money(-9_000, "EUR"))
    till.move(overdrawn, Leg("counter/EUR", Money(9_000, "EUR")), overdraw=True)
    with silent(till.provider, ("cancel", "look_up", "refund")):
        till.hear(order_id, NewsKind.AUTHORISED)
    assert till.order(order_id).state == OrderState.HELD
    till.hear(order_id, NewsKind.CAPTURED)
    assert till.order(order_id).state == OrderState.HELD
    known = till.provider.look_up(payment_id=payment_id(order_id))
    assert [each.kind for each in known] == [NewsKind.CAPTURED, NewsKind.REFUNDED]
    till.begin(order_id, card(4_000))
    assert [ticket.right for ticket in till.tickets(order_id)] == ["A1"]
    assert till.posted("card/sandbox/EUR") == -4_000


def test_late_money_takes_another_place_if_its_own_is_sold(installation):
    till = Till(installation, places=["A1", "A2"])
    order_id = till.reserve(place="A1").order_id
    given_up(till, order_id)
    other = till.reserve(CAROL, place="A1", at=AFTER_FENCE).order_id
    till.pay(other, CAROL, at=AFTER_FENCE)
    till.hear(order_id, NewsKind.CAPTURED, at=AFTER_FENCE)
    assert [ticket.right for ticket in till.tickets(order_id)] == ["A2"]
    assert [line.place for line in till.order(order_id).lines] == ["A2"]
    count = stock.count(till.ledger, till.offering_id)
    assert (count.free, count.held, count.sold) == (0, 0, 2)


def test_late_money_does_not_go_beyond_the_purchase_limit(installation):
    till = Till(installation, purchase_limit=1)
    order_id = till.reserve().order_id
    given_up(till, order_id)
    till.pay(till.reserve(at=AFTER_FENCE).order_id, at=AFTER_FENCE)
    till.hear(order_id, NewsKind.CAPTURED, at=AFTER_FENCE)
    assert till.order(order_id).state == OrderState.REFUNDED
    count = stock.count(till.ledger, till.offering_id, at=AFTER_FENCE)
    assert (count.free, count.held, count.sold) == (2, 0, 1)


def test_late_money_for_several_places_takes_those_that_are_left(installation):
    till = Till(installation, places=["A1", "A2"])
    order_id = till.reserve(count=2, partial_ok=True).order_id
    unheard(till, order_id, card(8_000))
    captured_behind_our_back(till, order_id, 8_000)
    give_up_unheard(till, order_id)
    till.pay(till.reserve(CAROL, at=AFTER_FENCE).order_id, CAROL, at=AFTER_FENCE)
    till.hear(order_id, NewsKind.CAPTURED, at=AFTER_FENCE)
    order = till.order(order_id)
    assert order.state == OrderState.CONFIRMED
    assert sum(each is not None for each in order.tickets) == 1
    assert till.posted(f"revenue/{ISSUER}/EUR") == 8_000
    assert till.posted("card/sandbox/EUR") == -4_000
    assert till.payment(order_id).refunds


# What the provider says by itself.


@pytest.mark.parametrize(
    "said",
    [
        *permutations([NewsKind.AUTHORISED, NewsKind.CAPTURED]),
        [NewsKind.CAPTURED, NewsKind.CAPTURED],
        [NewsKind.AUTHORISED] * 2 + [NewsKind.CAPTURED] * 2 + [NewsKind.AUTHORISED],
    ],
    ids=str,
)
def test_callbacks_come_twice_and_in_any_order_with_one_effect(installation, said):
    till = Till(installation)
    order_id = till.reserve().order_id
    unheard(till, order_id)
    captured_behind_our_back(till, order_id)
    for kind in said:
        till.hear(order_id, kind)
    order = till.order(order_id)
    assert (order.state, len(order.tickets)) == (OrderState.CONFIRMED, 1)
    assert till.payment(order_id).state == PaymentState.CAPTURED
    assert till.posted(f"revenue/{ISSUER}/EUR") == 4_000
    before = till.ledger.position()
    for kind in said:
        till.hear(order_id, kind)
    assert till.ledger.position() == before


def test_news_of_a_payment_that_is_not_ours_change_nothing(installation):
    till = Till(installation)
    before = till.ledger.position()
    till.hear(till.offering_id, NewsKind.CAPTURED)
    assert till.ledger.position() == before


@pytest.mark.parametrize("kind", [NewsKind.REFUNDED, NewsKind.REFUND_REFUSED])
def test_news_of_a_refund_that_is_not_ours_change_nothing(installation, kind):
    till = Till(installation)
    order_id = till.reserve().order_id
    till.begin(order_id, card(4_000))
    before = till.ledger.position()
    till.hear(order_id, kind, about="re_by_hand")
    assert till.ledger.position() == before


# What can become of an order between its authorisation and its confirmation.


def test_a_payment_whose_points_were_taken_back_meanwhile_is_undone(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    unheard(till, order_id, *mixed())
    till.move(
        Leg(purse_ref(ALICE, "EUR"), Money(-9_000, "EUR")),
        Leg("counter/EUR", Money(9_000, "EUR")),
        overdraw=True,
    )
    till.advance(order_id)
    assert till.order(order_id).state == OrderState.HELD
    assert (till.points(), till.purse()) == (1_000, 1_000)
    assert till.at_provider(order_id) == NewsKind.CANCELLED


def test_nothing_is_sold_of_an_offering_that_was_cancelled_meanwhile(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    unheard(till, order_id)
    catalogue.cancel_offering(
        till.ledger,
        offering_id=till.offering_id,
        by=ISSUER,
        reason="flood",
        at=NOON,
        cause=CAUSE,
    )
    till.advance(order_id)
    assert till.order(order_id).tickets == (None,)
    assert till.at_provider(order_id) == NewsKind.CANCELLED


# A capture that fails for good after the tickets were issued.


def confirmed_but_not_captured(till: Till, *paying):
    """Return an order whose capture nobody has answered yet, and its tickets."""
    order_id = till.reserve().order_id
    with silent_capture(till.provider):
        done = till.begin(order_id, *paying)
    assert till.payment(order_id).state == PaymentState.AUTHORISED
    return order_id, done.ticket_ids


def test_a_capture_that_fails_for_good_undoes_the_sale(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    with pytest.raises(PaymentFailed, match="did not pay"):
        till.begin(order_id, *mixed("tok-capture-declines"))
    assert till.order(order_id).state == OrderState.REFUNDED
    assert [ticket.life for ticket in till.tickets(order_id)] == [Life.VOIDED]
    assert (till.points(), till.purse()) == (1_000, 10_000)
    assert till.posted(f"revenue/{ISSUER}/EUR") == 0
    till.reserve(CAROL)


def test_a_ticket_that_was_used_before_its_capture_failed_is_owed(installation):
    till = Till(installation)
    order_id, (ticket_id,) = confirmed_but_not_captured(
        till, *mixed("tok-capture-declines")
    )
    till.accept(ticket_id, till.offer(ticket_id))
    done = till.advance(order_id)
    assert till.ledger.ticket(ticket_id).owner_id == BOB
    assert done.state == OrderState.CONFIRMED
    assert till.posted("card/sandbox/EUR") == 0
    assert till.purse() == 8_500 - 2_000
    till.advance(order_id)
    assert till.purse() == 8_500 - 2_000


def test_a_listed_ticket_that_was_never_paid_is_taken_off_the_market(installation):
    till = Till(installation)
    order_id, (ticket_id,) = confirmed_but_not_captured(
        till, card(4_000, "tok-capture-declines")
    )
    listing = till.list_ticket(ticket_id)
    till.advance(order_id)
    assert till.ledger.ticket(ticket_id).life == Life.REVOKED
    with pytest.raises(Refusal):
        till.buy_listed(ticket_id, listing)


def test_of_several_tickets_only_those_that_moved_are_owed(installation):
    till = Till(installation)
    order_id = till.reserve(count=2).order_id
    with silent_capture(till.provider):
        done = till.begin(order_id, e_money(3_000), card(5_000, "tok-capture-declines"))
    given, kept = done.ticket_ids
    till.accept(given, till.offer(given))
    till.advance(order_id)
    assert till.ledger.ticket(given).owner_id == BOB
    assert till.ledger.ticket(kept).life == Life.VOIDED
    # The card's 5,000 never came; 4,000 went with the ticket taken back.
    assert till.purse() == 10_000 - 3_000 - 1_000
    assert till.posted(f"revenue/{ISSUER}/EUR") == 4_000
    assert sum(each.amount_minor for each in till.order(order_id).paid) == 4_000


def test_what_the_card_cannot_take_back_goes_to_the_purse(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    given_up(till, order_id, card(4_000, "tok-refund-declines"))
    till.pay(till.reserve(CAROL, at=AFTER_FENCE).order_id, CAROL, at=AFTER_FENCE)
    for _ in range(2):
        till.hear(order_id, NewsKind.CAPTURED, at=AFTER_FENCE)
    assert till.purse() == 14_000
    assert till.posted("card/sandbox/EUR") == -4_000
    assert not till.payment(order_id).outstanding


def test_money_that_comes_late_while_the_place_is_still_held_buys_it(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    with pytest.raises(PaymentFailed):
        till.begin(order_id, card(4_000, "tok-declines"))
    unheard(till, order_id)
    captured_behind_our_back(till, retry_id(order_id, 1))
    with silent(till.provider):
        till.ledger.record(failed(till, order_id), cause=CAUSE)
    till.hear(order_id, NewsKind.CAPTURED, purpose=retry_id(order_id, 1))
    assert till.order(order_id).state == OrderState.CONFIRMED
    assert till.posted(f"revenue/{ISSUER}/EUR") == 4_000


def failed(till: Till, order_id):
    order = till.order(order_id)
    order.fail_payment(reason="given up", at=NOON)
    return order


def test_money_that_comes_twice_is_kept_once(installation):
    till = Till(installation, places=["A1"])
    order_id = till.reserve().order_id
    given_up_before = unheard(till, order_id)
    assert given_up_before.ticket_ids == ()
    till.ledger.record(failed(till, order_id), cause=CAUSE)
    till.begin(order_id, e_money(4_000))
    captured_behind_our_back(till, order_id)
    for _ in range(2):
        till.hear(order_id, NewsKind.CAPTURED)
    known = till.provider.look_up(payment_id=payment_id(order_id))
    assert [each.kind for each in known] == [NewsKind.CAPTURED, NewsKind.REFUNDED]
    assert till.posted(f"revenue/{ISSUER}/EUR") == 4_000
    assert till.posted("card/sandbox/EUR") == 0


def test_points_that_an_unpaid_purchase_earned_are_taken_back(installation):
    till = Till(installation, earn_points_per_100=10)
    order_id = till.reserve().order_id
    with pytest.raises(PaymentFailed):
        till.begin(order_id, card(4_000, "tok-capture-declines"))
    assert till.points() == 1_000


# Races, and what they leave.


def test_an_order_advanced_by_many_at_once_is_paid_once(installation):
    till = Till(installation)
    order_id = till.reserve().order_id
    unheard(till, order_id, *mixed())
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: patient(till, order_id), range(8)))
    assert {each.state for each in done} == {OrderState.CONFIRMED}
    assert len({each.ticket_ids for each in done}) == 1
    assert (till.points(), till.purse()) == (500, 8_500)
    assert till.posted("card/sandbox/EUR") == -2_000
    assert till.trial_balance().holds


def patient(till: Till, order_id):
    return attempt(lambda: till.advance(order_id))


def test_who_is_overtaken_between_two_streams_looks_again(installation):
    """The order was read before another's commit, the purse after it."""
    till = Till(installation)
    order_id = till.reserve().order_id
    unheard(till, order_id, *mixed())
    find = till.ledger.find
    overtaken: list[UUID] = []

    def find_late(kind, stream_id):
        if kind is Account and not overtaken:
            overtaken.append(stream_id)
            till.advance(order_id)
        return find(kind, stream_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(till.ledger, "find", find_late)
        done = till.advance(order_id)
    assert overtaken
    assert (done.state, len(done.ticket_ids)) == (OrderState.CONFIRMED, 1)
    assert (till.points(), till.purse()) == (500, 8_500)


def test_two_payments_begun_at_once_are_one(installation):
    till = Till(installation)
    order_id = till.reserve().order_id

    def begin(paying):
        try:
            return attempt(lambda: till.begin(order_id, *paying)).ticket_ids
        except Refusal as refusal:
            return refusal.code

    ways = [mixed(), [card(4_000)], [e_money(4_000)], [points(1_000), e_money(3_000)]]
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(begin, ways))
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
    assert till.posted(f"revenue/{ISSUER}/EUR") == 4_000
    assert till.trial_balance().holds


def test_15_a_place_is_paid_by_one_and_reserved_by_no_other_at_its_last_moment(
    installation,
):
    till = Till(installation, places=["A1"])
    for _ in range(3):
        order = till.reserve()
        at = order.held_until

        def pay(order=order, at=at):
            last = at - timedelta(seconds=1)
            return till.begin(order.order_id, card(4_000), at=last).ticket_ids

        def reserve(at=at):
            return till.reserve(CAROL, at=at)

        def outcome(move):
            try:
                return attempt(move)
            except Refusal:
                return None

        with ThreadPoolExecutor(2) as pool:
            paid, reserved = pool.map(outcome, [pay, reserve])
        assert (paid is None) != (reserved is None)
        if paid is not None:
            return
        release(till, reserved.order_id, CAROL)


def release(till: Till, order_id, by):
    reservations.release(
        till.ledger, till.desk, order_id=order_id, by=by, at=NOON, cause=CAUSE
    )
