"""What machines did without the line: recorded once, never dropped, judged by cases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.aggregates.case import CaseType
from ledger.aggregates.device import DeviceNotAuthorised
from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.aggregates.medium import MediumStatus
from ledger.aggregates.offline_fact import OfflineFact
from ledger.aggregates.paper import Paper
from ledger.errors import Refusal
from ledger.usecases import parties
from ledger.usecases.offline import (
    FACTS_MAX,
    BadFact,
    Mark,
    PrintedOffline,
    RedeemedOffline,
)
from ledger.vocabulary.ids import case_id, fact_id, paper_id
from ledger.vocabulary.medium_record import SlotStatus
from tests.domain.examples import ALICE, BOB, DISPENSER, HOUR, NOON, TERMINAL, TILL
from tests.usecases.foyer import DISPENSER_2, KEEPER, Foyer, after, fresh


@pytest.fixture
def foyer(installation):
    foyer = Foyer(installation)
    for machine in (DISPENSER, DISPENSER_2, TILL):
        foyer.delegate(machine, offline=True)
    return foyer


def printed(ticket_id, card, serial="D-0001", number=1, **more):
    """A machine has marked the card and printed; what it will report of that."""
    (slot,) = [n for n, e in enumerate(card.slots) if e.ticket_ref == ref(ticket_id)]
    epoch = card.slots[slot].epoch
    seq = card.mark(slot, SlotStatus.DISPENSED)
    fact = PrintedOffline(
        device_seq=number,
        device_time=NOON,
        known_position=1,
        ticket_id=ticket_id,
        serial=serial,
        mark=Mark(card.uid, slot, seq),
        epoch=epoch,
    )
    return replace(fact, **more)


def redeemed(coupon_id, card, amount=1, receipt="R-1", number=1, **more):
    (slot,) = [n for n, e in enumerate(card.slots) if e.ticket_ref == ref(coupon_id)]
    left = card.slots[slot].uses_left - amount
    status = SlotStatus.LIVE if left > 0 else SlotStatus.SPENT
    seq = card.mark(slot, status, max(left, 0))
    fact = RedeemedOffline(
        device_seq=number,
        device_time=NOON,
        known_position=1,
        ticket_id=coupon_id,
        session_id=fresh(),
        receipt=receipt,
        amount=amount,
        mark=Mark(card.uid, slot, seq),
    )
    return replace(fact, **more)


def ref(ticket_id):
    return ticket_id.bytes[:8]


def types(foyer, outcome):
    return [foyer.case(each).type for each in outcome.case_ids]


def effects(foyer, ticket_id):
    return {effect for hold in foyer.now(ticket_id).holds for effect in hold.effects}


def test_a_paper_printed_offline_is_a_fact_and_its_card_is_in_line_again(foyer):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card)
    assert foyer.tap(card).code == "incomplete"  # The ledger has not heard of it.
    (done,) = foyer.upload(DISPENSER, fact)
    assert (done.agrees, done.case_ids) == (True, ())
    ticket = foyer.now(ticket_id)
    assert (ticket.life, ticket.form.serial) == (Life.DISPENSED, "D-0001")
    paper = foyer.ledger.find(Paper, paper_id("D-0001"))
    assert paper.ticket_id == ticket_id
    assert foyer.tap(card).code == "already_dispensed"
    assert foyer.medium(card).seq == card.seq


def test_a_fact_said_again_is_recorded_once(foyer):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card)
    first = foyer.upload(DISPENSER, fact)
    position = foyer.ledger.position()
    (again,) = foyer.upload(DISPENSER, fact, at=after(hours=3))
    assert (again.agrees, again.case_ids) == (first[0].agrees, first[0].case_ids)
    assert foyer.ledger.position() == position


def test_two_offline_dispensers_used_one_card(foyer):
    """Collision 12: both facts are kept, and a case is opened, in one commit."""
    ticket_id, card = foyer.on_card()
    copy = card.copied()
    (first,) = foyer.upload(DISPENSER, printed(ticket_id, card))
    position = foyer.ledger.position()
    second = printed(ticket_id, copy, serial="E-0001")
    (done,) = foyer.upload(DISPENSER_2, second)
    assert (first.agrees, done.agrees) == (True, False)
    assert types(foyer, done) == [CaseType.CLONED_MEDIUM, CaseType.DUPLICATE_DISPENSE]
    assert foyer.now(ticket_id).form.serial == "D-0001"
    observed = [
        event.serial
        for _, event in foyer.ledger.events_of(ticket_id)
        if isinstance(event, ETicket.DispenseObserved)
    ]
    assert observed == ["E-0001"]
    assert foyer.ledger.find(Paper, paper_id("E-0001")).ticket_id == ticket_id
    assert {"no_title", "no_dispense", "no_refund"} <= effects(foyer, ticket_id)
    # Two machines brought a card of one name to one state: there are two such cards.
    assert foyer.medium(card).status == MediumStatus.SUSPECT
    commits = foyer.ledger.recorder.select_notifications(position + 1, 99)
    assert "case.opened" in {found.topic for found in commits}
    assert done.position == foyer.ledger.position()


def test_machines_report_in_any_order(foyer):
    ticket_id, card = foyer.on_card()
    coupon_id = foyer.coupon()
    foyer.load(card, coupon_id)
    first = printed(ticket_id, card)
    second = redeemed(coupon_id, card)
    (late,) = foyer.upload(TILL, second)
    assert (late.agrees, foyer.medium(card).seq) == (True, first.mark.seq - 1)
    (early,) = foyer.upload(DISPENSER, first)
    assert (early.agrees, foyer.medium(card).seq) == (True, second.mark.seq)
    assert foyer.medium(card).digest == card.reading().stamp.digest.hex()


def test_what_had_begun_meanwhile_gives_way_to_what_happened(foyer):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card)
    foyer.tell(
        ticket_id,
        "list_for_resale",
        listing_id=fresh(),
        by=ALICE,
        price_minor=4_000,
        to=None,
        until=after(hours=2),
    )
    (done,) = foyer.upload(DISPENSER, fact)
    assert done.agrees
    ticket = foyer.now(ticket_id)
    assert (ticket.life, ticket.lock.kind) == (Life.DISPENSED, LockKind.NONE)
    assert ticket.listing is None


def test_a_mark_waits_for_the_write_before_it_and_follows_once_that_is_proven(foyer):
    ticket_id, card = foyer.on_card()
    write = foyer.prepare(card, foyer.coupon())
    proof = card.commit(write)  # The answer is on its way, for as long as it takes.
    foyer.upload(DISPENSER, printed(ticket_id, card))
    assert foyer.medium(card).seq == card.seq - 2
    foyer.settle(card, write, proof)
    assert foyer.medium(card).stamp() == card.reading().stamp


def given_away(foyer, ticket_id):
    offer_id = fresh()
    foyer.tell(
        ticket_id,
        "offer_gift",
        offer_id=offer_id,
        by=ALICE,
        to=BOB,
        until=after(hours=2),
    )
    foyer.tell(
        ticket_id,
        "accept_gift",
        offer_id=offer_id,
        by=BOB,
        terms_hash=foyer.now(ticket_id).terms_hash,
        check_sealed=None,
    )


def test_an_old_copy_printed_offline_after_the_gift_leaves_the_new_owner_his_ticket(
    foyer,
):
    """Collision 11: he keeps it and may use it; a case looks at the paper."""
    ticket_id, card = foyer.on_card()
    given_away(foyer, ticket_id)
    (done,) = foyer.upload(DISPENSER, printed(ticket_id, card))
    assert not done.agrees
    assert types(foyer, done) == [CaseType.OFFLINE_CONFLICT]
    ticket = foyer.now(ticket_id)
    assert (ticket.owner_id, ticket.life) == (BOB, Life.OWNED)
    assert effects(foyer, ticket_id) == {"no_title", "no_refund"}


def test_an_old_copy_redeemed_offline_after_the_gift_takes_no_use_of_the_new_owner(
    foyer,
):
    coupon_id, card = foyer.coupon(), foyer.card()
    foyer.load(card, coupon_id)
    given_away(foyer, coupon_id)
    (done,) = foyer.upload(TILL, redeemed(coupon_id, card))
    assert not done.agrees
    assert types(foyer, done) == [CaseType.OFFLINE_CONFLICT]
    coupon = foyer.now(coupon_id)
    assert (coupon.owner_id, coupon.uses.left) == (BOB, 3)
    assert effects(foyer, coupon_id) == {"no_title", "no_refund"}


# Collision 10: a lost card.


@pytest.mark.parametrize(("used_at", "left"), [(59, 2), (61, 3)])
def test_what_was_redeemed_before_the_loss_counts_though_the_coupon_was_reissued(
    foyer, used_at, left
):
    coupon_id, card = foyer.coupon(), foyer.card()
    foyer.load(card, coupon_id)
    fact = redeemed(coupon_id, card, device_time=after(minutes=used_at))
    foyer.lose(card, at=after(hours=1))
    foyer.block(card, at=after(hours=1))
    (done,) = foyer.upload(TILL, fact, at=after(hours=2))
    assert types(foyer, done) == ([] if left == 2 else [CaseType.LOST_MEDIUM])
    assert foyer.now(coupon_id).uses.left == left


@pytest.mark.parametrize("reissued", [False, True])
def test_what_was_printed_before_the_loss_was_reported_is_a_fact(foyer, reissued):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card, device_time=after(minutes=59))
    foyer.lose(card, at=after(hours=1))
    if reissued:
        foyer.block(card, at=after(hours=1))
        assert foyer.now(ticket_id).form.kind == FormKind.ELECTRONIC
    (done,) = foyer.upload(DISPENSER, fact, at=after(hours=2))
    assert (done.agrees, done.case_ids) == (True, ())
    assert foyer.now(ticket_id).form.serial == "D-0001"


@pytest.mark.parametrize("reissued", [False, True])
def test_what_was_printed_after_the_loss_was_reported_is_a_case(foyer, reissued):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card, device_time=after(hours=1))
    foyer.lose(card, at=after(hours=1))
    if reissued:
        foyer.block(card, at=after(hours=1))
    (done,) = foyer.upload(DISPENSER, fact, at=after(hours=2))
    assert types(foyer, done) == [CaseType.LOST_MEDIUM]
    ticket = foyer.now(ticket_id)
    if reissued:  # The right was given back; nobody takes it for somebody's theft.
        assert (done.agrees, ticket.life) == (False, Life.OWNED)
        assert effects(foyer, ticket_id) == {"flag_only"}
        new = foyer.card()
        foyer.load(new, ticket_id, at=after(hours=2))
        foyer.dispense(ticket_id, new, "E-0001", at=after(hours=2))
    else:
        assert (done.agrees, ticket.life) == (True, Life.DISPENSED)
        assert "no_dispense" in effects(foyer, ticket_id)


def test_a_reissued_ticket_that_has_moved_on_is_not_taken_back_by_an_old_paper(foyer):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card, device_time=after(minutes=59))
    foyer.lose(card, at=after(hours=1))
    foyer.block(card, at=after(hours=1))
    given_away(foyer, ticket_id)
    (done,) = foyer.upload(DISPENSER, fact, at=after(hours=2))
    assert not done.agrees
    assert types(foyer, done) == [CaseType.OFFLINE_CONFLICT]
    assert foyer.now(ticket_id).owner_id == BOB


# Machines.


def test_what_a_machine_may_not_do_offline_is_recorded_and_looked_at(foyer):
    ticket_id, card = foyer.on_card()
    foyer.delegate(DISPENSER, offline=False)
    (done,) = foyer.upload(DISPENSER, printed(ticket_id, card))
    assert done.agrees
    assert types(foyer, done) == [CaseType.OFFLINE_CONFLICT]
    assert foyer.now(ticket_id).life == Life.DISPENSED
    assert effects(foyer, ticket_id) == {"flag_only"}


def test_a_revoked_machine_moves_no_ticket_and_what_it_says_is_kept(foyer):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card)
    foyer.do(
        parties.revoke,
        device_id=DISPENSER,
        by=KEEPER,
        as_operator=False,
        reason="stolen",
    )
    (done,) = foyer.upload(DISPENSER, fact)
    assert not done.agrees
    assert foyer.now(ticket_id).life == Life.OWNED
    assert CaseType.OFFLINE_CONFLICT in types(foyer, done)
    assert foyer.ledger.find(OfflineFact, fact_id(DISPENSER, 1)).ticket_id == ticket_id
    # Nor does it move a card: what that shows is judged when it is tapped.
    medium = foyer.medium(card)
    assert (medium.seq, medium.marks, medium.status) == (1, (), MediumStatus.ACTIVE)
    assert foyer.tap(card, DISPENSER_2).code == "incomplete"


def test_a_number_that_is_used_for_two_facts_loses_neither(foyer):
    (first, card), (second, other) = foyer.on_card(), foyer.on_card()
    (good,) = foyer.upload(DISPENSER, printed(first, card))
    lie = printed(second, other, serial="D-0002")
    for _ in "12":
        (done,) = foyer.upload(DISPENSER, lie)
        assert not done.agrees
        assert CaseType.DISPENSER_FAULT in types(foyer, done)
    assert good.agrees
    assert foyer.now(second).life == Life.OWNED


def test_a_serial_that_stands_on_another_paper_is_not_the_tickets(foyer):
    (first, card), (second, other) = foyer.on_card(), foyer.on_card()
    foyer.upload(DISPENSER, printed(first, card))
    (done,) = foyer.upload(DISPENSER, printed(second, other, number=2))
    assert not done.agrees
    assert types(foyer, done) == [CaseType.DUPLICATE_DISPENSE]
    assert foyer.ledger.find(Paper, paper_id("D-0001")).ticket_id == first
    assert foyer.now(second).life == Life.OWNED


def test_a_fact_about_a_ticket_that_is_not_known_is_kept(foyer):
    ticket_id, card = foyer.on_card()
    fact = replace(printed(ticket_id, card), ticket_id=fresh())
    (done,) = foyer.upload(DISPENSER, fact)
    assert not done.agrees
    assert types(foyer, done) == [CaseType.OFFLINE_CONFLICT]


def test_a_terminal_reports_nothing_and_a_dispenser_redeems_nothing(foyer):
    coupon_id, card = foyer.coupon(), foyer.card()
    foyer.load(card, coupon_id)
    fact = redeemed(coupon_id, card)
    with pytest.raises(DeviceNotAuthorised):
        foyer.upload(TERMINAL, fact)
    (done,) = foyer.upload(DISPENSER, fact)
    assert not done.agrees
    assert foyer.now(coupon_id).uses.redeemed == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"device_seq": 0},
        {"device_time": NOON.replace(tzinfo=None)},
        {"serial": "d"},
        {"mark": Mark(bytes(7), 8)},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_recorded(foyer, wrong):
    ticket_id, card = foyer.on_card()
    fact = printed(ticket_id, card)
    position = foyer.ledger.position()
    with pytest.raises(Refusal) as refused:
        foyer.upload(DISPENSER, fact, replace(fact, **wrong))
    assert refused.value.code == "malformed"
    with pytest.raises(BadFact):
        foyer.upload(DISPENSER, *[fact] * (FACTS_MAX + 1))
    assert foyer.ledger.position() == position


# Coupons.


def test_an_offline_redemption_over_the_limit_is_kept_and_opens_a_case(foyer):
    """C5."""
    coupon_id, card = foyer.coupon(uses_limit=1), foyer.card()
    foyer.load(card, coupon_id)
    copy = card.copied()
    (first,) = foyer.upload(TILL, redeemed(coupon_id, card))
    (second,) = foyer.upload(TILL, redeemed(coupon_id, copy, receipt="R-2", number=2))
    assert (first.agrees, second.agrees) == (True, False)
    assert CaseType.COUPON_ERROR in types(foyer, second)
    coupon = foyer.now(coupon_id)
    assert (coupon.life, coupon.uses.redeemed) == (Life.SPENT, 1)
    assert any(
        isinstance(event, ETicket.RedemptionObserved)
        for _, event in foyer.ledger.events_of(coupon_id)
    )


def test_a_receipt_that_has_redeemed_before_redeems_nothing_offline(foyer):
    (first, card), (second, other) = [(foyer.coupon(), foyer.card()) for _ in range(2)]
    foyer.load(card, first)
    foyer.load(other, second)
    foyer.use(first, card, "R-1")
    (done,) = foyer.upload(TILL, redeemed(second, other))
    assert not done.agrees
    assert types(foyer, done) == [CaseType.COUPON_ERROR]
    assert foyer.now(second).uses.redeemed == 0
    (fine,) = foyer.upload(TILL, redeemed(second, other, receipt="R-2", number=2))
    assert fine.agrees
    with pytest.raises(Refusal, match="R-2 has redeemed"):
        foyer.session(first, card, "R-2")


def test_the_cases_of_facts_are_found_by_what_they_are_about(foyer):
    ticket_id, card = foyer.on_card()
    given_away(foyer, ticket_id)
    (done,) = foyer.upload(DISPENSER, printed(ticket_id, card))
    wanted = case_id(CaseType.OFFLINE_CONFLICT, str(ticket_id))
    assert done.case_ids == (wanted,)
    (facts,) = foyer.case(wanted).facts
    assert facts["said"]["serial"] == "D-0001"
    assert facts["device_id"] == str(DISPENSER)


WHEN = st.integers(-3, 3)
FACTS = st.lists(
    st.tuples(
        st.sampled_from([DISPENSER, DISPENSER_2]),
        st.integers(0, 2),  # Of which of the three copies of the card.
        st.sampled_from(["D-0001", "D-0002", "E-0001"]),
        WHEN,
    ),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(facts=FACTS, loss=st.none() | WHEN, block=st.booleans(), again=st.booleans())
def test_no_fact_is_dropped_and_a_ticket_is_on_one_paper(
    foyer, facts, loss, block, again
):
    """Whatever machines did and say: one valid serial at most, all of it recorded."""
    ticket_id, card = foyer.on_card()
    copies = [card, card.copied(), card.copied()]
    noon = NOON + 10 * HOUR
    said = []
    for number, (machine, which, serial, when) in enumerate(facts, 1):
        fact = printed(
            ticket_id,
            copies[which],
            serial=f"{serial}-{ticket_id.int >> 96}",
            number=(ticket_id.int >> 96) * 10 + number,
            device_time=noon + timedelta(hours=when),
        )
        said.append((machine, fact))
    if loss is not None:
        foyer.lose(card, at=noon + timedelta(hours=loss))
        if block:
            foyer.block(card, at=noon + timedelta(hours=loss))
    for machine, fact in said * (2 if again else 1):
        (done,) = foyer.upload(machine, fact, at=noon + 5 * HOUR)
        kept = foyer.ledger.find(OfflineFact, fact_id(machine, fact.device_seq))
        assert kept is not None
        assert kept.agrees == done.agrees
        assert done.agrees or done.case_ids
    ticket = foyer.now(ticket_id)
    events = [event for _, event in foyer.ledger.events_of(ticket_id)]
    agreed = [each for each in events if isinstance(each, ETicket.Dispensed)]
    observed = [e.serial for e in events if isinstance(e, ETicket.DispenseObserved)]
    assert len(agreed) <= 1
    assert (ticket.life == Life.DISPENSED) == bool(agreed)
    told = {fact.serial for _, fact in said}
    assert {each.serial for each in agreed} | set(observed) == told
    assert len(observed) == len(set(observed))
    if loss is None or not block:
        assert agreed  # The first copy was current: it is a fact.
