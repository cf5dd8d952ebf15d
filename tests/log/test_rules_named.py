"""Forgeries as an operator with the key would make them, each named for what it is.

Bugs planted in the rules to see these and those of `test_rules` fail, one at a time: a
gift accepted by another than it was offered to; a sale that is not open to its buyer; a
ticket voided once it was passed on; a paper that was not authorised, or taken back
twice; a redemption reversed beyond what it was; a lease over a lock whose time was
over; a capture from any state; more refunded than was captured, or than an order had
paid; a sale paid out twice; a place sold again; a medium blocked twice; a gift's line
that ends twice; a receipt that redeems twice; a case executed from anywhere, or decided
after it was closed; a stream that begins with version 2; an event dated long before the
one it follows; an event without a rule.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.account import Account, Entry, Posting
from ledger.aggregates.allotment import Allotment
from ledger.aggregates.case import Case
from ledger.aggregates.e_ticket import ETicket, HoldKind, Terms
from ledger.aggregates.medium import Medium
from ledger.aggregates.offering import Part
from ledger.aggregates.order import Order
from ledger.aggregates.payment import Payment
from ledger.aggregates.sale import Line, Sale
from ledger.aggregates.waiting_list import WaitingList
from ledger.log.export import ExportedEvent
from ledger.log.replay import BadHistory, Replay
from ledger.vocabulary import ids
from ledger.vocabulary.money import Money
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    HOUR,
    ISSUER,
    NOON,
    OFFERING,
    TILL,
    UID,
    a_ticket,
)
from tests.log.forging import Stream, changed, exported, legitimate
from tests.log.golden import on_card, printed

REFS = [UUID(int=0x7700 + n) for n in range(9)]
SOON = NOON + timedelta(minutes=1)
PLACE: dict[str, Any] = {"medium_uid": UID.hex(), "slot": 0}


def after(stream: Stream, event: Any, **fields: object) -> str:
    """Say why a stream that is allowed may not go on with this event."""
    replay = Replay()
    for each in stream:
        replay.apply(exported(each))
    version = len(stream) + 1
    forged = changed(event, **{"originator_version": version, **fields})
    with pytest.raises(BadHistory) as refused:
        replay.apply(exported(forged))
    return str(refused.value)


def told(aggregate: Any) -> Stream:
    return list(aggregate.collect_events())


def of_kind(stream: Stream, kind: type) -> Any:
    return next(event for event in stream if isinstance(event, kind))


@pytest.fixture
def ticket() -> ETicket:
    return a_ticket(terms=Terms(on_medium="exposure", exchangeable=True))


# ---- tickets


def test_a_ticket_is_not_dispensed_twice(ticket):
    on_card(ticket, REFS[0])
    printed(ticket, REFS[1], "T-000001")
    stream = told(ticket)
    assert "dispensed on paper already" in after(stream, stream[-1], serial="T-2")


def test_a_title_does_not_move_by_a_gift_that_was_never_offered(ticket):
    given = a_ticket(terms=Terms())
    given.offer_gift(offer_id=REFS[0], by=ALICE, to=BOB, until=SOON, at=NOON)
    accept: dict[str, Any] = {
        "terms_hash": given.terms_hash,
        "check_sealed": None,
        "at": NOON,
    }
    given.accept_gift(offer_id=REFS[0], by=BOB, **accept)
    accepted = told(given)[-1]
    refused = partial(after, told(ticket), accepted)
    assert "there is no such offer" in refused()


def offered(ticket: ETicket) -> tuple[Stream, Any]:
    """Return a ticket offered to Bob, and how he would accept it."""
    ticket.offer_gift(offer_id=REFS[0], by=ALICE, to=BOB, until=SOON, at=NOON)
    accept: dict[str, Any] = {
        "terms_hash": ticket.terms_hash,
        "check_sealed": None,
        "at": NOON,
    }
    ticket.accept_gift(offer_id=REFS[0], by=BOB, **accept)
    *stream, accepted = told(ticket)
    return stream, accepted


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"owner_id": CAROL}, "offered to another"),
        ({"giver_id": CAROL}, "who gives the title does not have it"),
        ({"previous_title_version": 2}, "does not follow the last title event"),
        ({"timestamp": SOON}, "the offer's time was over"),
        ({"timestamp": NOON - 2 * HOUR}, "dated long before"),
        ({"originator_version": 4}, "OriginatorVersionError"),
        ({"originator_version": 2}, "OriginatorVersionError"),
        ({"offer_id": REFS[5]}, "there is no such offer"),
    ],
)
def test_a_gift_is_accepted_as_it_was_offered(ticket, fields, why):
    assert why in after(*offered(ticket), **fields)


def test_a_ticket_that_is_frozen_does_not_move(ticket):
    stream, accepted = offered(ticket)
    other = a_ticket()
    other.freeze(case_id=REFS[1], kind=HoldKind.DISPUTE, effects=["no_title"], at=NOON)
    frozen = changed(told(other)[-1], originator_version=3)
    assert "is frozen" in after([*stream, frozen], accepted)


def test_a_voided_ticket_is_not_given(ticket):
    offer = offered(a_ticket())[0][-1]
    ticket.void(reason="mistake", at=NOON)
    assert "The ticket was voided" in after(told(ticket), offer)


def test_a_ticket_that_was_passed_on_is_not_voided(ticket):
    stream, accepted = offered(ticket)
    void = a_ticket()
    void.void(reason="mistake", at=NOON)
    assert "it was passed on" in after([*stream, accepted], told(void)[-1])


def test_a_ticket_that_is_sold_to_one_is_not_resold_to_another(ticket):
    at: dict[str, Any] = {"listing_id": REFS[0], "by": BOB, "at": NOON}
    ticket.list_for_resale(**at | {"by": ALICE}, price_minor=4_000, to=BOB, until=SOON)
    ticket.start_sale(**at, sale_id=REFS[1], until=SOON)
    paid: dict[str, Any] = {"split_minor": {}, "check_sealed": None}
    ticket.resell(**at, sale_id=REFS[1], entry_id=REFS[2], **paid)
    *stream, resold = told(ticket)
    assert "bound to" in after(stream, resold, owner_id=CAROL)
    assert "is being sold" in after(stream, resold, sale_id=REFS[3])
    assert "shares do not sum up" in after(stream, resold, split_minor={"seller": 1})


def test_a_ticket_is_not_sold_to_two_buyers(ticket):
    at: dict[str, Any] = {"listing_id": REFS[0], "at": NOON}
    ticket.list_for_resale(**at, by=ALICE, price_minor=4_000, to=None, until=SOON)
    paid: dict[str, Any] = {"split_minor": {"seller": 4_000}, "check_sealed": None}
    ticket.resell(**at, sale_id=REFS[1], entry_id=REFS[2], by=BOB, **paid)
    stream = told(ticket)
    forged = {"owner_id": CAROL, "seller_id": BOB, "previous_title_version": 3}
    assert "no open listing" in after(stream, stream[-1], **forged)
    assert "the cap is another" in after(stream[:-1], stream[-1], cap_minor=9_999)
    assert "not the price asked" in after(stream[:-1], stream[-1], price_minor=1)


def test_a_coupon_is_not_used_after_its_last_use():
    coupon = a_ticket(kind="coupon", uses_limit=1)
    on_card(coupon, REFS[0])
    lease: dict[str, Any] = {"session_id": REFS[1], "write_id": REFS[2], "at": NOON}
    coupon.start_redemption(
        **lease,
        **PLACE,
        device_id=TILL,
        expected_epoch=coupon.epoch,
        receipt="1",
        purchase_minor=900,
        currency="EUR",
        until=SOON,
    )
    coupon.redeem(**lease, device_id=TILL)
    stream = told(coupon)
    again = after(stream, stream[-1], session_id=REFS[3])
    assert "is not allowed here" in again
    assert "used" in again
    offline = {"session_id": REFS[3], "device_seq": 1, "amount": 1}
    assert "used" in after(stream, stream[-1], **offline)
    assert "not what was leased" in after(stream[:-1], stream[-1], amount=2)


def test_the_epoch_does_not_jump(ticket):
    on_card(ticket, REFS[0])
    *stream, prepared, _ = told(ticket)
    assert "not the next epoch" in after(stream, prepared, epoch=7)


# ---- money


def test_an_entry_balances_in_each_currency():
    posting = {"account": "a", "amount_minor": 5, "currency": "EUR"}
    other = {"account": "b", "amount_minor": -5, "currency": "USD"}
    made = golden_entry()
    assert "do not balance" in after([], made, postings=[posting, other])


def golden_entry() -> Any:
    postings = [Posting("a", 5, "EUR"), Posting("b", -5, "EUR")]
    entry = Entry.record(
        entry_id=REFS[0], reason="test", reference="x", postings=postings, at=NOON
    )
    return told(entry)[0]


def test_a_purse_keeps_and_pays_no_more_than_it_has():
    purse = Account.open(
        account_id=ids.account_id(ALICE, "money", "EUR"),
        party_id=ALICE,
        kind="money",
        currency="EUR",
        at=NOON,
    )
    purse.post(entry_id=REFS[0], amount_minor=500, at=NOON)
    purse.hold(purpose_id=REFS[1], amount_minor=300, until=SOON, at=NOON)
    purse.post(entry_id=REFS[2], amount_minor=-300, purpose_id=REFS[1], at=NOON)
    opened, paid_in, held, paid = told(purse)
    kept = [opened, paid_in, held]
    assert "Available are" in after([opened, paid_in], held, amount_minor=501)
    assert "Available are" in after(kept, held, amount_minor=201, purpose_id=REFS[4])
    assert "Available are" in after(kept, paid, amount_minor=-501)
    plain = {"amount_minor": -201, "purpose_id": None}
    assert "Available are 200" in after(kept, paid, **plain)
    assert "Nothing is held" in after(kept, paid, purpose_id=REFS[5])
    assert "Nothing is held" in after(kept, paid, timestamp=SOON)


def test_a_card_pays_no_more_than_was_authorised():
    payment = Payment.request(
        payment_id=ids.payment_id(REFS[0]),
        purpose_id=REFS[0],
        payer_id=ALICE,
        amount=Money(4_000, "EUR"),
        instrument="tok-ok",
        provider="sandbox",
        at=NOON,
    )
    payment.captured(reference="1", at=NOON)
    payment.request_refund(refund_id=REFS[1], amount_minor=3_000, at=NOON)
    asked, authorised, captured, refund = told(payment)
    assert "the state is REQUESTED" in after([asked], captured)
    assert "the state is CAPTURED" in after([asked, authorised, captured], captured)
    back = [asked, authorised, captured, refund]
    assert "more than was captured" in after(back, refund, refund_id=REFS[2])


def test_a_sale_pays_out_once_what_was_paid_in():
    line = Line(REFS[0], REFS[1], OFFERING, ISSUER, 4_000, {"seller": 4_000})
    sale = Sale.initiate(
        sale_id=REFS[2],
        buyer_id=BOB,
        seller_id=ALICE,
        currency="EUR",
        lines=[line],
        tenders=[],
        payout="at_sale",
        until=None,
        at=NOON,
    )
    paid = [{"kind": "purse", "amount_minor": 4_000}]
    versions = {REFS[0]: 4}
    sale.escrow(entry_id=REFS[3], paid=paid, title_versions=versions, at=NOON)
    sale.pay_out(entry_id=REFS[4], split_minor={"seller": 4_000}, at=NOON)
    initiated, escrowed, moved, paid_out = stream = told(sale)
    assert "the state is PAID_OUT" in after(stream, paid_out)
    assert "the state is INITIATED" in after([initiated], moved)
    assert "it is not the price" in after([initiated], escrowed, amount_minor=3_999)
    less = {"split_minor": {"seller": 4_001}}
    assert "what escrow holds" in after(stream[:-1], paid_out, **less)


# ---- stock, media, cases


def test_an_allotment_is_not_oversold():
    allotment = Allotment.open(
        allotment_id=ids.allotment_id(OFFERING, 1),
        offering_id=OFFERING,
        part=Part(1, None, ("A1", "A2")),
        at=NOON,
    )
    allotment.take(tickets={"A1": REFS[0]}, at=NOON)
    stream = told(allotment)
    sold = stream[-1]
    assert "A1 is taken" in after(stream, sold, ticket_ids=[REFS[1]])
    assert "A3" in after(stream, sold, places=["A3"], ticket_ids=[REFS[1]])
    more = {"places": ["A2"], "ticket_ids": [REFS[1]], "order_id": REFS[2]}
    assert "does not hold these" in after(stream, sold, **more)


def test_a_medium_that_was_blocked_is_blocked_for_ever():
    card = Medium.personalise(
        medium_id=ids.medium_id(UID),
        uid=UID.hex(),
        holder_id=ALICE,
        profile="desfire-8k",
        key_version=1,
        at=NOON,
    )
    card.suspend(at=NOON)
    card.restore(at=NOON)
    card.block(reason="lost", at=NOON)
    begun, suspended, restored, blocked = stream = told(card)
    assert "is blocked" in after(stream, suspended)
    assert "its status is BLOCKED" in after(stream, restored)
    assert "is blocked" in after(stream, blocked)
    wrong = {"status": "ACTIVE"}
    assert "something else before" in after([begun, suspended], restored, **wrong)


def test_a_case_is_not_decided_after_it_was_closed_nor_by_a_party():
    closed = (s for s in legitimate() if isinstance(s[-1], Case.Closed))
    stream = next(s for s in closed if of_kind(s, Case.Decided).parties)
    decided, executed = of_kind(stream, Case.Decided), of_kind(stream, Case.Executed)
    late = stream[-1].timestamp
    assert "CLOSED" in after(stream, decided, timestamp=late)
    bank = {"timestamp": late, "parties": [], "grounds_sealed": None}
    assert "CLOSED" in after(stream, decided, **bank)
    reviewed = stream[: stream.index(decided)]
    mine = {"by": decided.by, "parties": [decided.by]}
    assert "a party would judge" in after(reviewed, decided, **mine)
    assert "another reviews" in after(reviewed, decided, by="somebody")
    before = stream[: stream.index(executed)]
    alone = {"by": decided.by, "value_minor": 10_001}
    assert "another's eyes" in after(before, executed, **alone)
    opener = {"by": stream[0].opened_by}
    assert "a party would execute" in after(before, executed, **opener)


# ---- any event


@pytest.mark.parametrize(
    "kind",
    [
        ETicket.Expired,
        ETicket.GiftExpired,
        Account.PointsExpired,
        Order.Expired,
        WaitingList.Lapsed,
    ],
    ids=lambda kind: kind.TOPIC,
)
def test_nothing_is_over_before_its_time(kind):
    stream = next(s for s in legitimate() if kind in map(type, s))
    at = next(n for n, event in enumerate(stream) if type(event) is kind)
    begun = stream[0].timestamp
    told = [changed(event, timestamp=begun) for event in stream[:at]]
    assert "is not allowed here" in after(told, stream[at], timestamp=begun)


def test_a_topic_that_names_a_module_is_not_imported():
    event = exported(told(a_ticket())[0])
    forged = ExportedEvent(0, 1, event.originator_id, 1, "antigravity:x", event.state)
    with pytest.raises(BadHistory, match="is no event"):
        Replay().apply(forged)


def test_what_is_no_event_of_its_own_is_refused(ticket):
    """The base of several events has a stored name, too; nothing records it."""
    stream, _ = offered(ticket)
    event = exported(stream[-1])
    forged = ExportedEvent(
        1, 2, event.originator_id, 3, "e-ticket.offer-over", event.state
    )
    replay = Replay()
    for each in stream:
        replay.apply(exported(each))
    with pytest.raises(BadHistory, match="no rule allows such an event"):
        replay.apply(forged)


def test_a_paper_off_the_line_counts_once(ticket):
    on_card(ticket, REFS[0])
    facts: dict[str, Any] = {"device_seq": 1, "known_position": 1, "at": NOON}
    copy = {**PLACE, "epoch": ticket.epoch}
    ticket.observe_dispense(
        serial="T-000001", device_id=DISPENSER, device_time=NOON, **copy, **facts
    )
    *stream, dispensed = told(ticket)
    unreported = after(stream, dispensed, device_seq=None)
    assert "no machine has reported it" in unreported
    assert "no copy of it was current" in after(stream[:1], dispensed)
