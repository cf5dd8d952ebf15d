"""Decisions carried out on a real ledger: titles, places and money, in one commit."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.aggregates.account import Account, Entry
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.case import CaseState, Decision, DecisionKind
from ledger.aggregates.case.plan import StepKind
from ledger.aggregates.case.refusals import (
    NotReversible,
    PartyToTheCase,
    PlanChanged,
    SameOperator,
)
from ledger.aggregates.e_ticket import FormKind, Life, LockKind, Terms
from ledger.aggregates.sale import Sale, SaleState
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.usecases import accounts, audit, chargebacks, disputes, stock, unwinding
from ledger.vocabulary.ids import account_id, allowance_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.court import CAUSE, CLERK, JUDGE, Court, fresh
from tests.usecases.town import Town

CLEARING = "card/sandbox/EUR"


class TownCourt(Court, Town):
    """The town of the other use cases, with a court in it."""

    def __init__(self, installation, **offering):
        Town.__init__(self, installation, **offering)


@pytest.fixture
def court(installation):
    return TownCourt(installation)


@pytest.fixture
def later(installation):
    """Nothing is valid yet, and sellers wait for their money until it is."""
    return TownCourt(
        installation,
        valid_from=NOON + 24 * HOUR,
        terms=Terms(royalty_percent=5, payout="after_start"),
    )


@pytest.fixture(autouse=True)
def everything_adds_up(installation):
    """After each of these tests every posting is balanced and explains the purses."""
    yield
    recorder = installation.ledger.recorder
    found = recorder.select_notifications(
        1, 10_000, topics=[Account.Opened.TOPIC, Entry.Made.TOPIC]
    )
    loaded = [
        installation.ledger.find(kind, each.originator_id)
        for each in found
        for kind in (Account, Entry)
    ]
    balance = accounts.trial_balance(
        [each for each in loaded if isinstance(each, Entry)],
        [each for each in loaded if isinstance(each, Account)],
    )
    assert balance.holds


def back_to(ticket_id, version=1, **more):
    return Decision(DecisionKind.REVERSE_TO, events=(f"{ticket_id}/{version}",), **more)


def purse(court, party_id):
    account = court.ledger.find(Account, account_id(party_id, "e-money", "EUR"))
    return 0 if account is None else account.balance_minor


def owed_by(court, party_id):
    return posted(court, f"debt/{party_id}/EUR")


def posted(court, name):
    found = court.ledger.recorder.select_notifications(
        1, 10_000, topics=[Entry.Made.TOPIC]
    )
    entries = [court.ledger.find(Entry, each.originator_id) for each in found]
    return sum(
        posting.amount_minor
        for entry in entries
        for posting in entry.postings
        if posting.account == name
    )


def resold(court, ticket_id, *, by=BOB, to=CAROL):
    return court.buy_listed(ticket_id, court.list_ticket(ticket_id, by=by), by=to)


def decided(court, decision, *ticket_ids, about="unauthorised_transfer"):
    case_id = court.complain(*ticket_ids, about=about)
    court.decide(case_id, decision)
    return case_id


def test_a_gift_by_a_thief_goes_back_and_the_event_it_reverses_is_named(court):
    ticket_id = court.buy()
    given = court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id)
    court.execute(case_id)
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.epoch) == (ALICE, given.epoch + 1)
    assert ticket.reversed_versions == (given.title_version,)
    owners = audit.owners(court.ledger, ticket_id=ticket_id)
    assert [line.owner_id for line in owners] == [ALICE, BOB, ALICE]


def test_executing_and_closing_are_two_steps_and_closing_releases_the_holds(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id)
    court.execute(case_id)
    assert len(court.ledger.ticket(ticket_id).holds) == 1
    court.close(case_id)
    assert court.ledger.ticket(ticket_id).holds == ()
    assert court.case(case_id).state == CaseState.CLOSED


def test_13_a_gift_reversed_after_the_recipient_resold_leaves_it_with_the_buyer(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    before = purse(court, ALICE)
    resold(court, ticket_id)
    seller = purse(court, BOB)
    court.execute(decided(court, back_to(ticket_id), ticket_id))
    assert court.ledger.ticket(ticket_id).owner_id == CAROL
    assert purse(court, ALICE) == before + 3_800
    assert purse(court, BOB) == seller - 3_800


def test_13_while_the_price_is_in_escrow_the_wronged_is_paid_from_there(later):
    ticket_id = later.buy()
    later.given(ticket_id)
    sale_id = resold(later, ticket_id).sale_id
    before = purse(later, ALICE)
    later.execute(decided(later, back_to(ticket_id), ticket_id))
    assert purse(later, ALICE) == before + 3_800
    assert purse(later, BOB) == 0
    assert posted(later, f"escrow/{sale_id}/EUR") == 200
    assert later.ledger.find(Sale, sale_id).seller_left_minor == 0


def test_a_loss_is_made_good_once_over_all_cases(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    resold(court, ticket_id)
    court.execute(decided(court, back_to(ticket_id), ticket_id))
    again = decided(court, back_to(ticket_id), ticket_id)
    with pytest.raises(NotReversible):
        court.execute(again)


def test_a_resale_that_a_decision_undid_does_not_count_as_one(installation):
    court = TownCourt(installation, purchase_limit=1)
    ticket_id = court.buy()
    resold(court, ticket_id, by=ALICE)
    case_id = decided(court, back_to(ticket_id, bad_faith=(CAROL,)), ticket_id)
    court.execute(case_id)
    court.close(case_id)
    resold(court, ticket_id, by=ALICE)
    assert court.ledger.ticket(ticket_id).owner_id == CAROL


def test_what_a_thief_sold_for_nothing_goes_back_as_a_gift_does(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    listing = court.list_ticket(ticket_id, by=BOB, price_minor=0)
    sale_id = court.buy_listed(ticket_id, listing, by=CAROL).sale_id
    court.execute(decided(court, back_to(ticket_id), ticket_id))
    assert court.ledger.ticket(ticket_id).owner_id == ALICE
    assert court.ledger.find(Sale, sale_id).state == SaleState.CLAWBACK


def test_a_purchaser_in_bad_faith_gives_the_ticket_back_and_gets_his_price(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    before = purse(court, CAROL)
    sale_id = resold(court, ticket_id).sale_id
    decision = back_to(ticket_id, bad_faith=(CAROL,))
    court.execute(decided(court, decision, ticket_id))
    assert court.ledger.ticket(ticket_id).owner_id == ALICE
    assert purse(court, CAROL) == before
    assert purse(court, BOB) == 0
    assert court.ledger.find(Sale, sale_id).state == SaleState.CLAWBACK


def test_what_was_dispensed_is_paid_for_and_stays_a_debt(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    court.print(ticket_id, court.leased(ticket_id))
    before = purse(court, ALICE)
    court.execute(decided(court, back_to(ticket_id), ticket_id))
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.life) == (BOB, Life.DISPENSED)
    assert purse(court, ALICE) == before + 4_000
    assert owed_by(court, BOB) == -4_000


def test_the_plan_is_refused_when_something_moved_since_it_was_shown(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id, about="cap_breach")
    shown = unwinding.preview(court.ledger, case_id=case_id)
    court.given(ticket_id, by=BOB, to=CAROL)
    with pytest.raises(PlanChanged) as refused:
        court.execute(case_id, plan_hash=shown.hash)
    newest = court.ledger.ticket(ticket_id).version
    assert f"{ticket_id}/{newest}" in refused.value.because
    assert court.case(case_id).state == CaseState.DECIDED
    court.execute(case_id)
    assert court.ledger.ticket(ticket_id).owner_id == ALICE


def test_what_is_previewed_is_what_is_recorded(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id)
    position = court.ledger.position()
    shown = unwinding.preview(court.ledger, case_id=case_id)
    assert court.ledger.position() == position
    assert [step.kind for step in shown.steps] == [StepKind.REASSIGN]
    court.execute(case_id, plan_hash=shown.hash)
    assert court.case(case_id).plan_hash == shown.hash


def test_three_dear_tickets_need_a_second_operator(court):
    tickets = [court.buy() for _ in range(2)]
    court.top_up(ALICE, 10_000)
    tickets.append(court.buy())
    for ticket_id in tickets:
        court.given(ticket_id)
    case_id = court.complain(*tickets)
    events = tuple(f"{ticket_id}/1" for ticket_id in tickets)
    court.decide(case_id, Decision(DecisionKind.REVERSE_TO, events=events))
    with pytest.raises(SameOperator):
        court.execute(case_id, by=JUDGE)
    with pytest.raises(PartyToTheCase):
        court.execute(case_id, by=BOB)
    court.execute(case_id, by=CLERK)
    owners = {court.ledger.ticket(ticket_id).owner_id for ticket_id in tickets}
    assert owners == {ALICE}


def test_one_operator_may_settle_a_small_matter(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id)
    court.execute(case_id, by=JUDGE)


def test_of_two_who_execute_at_once_one_does(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id)
    shown = unwinding.preview(court.ledger, case_id=case_id)

    def outcome(by):
        try:
            return bool(
                attempt(lambda: court.execute(case_id, by=by, plan_hash=shown.hash))
            )
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, [CLERK, JUDGE]))
    assert outcomes.count(True) == 1
    assert set(outcomes) <= {True, "case_state", "already_reversed", "epoch_stale"}
    owners = audit.owners(court.ledger, ticket_id=ticket_id)
    assert [line.owner_id for line in owners] == [ALICE, BOB, ALICE]


def test_a_refund_gives_money_and_place_back(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    before = purse(court, ALICE)
    decision = Decision(DecisionKind.REFUND)
    court.execute(decided(court, decision, ticket_id, about="not_received"))
    assert court.ledger.ticket(ticket_id).life == Life.REFUNDED
    assert purse(court, ALICE) == before + 4_000
    assert stock.count(court.ledger, court.offering_id).free == 3
    order = court.ledger.order(court.ledger.ticket(ticket_id).order_id)
    assert order.refunded_minor == 4_000


def test_a_revocation_frees_the_place_and_a_reissue_takes_it_again(court):
    ticket_id = court.buy()
    revoked = decided(court, Decision(DecisionKind.REVOKE), ticket_id)
    court.execute(revoked)
    court.close(revoked)
    assert court.ledger.ticket(ticket_id).life == Life.REVOKED
    assert stock.count(court.ledger, court.offering_id).free == 3
    court.execute(decided(court, Decision(DecisionKind.REISSUE), ticket_id))
    assert court.ledger.ticket(ticket_id).life == Life.OWNED
    assert stock.count(court.ledger, court.offering_id).free == 2


def test_a_right_is_not_reinstated_on_a_place_that_was_sold_meanwhile(installation):
    court = TownCourt(installation, places=["A1"])
    ticket_id = court.buy()
    court.execute(decided(court, Decision(DecisionKind.REVOKE), ticket_id))
    court.buy(CAROL)
    again = decided(court, Decision(DecisionKind.REISSUE), ticket_id)
    with pytest.raises(Refusal) as refused:
        court.execute(again)
    assert refused.value.code in ("already_sold", "sold_out")
    assert court.ledger.ticket(ticket_id).life == Life.REVOKED


def test_a_lost_paper_is_dead_and_the_right_electronic_again(court):
    ticket_id = court.buy()
    court.print(ticket_id, court.leased(ticket_id))
    court.execute(decided(court, Decision(DecisionKind.REISSUE), ticket_id))
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.form.kind) == (Life.OWNED, FormKind.ELECTRONIC)
    assert ticket.dead_serials == ("S-0001",)


def test_a_decision_dissolves_whatever_held_the_ticket(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    court.list_ticket(ticket_id, by=BOB)
    court.execute(decided(court, back_to(ticket_id), ticket_id))
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.lock.kind) == (ALICE, LockKind.NONE)


def test_a_compensation_without_a_payer_is_the_transaction_centres(court):
    ticket_id = court.buy()
    before = purse(court, ALICE)
    decision = Decision(
        DecisionKind.COMPENSATE, payee_id=ALICE, amount_minor=500, currency="EUR"
    )
    court.execute(decided(court, decision, ticket_id))
    assert purse(court, ALICE) == before + 500
    assert posted(court, "compensation/EUR") == -500


def test_a_seller_who_pays_a_compensation_may_be_below_zero_and_it_is_told(court):
    ticket_id = court.buy()
    decision = Decision(
        DecisionKind.COMPENSATE,
        payer_id=BOB,
        payee_id=ALICE,
        amount_minor=500,
        currency="EUR",
    )
    court.given(ticket_id)
    court.execute(decided(court, decision, ticket_id))
    assert purse(court, BOB) == -500


def test_a_coupon_used_up_by_an_error_gets_its_last_use_back(installation):
    court = TownCourt(installation, kind="coupon", uses_limit=3)
    ticket_id = court.buy()
    ticket = court.ledger.ticket(ticket_id)
    for session_id, amount in ((fresh(), 1), (fresh(), 2)):
        ticket.observe_redemption(
            session_id=session_id,
            receipt=f"R-{session_id.int}",
            amount=amount,
            device_id=CLERK,
            device_time=NOON,
            device_seq=1,
            known_position=1,
            at=NOON,
        )
    assert ticket.life == Life.SPENT
    court.ledger.record(ticket, cause=CAUSE)
    decision = Decision(DecisionKind.REISSUE)
    court.execute(decided(court, decision, ticket_id, about="coupon_error"))
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.uses.left) == (Life.OWNED, 2)
    assert ticket.epoch == 2
    counted = court.ledger.find(Allowance, allowance_id(court.offering_id, ALICE))
    assert counted is not None
    assert list(counted.owned) == [ticket_id]


def notice_of(*ticket_ids, purchaser=ALICE, sale_id=None):
    return chargebacks.Notice(
        payment_id=fresh(),
        dispute_id="dp_1",
        purchaser_id=purchaser,
        ticket_ids=ticket_ids,
        amount=Money(4_000, "EUR"),
        clearing=CLEARING,
        sale_id=sale_id,
    )


def hear(court, step, notice):
    work = court.ledger.work()
    case = step(work, notice, at=NOON)
    work.record(CAUSE)
    return case.id


def lost(court, *ticket_ids, **more):
    """Let a bank take back what was paid for these tickets; return the case."""
    return hear(court, chargebacks.lost, notice_of(*ticket_ids, **more))


def test_6_a_chargeback_lost_revokes_an_unused_ticket_and_the_issuer_bears_it(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    court.execute(lost(court, ticket_id))
    assert court.ledger.ticket(ticket_id).life == Life.REVOKED
    assert posted(court, CLEARING) == 4_000
    assert posted(court, f"revenue/{ISSUER}/EUR") == 0


def test_6_a_chargeback_lost_of_a_used_paper_is_the_purchasers_debt(court):
    ticket_id = court.buy()
    court.print(ticket_id, court.leased(ticket_id))
    case_id = lost(court, ticket_id)
    assert [hold.case_id for hold in court.ledger.ticket(ticket_id).holds] == [case_id]
    court.execute(case_id)
    assert court.ledger.ticket(ticket_id).life == Life.DISPENSED
    assert owed_by(court, ALICE) == -4_000
    assert posted(court, CLEARING) == 4_000


def test_6_a_paper_that_was_held_before_it_was_valid_was_not_used(court):
    ticket_id = court.ticket(not_before=NOON + HOUR)
    write = fresh()
    ticket = court.ledger.ticket(ticket_id)
    card = {"medium_uid": "04aa", "slot": 1}
    ticket.prepare_write(write_id=write, seq=1, by=ALICE, at=NOON, **card)
    ticket.confirm_write(write_id=write, epoch=ticket.epoch, at=NOON, **card)
    ticket.observe_dispense(
        serial="S-0001",
        device_id=CLERK,
        epoch=ticket.epoch,
        device_time=NOON,
        device_seq=1,
        known_position=1,
        at=NOON,
        **card,
    )
    court.ledger.record(ticket, cause=CAUSE)
    court.execute(lost(court, ticket_id))
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.dead_serials) == (Life.REVOKED, ("S-0001",))


def test_6_a_paper_that_an_operator_found_unused_is_revoked(court):
    ticket_id = court.buy()
    court.print(ticket_id, court.leased(ticket_id))
    notice = notice_of(ticket_id)
    case_id = hear(court, chargebacks.opened, notice)
    said = {"case_id": case_id, "serials": ["S-0001"], "at": NOON, "cause": CAUSE}
    with pytest.raises(PartyToTheCase):
        disputes.note_unused(court.ledger, by=ALICE, **said)
    disputes.note_unused(court.ledger, by=JUDGE, **said)
    court.execute(hear(court, chargebacks.lost, notice))
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.dead_serials) == (Life.REVOKED, ("S-0001",))
    assert owed_by(court, ALICE) == 0


def test_6_a_chargeback_lost_takes_escrow_before_it_makes_a_debt(later):
    ticket_id = later.buy()
    sale_id = resold(later, ticket_id, by=ALICE).sale_id
    later.execute(lost(later, ticket_id))
    assert later.ledger.ticket(ticket_id).owner_id == CAROL
    assert owed_by(later, ALICE) == -200
    assert later.ledger.find(Sale, sale_id).seller_left_minor == 0
    assert posted(later, f"escrow/{sale_id}/EUR") == 200


def test_6_a_resale_charged_back_goes_back_to_its_seller(later):
    ticket_id = later.buy()
    sale_id = resold(later, ticket_id, by=ALICE).sale_id
    later.execute(lost(later, ticket_id, purchaser=CAROL, sale_id=sale_id))
    assert later.ledger.ticket(ticket_id).owner_id == ALICE
    assert later.ledger.find(Sale, sale_id).state == SaleState.REFUNDED
    assert posted(later, f"escrow/{sale_id}/EUR") == 0
    assert posted(later, CLEARING) == 4_000


def test_an_appeal_keeps_the_decision_from_being_executed(court):
    ticket_id = court.buy()
    court.given(ticket_id)
    case_id = decided(court, back_to(ticket_id), ticket_id)
    disputes.appeal(
        court.ledger,
        court.personal,
        case_id=case_id,
        by=BOB,
        reason="She gave it to me.",
        at=NOON,
        cause=CAUSE,
    )
    with pytest.raises(Refusal) as refused:
        court.execute(case_id)
    assert refused.value.code == "case_state"
    court.decide(case_id, Decision(DecisionKind.UPHOLD), by=CLERK)
    court.execute(case_id, by=JUDGE)
    court.close(case_id)
    ticket = court.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.holds) == (BOB, ())
