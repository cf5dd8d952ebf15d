"""Collisions that come to light when the line is back: a lost card, a card used twice.

The number in a test's name is that of the collision in docs/coverage.md.
"""

from datetime import timedelta
from functools import partial

import pytest

from ledger.aggregates.case import CaseType
from ledger.aggregates.e_ticket import FormKind, Life
from ledger.errors import Refusal
from ledger.usecases.offline import Mark, PrintedOffline, RedeemedOffline
from ledger.vocabulary.codes import OFFLINE_HORIZON_S
from tests.domain.examples import DISPENSER, NOON, TILL
from tests.usecases.foyer import DISPENSER_2, TILL_2, Foyer, after, fresh
from tests.usecases.meeting import at_once

LOST_AT, LATER = after(hours=2), after(hours=5)


@pytest.fixture
def foyer(installation):
    """Its machines may work without the line."""
    made = Foyer(installation)
    for machine in (DISPENSER, DISPENSER_2, TILL, TILL_2):
        made.delegate(machine, offline=True)
    return made


def paper(foyer, ticket_id, card, *, serial="T-000001", at=NOON):
    slot = foyer.slot_of(card, ticket_id)
    return PrintedOffline(
        device_seq=1,
        device_time=at,
        known_position=foyer.ledger.position(),
        ticket_id=ticket_id,
        serial=serial,
        mark=Mark(card.uid, slot),
        epoch=card.slots[slot].epoch,
    )


def test_10_a_lost_card_is_refused_its_exposure_shown_and_its_right_reissued(foyer):
    ticket_id, card = foyer.on_card()
    before = foyer.now(ticket_id).epoch
    lost = foyer.lose(card, at=LOST_AT)
    horizon = LOST_AT + timedelta(seconds=OFFLINE_HORIZON_S)
    until = min(horizon, foyer.now(ticket_id).not_after)
    assert [(each.ticket_id, each.until) for each in lost.exposed] == [
        (ticket_id, until)
    ]
    with pytest.raises(Refusal) as refused:
        foyer.lease(ticket_id, card, at=LOST_AT)
    assert refused.value.code == "medium_blocked"
    assert foyer.block(card, at=LATER).ticket_ids == [ticket_id]
    ticket = foyer.now(ticket_id)
    assert (ticket.form.kind, ticket.epoch) == (FormKind.ELECTRONIC, before + 1)


def test_10_of_a_loss_told_and_a_tap_at_once_one_is_first(foyer):
    for _ in range(4):
        ticket_id, card = foyer.on_card()
        leased, lost = at_once(
            partial(foyer.lease, ticket_id, card, at=LOST_AT),
            partial(foyer.lose, card, at=LOST_AT),
        )
        assert [each.ticket_id for each in lost.exposed] == [ticket_id]
        if leased == "medium_blocked":
            foyer.block(card, at=LATER)
            assert foyer.now(ticket_id).form.kind == FormKind.ELECTRONIC
        else:
            nothing_is_printed(foyer, ticket_id, card, leased)


def test_10_a_card_that_is_lost_while_it_lies_on_a_machine_prints_nothing(foyer):
    ticket_id, card = foyer.on_card()
    leased = foyer.lease(ticket_id, card, at=LOST_AT)
    foyer.lose(card, at=LOST_AT)
    nothing_is_printed(foyer, ticket_id, card, leased)


def nothing_is_printed(foyer, ticket_id, card, leased):
    """The mark is the point of no return, and it comes after the loss."""
    with pytest.raises(Refusal) as refused:
        foyer.mark(ticket_id, card, leased, "T-000001", at=LOST_AT)
    assert refused.value.code == "medium_blocked"
    ticket = foyer.now(ticket_id)
    assert (ticket.life, ticket.form.serial) == (Life.OWNED, None)


@pytest.mark.parametrize("reissued", [False, True], ids=["suspended", "reissued"])
def test_10_what_was_printed_before_the_report_is_a_fact(foyer, reissued):
    ticket_id, card = foyer.on_card()
    fact = paper(foyer, ticket_id, card, at=LOST_AT - timedelta(minutes=1))
    foyer.lose(card, at=LOST_AT)
    if reissued:
        foyer.block(card, at=LOST_AT)
    (outcome,) = foyer.upload(DISPENSER, fact, at=LATER)
    assert (outcome.agrees, outcome.case_ids) == (True, ())
    ticket = foyer.now(ticket_id)
    assert (ticket.life, ticket.form.serial) == (Life.DISPENSED, "T-000001")


def test_10_what_was_printed_after_the_report_is_a_case_and_the_right_stays(foyer):
    ticket_id, card = foyer.on_card()
    fact = paper(foyer, ticket_id, card, at=LOST_AT)
    foyer.lose(card, at=LOST_AT)
    foyer.block(card, at=LOST_AT)
    (outcome,) = foyer.upload(DISPENSER, fact, at=LATER)
    assert not outcome.agrees
    (case_id,) = outcome.case_ids
    assert foyer.case(case_id).type == CaseType.LOST_MEDIUM
    ticket = foyer.now(ticket_id)
    assert (ticket.life, ticket.observed) == (Life.OWNED, ("T-000001",))
    # The owner may still use what was reissued to him.
    assert all(list(hold.effects) == ["flag_only"] for hold in ticket.holds)


def test_12_of_two_dispensers_that_used_one_card_both_facts_are_kept(foyer):
    ticket_id, card = foyer.on_card()
    first = paper(foyer, ticket_id, card, serial="T-000001", at=after(minutes=1))
    second = paper(foyer, ticket_id, card, serial="T-000002", at=after(minutes=2))
    outcomes = at_once(
        lambda: foyer.upload(DISPENSER, first, at=LATER)[0],
        lambda: foyer.upload(DISPENSER_2, second, at=LATER)[0],
    )
    assert sorted(each.agrees for each in outcomes) == [False, True]
    (case_id,) = outcomes[0].case_ids + outcomes[1].case_ids
    assert foyer.case(case_id).type == CaseType.DUPLICATE_DISPENSE
    ticket = foyer.now(ticket_id)
    assert {ticket.form.serial, *ticket.observed} == {"T-000001", "T-000002"}
    assert [hold.case_id for hold in ticket.holds] == [case_id]
    # Said again, both have the same answer and nothing is recorded.
    position = foyer.ledger.position()
    assert foyer.upload(DISPENSER, first, at=LATER)[0].agrees == outcomes[0].agrees
    assert foyer.upload(DISPENSER_2, second, at=LATER)[0].agrees == outcomes[1].agrees
    assert foyer.ledger.position() == position


def test_12_a_coupon_used_beyond_its_limit_at_two_tills_is_kept_and_looked_at(foyer):
    coupon_id = foyer.coupon(uses_limit=1)
    card = foyer.card()
    foyer.load(card, coupon_id)

    def used(receipt):
        return RedeemedOffline(
            device_seq=1,
            device_time=after(minutes=1),
            known_position=foyer.ledger.position(),
            ticket_id=coupon_id,
            session_id=fresh(),
            receipt=receipt,
            amount=1,
            mark=Mark(card.uid, foyer.slot_of(card, coupon_id)),
        )

    one, other = used("R-1"), used("R-2")
    outcomes = at_once(
        lambda: foyer.upload(TILL, one, at=LATER)[0],
        lambda: foyer.upload(TILL_2, other, at=LATER)[0],
    )
    assert sorted(each.agrees for each in outcomes) == [False, True]
    (case_id,) = outcomes[0].case_ids + outcomes[1].case_ids
    assert foyer.case(case_id).type == CaseType.COUPON_ERROR
    coupon = foyer.now(coupon_id)
    assert coupon.uses.left == 0
    told = {*coupon.redemptions, *coupon.observed}
    assert told == {str(one.session_id), str(other.session_id)}
