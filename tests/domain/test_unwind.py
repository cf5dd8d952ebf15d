"""What a decision undoes: planned from a ticket's story alone, and balanced always."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.case import Decision, DecisionKind
from ledger.aggregates.case.plan import Plan, Posting, Step, StepKind
from ledger.aggregates.case.refusals import (
    NothingToReissue,
    NotInTheCase,
    NotReversible,
    UsedAlready,
)
from ledger.aggregates.case.repaying import take_back_for_money
from ledger.aggregates.case.story import (
    CaseFacts,
    Chargeback,
    Move,
    SaleFacts,
    TicketStory,
    Use,
)
from ledger.aggregates.case.unwind import plan
from ledger.errors import Refusal
from ledger.vocabulary.money import split

TICKET, ORDER, ISSUER = UUID(int=900), UUID(int=901), UUID(int=50)
ALICE, BOB, CAROL, DAVE = (UUID(int=i) for i in range(1, 5))
PEOPLE = [ALICE, BOB, CAROL, DAVE]
CLEARING = "card/sandbox/EUR"


def sale(seller, buyer, price=4_000, *, held=True, compensated=0, number=1, owed=False):
    names = ["seller", "royalty", "platform", "tax"]
    shares = dict(zip(names, split(price, [85, 5, 6, 4]), strict=True))
    left = shares["seller"] - compensated if held else 0
    sale_id = UUID(int=700 + number)
    return SaleFacts(sale_id, seller, buyer, price, shares, held, left, owed)


def story(*moves, **more):
    """A ticket sold to Alice for 4,000; each move is (kind, to) or a sale."""
    told, owner = [Move(1, "issued", None, ALICE)], ALICE
    for number, move in enumerate(moves, 1):
        version = 1 + 3 * number
        if isinstance(move, SaleFacts):
            told.append(Move(version, "resale", owner, move.buyer_id, sale=move))
        else:
            told.append(Move(version, move[0], owner, move[1]))
        owner = told[-1].to_id
    said: dict[str, Any] = {
        "ticket_id": TICKET,
        "issuer_id": ISSUER,
        "purchaser_id": ALICE,
        "order_id": ORDER,
        "owner_id": owner,
        "life": "OWNED",
        "epoch": len(told),
        "paid_minor": 4_000,
        "currency": "EUR",
        "moves": tuple(told),
    }
    return TicketStory(**(said | more))


def back_to(version, **more):
    return Decision(DecisionKind.REVERSE_TO, events=(f"{TICKET}/{version}",), **more)


def planned(told, decision, **more) -> Plan:
    return plan(CaseFacts(decision, (told,), **more))


def test_a_gift_is_reversed_by_naming_the_event_it_reverses():
    (step,) = planned(story(("gift", BOB)), back_to(1)).steps
    assert (step.kind, step.version, step.to_id) == (StepKind.REASSIGN, 4, ALICE)


def test_a_chain_of_gifts_goes_back_one_event_at_a_time_newest_first():
    steps = planned(story(("gift", BOB), ("gift", CAROL)), back_to(1)).steps
    assert [(step.version, step.to_id) for step in steps] == [(7, BOB), (4, ALICE)]


def test_a_buyer_in_good_faith_keeps_what_a_thief_sold_and_escrow_pays_the_wronged():
    sold = sale(BOB, CAROL)
    (step,) = planned(story(("gift", BOB), sold), back_to(1)).steps
    assert step.kind == StepKind.PAY
    assert step.postings == (
        Posting(f"escrow/{sold.sale_id}/EUR", -3_400),
        Posting(f"purse/{ALICE}", 3_400),
    )


def test_once_the_seller_is_paid_out_the_wronged_is_compensated_by_him():
    sold = sale(BOB, CAROL, held=False)
    (step,) = planned(story(("gift", BOB), sold), back_to(1)).steps
    assert set(step.postings) == {
        Posting(f"purse/{BOB}", -3_400),
        Posting(f"purse/{ALICE}", 3_400),
    }


def test_what_escrow_has_given_away_already_is_made_up_by_the_seller():
    sold = sale(BOB, CAROL, compensated=1_000)
    totals = planned(story(("gift", BOB), sold), back_to(1)).totals()
    assert totals[f"escrow/{sold.sale_id}/EUR", "EUR"] == -2_400
    assert totals[f"purse/{BOB}", "EUR"] == -1_000


def test_who_got_it_as_a_gift_from_a_thief_is_no_buyer_in_good_faith():
    steps = planned(story(("gift", BOB), ("gift", CAROL)), back_to(1)).steps
    assert steps[-1].to_id == ALICE


@pytest.mark.parametrize("paid", [{"price": 0}, {"owed": True}], ids=str)
def test_who_paid_nothing_for_it_is_no_buyer_in_good_faith_either(paid):
    steps = planned(story(("gift", BOB), sale(BOB, CAROL, **paid)), back_to(1)).steps
    assert steps[-1].to_id == ALICE


def test_what_was_used_of_a_sale_for_nothing_is_owed_as_of_a_gift():
    used = {"life": "DISPENSED", "paper_usable": True}
    given, sold = ("gift", BOB), sale(ALICE, BOB, 0)
    for_nothing = planned(story(sold, **used), back_to(1)).totals()
    assert for_nothing == planned(story(given, **used), back_to(1)).totals()
    assert for_nothing


def test_what_a_good_faith_buyer_gave_away_stays_with_the_recipient():
    told = story(("gift", BOB), sale(BOB, CAROL), ("gift", DAVE))
    assert {step.kind for step in planned(told, back_to(1)).steps} == {StepKind.PAY}


def test_a_buyer_in_bad_faith_loses_the_title_and_his_purchase_is_undone():
    sold = sale(BOB, CAROL)
    decision = back_to(1, bad_faith=(CAROL,))
    made = planned(story(("gift", BOB), sold), decision)
    kinds = [step.kind for step in made.steps]
    assert kinds == [StepKind.REASSIGN, StepKind.UNDO_SALE, StepKind.REASSIGN]
    assert made.totals() == {
        (f"escrow/{sold.sale_id}/EUR", "EUR"): -4_000,
        (f"tenders/{sold.sale_id}", "EUR"): 4_000,
    }


@pytest.mark.parametrize("life", ["DISPENSED", "SPENT", "REFUNDED"])
def test_what_was_used_is_paid_for_and_not_taken_back(life):
    (step,) = planned(story(("gift", BOB), life=life), back_to(1)).steps
    assert step.postings == (
        Posting(f"debt/{BOB}/EUR", -4_000),
        Posting(f"purse/{ALICE}", 4_000),
    )


def test_of_a_coupon_used_in_part_the_rest_goes_back_and_the_part_is_paid_for():
    told = story(("gift", BOB), uses_limit=10, uses=(Use(2, 4), Use(5, 3)))
    reassigned, paid = planned(told, back_to(1)).steps
    assert (reassigned.kind, paid.paid_minor) == (StepKind.REASSIGN, 1_200)


def test_an_event_is_reversed_once():
    told = story(("gift", BOB))
    reassigned = Move(7, "decision", BOB, ALICE, reverses=4)
    again = story(("gift", BOB), moves=(*told.moves, reassigned))
    assert again.standing == told.moves[:1]
    for version in (1, 4):
        with pytest.raises(NotReversible):
            planned(again, back_to(version))


def test_what_was_made_good_in_money_is_not_made_good_again():
    told = story(("gift", BOB), life="DISPENSED", compensated_versions=(4,))
    with pytest.raises(NotReversible):
        planned(told, back_to(1))


@pytest.mark.parametrize("event", ["1/1", f"{TICKET}/2", f"{TICKET}/4", f"{TICKET}/x"])
def test_only_an_event_of_the_tickets_chain_is_gone_back_to(event):
    decision = Decision(DecisionKind.REVERSE_TO, events=(event,))
    with pytest.raises((NotReversible, NotInTheCase)):
        planned(story(("gift", BOB)), decision)


def test_a_refund_goes_to_the_tenders_that_paid():
    (step,) = planned(story(("gift", BOB)), Decision(DecisionKind.REFUND)).steps
    assert step.postings == (
        Posting(f"revenue/{ISSUER}/EUR", -4_000),
        Posting(f"tenders/{ORDER}", 4_000),
    )


def test_of_a_resold_ticket_each_is_paid_back_by_who_sold_to_him():
    sold = sale(ALICE, BOB, 5_000, held=False)
    totals = planned(story(sold), Decision(DecisionKind.REFUND)).totals()
    assert totals == {
        (f"revenue/{ISSUER}/EUR", "EUR"): -4_000 - sold.shares["royalty"],
        (f"tenders/{ORDER}", "EUR"): 4_000,
        (f"purse/{ALICE}", "EUR"): -sold.shares["seller"],
        ("platform/EUR", "EUR"): -sold.shares["platform"],
        (f"tax/{ISSUER}/EUR", "EUR"): -sold.shares["tax"],
        (f"tenders/{sold.sale_id}", "EUR"): 5_000,
    }


def test_who_sold_what_he_was_given_gets_what_his_giver_had_paid():
    sold = sale(BOB, CAROL, held=False)
    told = story(("gift", BOB), sold)
    totals = planned(told, Decision(DecisionKind.REFUND)).totals()
    assert totals[f"purse/{BOB}", "EUR"] == 4_000 - sold.shares["seller"]
    assert (f"tenders/{ORDER}", "EUR") not in totals


def test_a_paper_that_may_have_been_used_is_neither_refunded_nor_revoked():
    told = story(life="DISPENSED", serial="S-1", paper_usable=True)
    for kind in (DecisionKind.REFUND, DecisionKind.REVOKE):
        with pytest.raises(UsedAlready):
            planned(told, Decision(kind))


def test_a_cancelled_offering_takes_papers_back_too():
    told = story(life="DISPENSED", serial="S-1", paper_usable=True)
    (step,) = take_back_for_money(told)
    assert (step.kind, step.paid_minor) == (StepKind.REFUND, 4_000)


@pytest.mark.parametrize(
    ("more", "kind", "ref"),
    [
        ({"life": "DISPENSED", "serial": "S-1"}, StepKind.SURRENDER, "S-1"),
        ({"medium_uid": "04aa"}, StepKind.RECALL, "04aa"),
        ({"life": "REVOKED"}, StepKind.REINSTATE, None),
        ({"life": "SPENT"}, StepKind.REINSTATE, None),
    ],
)
def test_a_right_is_reissued_whatever_form_it_was_lost_in(more, kind, ref):
    (step,) = planned(story(**more), Decision(DecisionKind.REISSUE)).steps
    assert (step.kind, step.ref) == (kind, ref)


def test_an_electronic_right_needs_no_reissue():
    with pytest.raises(NothingToReissue):
        planned(story(), Decision(DecisionKind.REISSUE))


def test_upholding_changes_nothing():
    made = planned(story(("gift", BOB)), Decision(DecisionKind.UPHOLD))
    assert (made.steps, made.value_minor) == ((), 0)


def test_compensation_comes_from_escrow_before_the_sellers_purse():
    sold = sale(BOB, CAROL)
    decision = Decision(
        DecisionKind.COMPENSATE,
        payer_id=BOB,
        payee_id=ALICE,
        amount_minor=5_000,
        currency="EUR",
    )
    assert planned(story(("gift", BOB), sold), decision).totals() == {
        (f"escrow/{sold.sale_id}/EUR", "EUR"): -3_400,
        (f"purse/{BOB}", "EUR"): -1_600,
        (f"purse/{ALICE}", "EUR"): 5_000,
    }


def charged_back(*told, amount=4_000):
    facts = CaseFacts(
        Decision(DecisionKind.REVOKE),
        told,
        Chargeback(ALICE, amount, "EUR", CLEARING),
    )
    return plan(facts)


def test_a_lost_chargeback_revokes_an_unused_ticket_and_the_issuer_bears_it():
    made = charged_back(story(("gift", BOB)))
    assert StepKind.REVOKE in {step.kind for step in made.steps}
    assert made.totals() == {
        (CLEARING, "EUR"): 4_000,
        (f"revenue/{ISSUER}/EUR", "EUR"): -4_000,
    }


def test_a_lost_chargeback_of_a_used_ticket_is_the_purchasers_debt():
    made = charged_back(story(life="DISPENSED", paper_usable=True))
    assert {step.kind for step in made.steps} == {StepKind.PAY}
    assert made.totals() == {
        (CLEARING, "EUR"): 4_000,
        (f"debt/{ALICE}/EUR", "EUR"): -4_000,
    }


def test_a_lost_chargeback_leaves_the_ticket_to_who_bought_it_in_good_faith():
    sold = sale(ALICE, BOB)
    made = charged_back(story(sold))
    assert {step.kind for step in made.steps} == {StepKind.PAY}
    assert made.totals() == {
        (CLEARING, "EUR"): 4_000,
        (f"escrow/{sold.sale_id}/EUR", "EUR"): -3_400,
        (f"debt/{ALICE}/EUR", "EUR"): -600,
    }


def test_what_the_card_had_not_paid_goes_back_with_a_revocation():
    totals = charged_back(story(), amount=1_000).totals()
    assert totals == {
        (CLEARING, "EUR"): 1_000,
        (f"tenders/{ORDER}", "EUR"): 3_000,
        (f"revenue/{ISSUER}/EUR", "EUR"): -4_000,
    }


def test_of_a_coupon_used_in_part_a_bank_leaves_the_used_part_as_a_debt():
    told = story(uses_limit=4, uses=(Use(2, 1),))
    assert charged_back(told).totals() == {
        (CLEARING, "EUR"): 4_000,
        (f"debt/{ALICE}/EUR", "EUR"): -1_000,
        (f"revenue/{ISSUER}/EUR", "EUR"): -3_000,
    }


def test_the_hash_names_the_steps_and_the_state_they_were_planned_from():
    decision = back_to(1)
    made = planned(story(("gift", BOB)), decision)
    assert made.hash == planned(story(("gift", BOB)), decision).hash
    assert made.hash != planned(story(("gift", BOB), epoch=9), decision).hash
    assert made.hash != planned(story(("gift", CAROL)), decision).hash


def test_a_ticket_that_goes_back_by_several_hands_counts_once():
    told = story(("gift", BOB), ("gift", CAROL))
    assert planned(told, back_to(1)).value_minor == 4_000


def test_a_step_that_does_not_balance_cannot_be_planned():
    with pytest.raises(ValueError, match="zero"):
        Step(StepKind.PAY, "lost", currency="EUR", postings=(Posting("a", 1),))


@st.composite
def stories(draw):
    """Any ticket: given and sold on, in escrow or paid out, used or not."""
    moves, owner = [], ALICE
    for number in range(draw(st.integers(0, 6))):
        to = draw(st.sampled_from([each for each in PEOPLE if each != owner]))
        if draw(st.booleans()):
            held = draw(st.booleans())
            price = draw(st.integers(0, 9_999))
            sold = sale(owner, to, price, held=held, number=number)
            spent = draw(st.integers(0, sold.shares["seller"])) if held else 0
            moves.append(
                sale(owner, to, price, held=held, compensated=spent, number=number)
            )
        else:
            moves.append(("gift", to))
        owner = to
    life = draw(st.sampled_from(["OWNED", "DISPENSED", "SPENT", "REVOKED"]))
    limit = draw(st.integers(1, 5))
    used = limit if life == "SPENT" else draw(st.integers(0, limit - 1))
    version = draw(st.integers(2, 20))
    return story(
        *moves,
        life=life,
        serial="S-1" if life == "DISPENSED" else None,
        paper_usable=life == "DISPENSED" and draw(st.booleans()),
        uses_limit=limit,
        uses=(Use(version, used),) if used else (),
        paid_minor=draw(st.integers(0, 9_999)),
    )


@st.composite
def decisions(draw, told):
    back = st.just(DecisionKind.REVERSE_TO)
    kind = draw(back | st.sampled_from(list(DecisionKind)))
    move = draw(st.sampled_from(told.moves))
    return Decision(
        kind,
        events=(f"{TICKET}/{move.version}",),
        bad_faith=tuple(draw(st.sets(st.sampled_from(PEOPLE)))),
        payer_id=draw(st.sampled_from([ALICE, BOB])),
        payee_id=draw(st.sampled_from([CAROL, DAVE])),
        amount_minor=draw(st.integers(1, 20_000)),
        currency="EUR",
    )


class Model:
    """One ticket and all accounts, changed by nothing but the plan's steps."""

    def __init__(self, told: TicketStory) -> None:
        self.told = told
        self.chain = list(told.standing)
        self.life = told.life
        self.balances: Counter[str] = Counter()
        self.reversed: list[int] = []

    def carry_out(self, step: Step) -> None:
        if step.kind == StepKind.REASSIGN:
            assert self.life == "OWNED", "used rights are not taken back"
            top = self.chain.pop()
            assert step.version == top.version, "the newest goes first"
            assert step.to_id == self.chain[-1].to_id
            self.reversed.append(step.version)
        elif step.kind in (StepKind.REVOKE, StepKind.REFUND):
            assert self.life in ("OWNED", "DISPENSED")
            assert not self.told.paper_usable
            self.life = "REVOKED"
        for posting in step.postings:
            self.balances[posting.account] += posting.amount_minor


@given(st.data())
def test_whatever_is_planned_balances_has_one_owner_and_takes_back_nothing_used(data):
    told = data.draw(stories())
    decision = data.draw(decisions(told))
    bank = Chargeback(ALICE, data.draw(st.integers(1, 9_999)), "EUR", CLEARING)
    facts = CaseFacts(decision, (told,), data.draw(st.sampled_from([None, bank])))
    try:
        made = plan(facts)
    except Refusal:
        return
    model = Model(told)
    for step in made.steps:
        model.carry_out(step)
    assert sum(model.balances.values()) == 0
    assert len(set(model.reversed)) == len(model.reversed)
    assert len(model.chain) >= 1
    for move in told.moves:
        if move.sale is not None:
            taken = -model.balances[f"escrow/{move.sale.sale_id}/EUR"]
            fees = sum(move.sale.shares.values()) - move.sale.shares["seller"]
            there = fees + move.sale.seller_held_minor if move.sale.held else 0
            assert 0 <= taken <= there, "escrow gives no more than it has"
    if model.reversed:
        assert f"{TICKET}/{model.chain[-1].version}" in decision.events
        kept = [told.standing[-1], *told.moves]
        assert all(
            move.to_id in decision.bad_faith
            for move in kept
            if move.version in model.reversed and move.sale and move.sale.price_minor
        ), "a buyer in good faith keeps the title"


@given(stories())
def test_the_last_payer_gets_back_what_he_paid_less_what_was_used(told):
    sold = told.last_sale
    paid = told.paid_minor if sold is None else sold.price_minor
    used = sum(use.amount for use in told.uses)
    due = paid - paid * used // told.uses_limit
    totals = Plan(tuple(take_back_for_money(told)), ()).totals()
    if told.is_over:
        assert totals == {}
    elif sold is None:
        assert totals.get((f"tenders/{ORDER}", "EUR"), 0) == due
    else:
        back = totals.get((f"tenders/{sold.sale_id}", "EUR"), 0)
        assert back == paid
        sellers = {m.sale.seller_id for m in told.moves if m.sale is not None}
        if sold.buyer_id not in sellers:
            assert totals.get((f"purse/{sold.buyer_id}", "EUR"), 0) == due - paid
    assert sum(totals.values()) == 0


def test_a_ticket_goes_back_to_one_event_only():
    told = story(("gift", BOB), ("gift", CAROL))
    both = Decision(DecisionKind.REVERSE_TO, events=(f"{TICKET}/1", f"{TICKET}/4"))
    with pytest.raises(NotInTheCase):
        planned(told, both)


def test_a_refund_empties_the_escrow_even_of_a_coupon_used_in_part():
    sold = sale(ALICE, BOB)
    told = story(sold, uses_limit=4, uses=(Use(9, 1),))
    totals = planned(told, Decision(DecisionKind.REFUND)).totals()
    assert totals[f"escrow/{sold.sale_id}/EUR", "EUR"] == -4_000
    assert totals[f"tenders/{sold.sale_id}", "EUR"] == 4_000
    assert totals[f"purse/{BOB}", "EUR"] == -1_000
    assert sum(totals.values()) == 0


def bank_on(sold, amount=4_000):
    return Chargeback(BOB, amount, "EUR", CLEARING, sold.sale_id)


def test_a_resale_that_a_bank_took_back_is_undone_and_the_seller_has_his_ticket():
    sold = sale(ALICE, BOB)
    facts = CaseFacts(Decision(DecisionKind.REVOKE), (story(sold),), bank_on(sold))
    reassigned, undone = plan(facts).steps
    assert (reassigned.kind, reassigned.to_id) == (StepKind.REASSIGN, ALICE)
    assert undone.ref == f"sale/{sold.sale_id}"
    assert plan(facts).totals() == {
        (f"escrow/{sold.sale_id}/EUR", "EUR"): -4_000,
        (CLEARING, "EUR"): 4_000,
    }


@pytest.mark.parametrize("told", ["given on", "sold on", "dispensed", "in part"])
def test_a_resale_that_cannot_be_undone_is_the_purchasers_debt(told):
    sold = sale(ALICE, BOB)
    if told == "given on":
        facts = (story(sold, ("gift", CAROL)), 4_000)
    elif told == "sold on":
        facts = (story(sold, sale(BOB, CAROL, number=2)), 4_000)
    elif told == "dispensed":
        facts = (story(sold, life="DISPENSED"), 4_000)
    else:
        facts = (story(sold), 3_000)
    ticket, amount = facts
    made = plan(
        CaseFacts(Decision(DecisionKind.REVOKE), (ticket,), bank_on(sold, amount))
    )
    assert made.totals() == {
        (CLEARING, "EUR"): amount,
        (f"debt/{BOB}/EUR", "EUR"): -amount,
    }
