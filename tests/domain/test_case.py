"""A dispute case: who may do what in it, when, and what can never be changed."""

from copy import deepcopy
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.case import (
    FOUR_EYES_MINOR,
    Case,
    CaseState,
    CaseType,
    Decision,
    DecisionKind,
)
from ledger.aggregates.case import refusals as no
from ledger.errors import Refusal
from tests.domain.examples import ALICE, BOB, NOON

CASE, OTHER, TICKET = UUID(int=71), UUID(int=72), UUID(int=900)
OPENER, PARTY = str(ALICE), str(BOB)
OPERATOR, COLLEAGUE, THIRD = "operator-1", "operator-2", "operator-3"
PARTIES = {OPENER, PARTY}
HASH = "ab" * 32
UPHOLD = Decision(DecisionKind.UPHOLD)


def opened(case_id=CASE, **more):
    said = {
        "case_id": case_id,
        "case_type": CaseType.UNAUTHORISED_TRANSFER,
        "ticket_ids": [TICKET],
        "medium_uid": None,
        "payment_id": None,
        "order_id": None,
        "facts": {},
        "kind": "DISPUTE",
        "effects": ["no_title"],
        "opened_by": OPENER,
        "at": NOON,
    }
    return Case.open(**(said | more))


def shown(case, number=1, by=PARTY, sha256=HASH, **more):
    said = {
        "evidence_id": UUID(int=number),
        "by": by,
        "description_sealed": "c2VhbGVk",
        "sha256": sha256,
        "size": 10,
        "media_type": "image/jpeg",
        "at": NOON,
    }
    case.give_evidence(**(said | more))


def reviewed(case, by=OPERATOR):
    case.start_review(by=by, parties=PARTIES, at=NOON)
    return case


def decided(case, by=OPERATOR, decision=UPHOLD):
    case.decide(
        by=by,
        decision=decision,
        grounds_sealed="c2VhbGVk",
        judged_at_position=77,
        parties=PARTIES,
        at=NOON,
    )
    return case


def appealed(case, by=PARTY):
    case.appeal(by=by, parties=PARTIES, reason_sealed="c2VhbGVk", at=NOON)
    return case


def executed(case, by=COLLEAGUE, value_minor=0):
    case.execute(
        by=by,
        parties=PARTIES,
        value_minor=value_minor,
        plan_hash=HASH,
        compensations=[],
        at=NOON,
    )
    return case


def test_a_case_goes_from_its_opening_to_its_closing():
    case = opened()
    states = [case.state]
    for step in (shown, reviewed, decided, executed):
        step(case)
        states.append(case.state)
    case.close(by=OPERATOR, at=NOON)
    assert [*states, case.state] == [
        CaseState.OPENED,
        CaseState.EVIDENCE,
        CaseState.REVIEW,
        CaseState.DECIDED,
        CaseState.EXECUTED,
        CaseState.CLOSED,
    ]
    assert not case.is_live


def test_what_was_judged_is_pinned_with_its_log_position():
    judgement = decided(reviewed(opened())).judgement
    assert (judgement.by, judgement.judged_at_position) == (OPERATOR, 77)


def test_evidence_is_immutable_and_the_same_evidence_counts_once():
    case = opened()
    shown(case)
    version = case.version
    shown(case)
    assert case.version == version
    with pytest.raises(no.EvidenceDiffers) as refused:
        shown(case, sha256="cd" * 32)
    assert refused.value.because == (f"{CASE}/2",)


@pytest.mark.parametrize(
    "wrong", [{"sha256": "AB" * 32}, {"size": 0}, {"media_type": "jpeg"}]
)
def test_evidence_without_a_hash_a_size_and_a_type_is_refused(wrong):
    with pytest.raises(no.BadEvidence):
        shown(opened(), **wrong)


def test_after_the_decision_evidence_needs_an_appeal():
    case = decided(reviewed(opened()))
    with pytest.raises(no.EvidenceTooLate) as refused:
        shown(case)
    assert refused.value.because == (f"{CASE}/3",)
    shown(appealed(case))
    assert case.state == CaseState.APPEALED


def test_an_appeal_is_judged_by_another_operator():
    case = appealed(decided(reviewed(opened())))
    with pytest.raises(no.SameOperator):
        reviewed(case, by=OPERATOR)
    decided(reviewed(case, by=COLLEAGUE), by=COLLEAGUE)
    assert case.judgement.by == COLLEAGUE
    assert len(case.judgements) == 2


def test_a_case_is_appealed_once():
    case = appealed(decided(reviewed(opened())))
    decided(reviewed(case, by=COLLEAGUE), by=COLLEAGUE)
    with pytest.raises(no.AppealedBefore):
        appealed(case)


def test_only_a_party_appeals():
    with pytest.raises(no.MayNotAppeal):
        appealed(decided(reviewed(opened())), by=THIRD)


@pytest.mark.parametrize("party", [OPENER, PARTY])
def test_a_party_neither_reviews_nor_decides_nor_executes(party):
    with pytest.raises(no.PartyToTheCase):
        reviewed(opened(), by=party)
    with pytest.raises(no.PartyToTheCase):
        decided(reviewed(opened()), by=party)
    with pytest.raises(no.PartyToTheCase):
        executed(decided(reviewed(opened())), by=party)


def test_who_opened_a_case_does_not_judge_it_though_he_has_no_part_in_the_ticket():
    case = opened(opened_by=OPERATOR)
    with pytest.raises(no.PartyToTheCase):
        reviewed(case, by=OPERATOR)


def test_only_the_reviewer_decides():
    with pytest.raises(no.NotTheReviewer):
        decided(reviewed(opened()), by=COLLEAGUE)


def test_above_the_threshold_another_one_executes_than_decided():
    case = decided(reviewed(opened()))
    with pytest.raises(no.SameOperator) as refused:
        executed(case, by=OPERATOR, value_minor=FOUR_EYES_MINOR + 1)
    assert refused.value.because == (f"{CASE}/3",)
    executed(case, by=COLLEAGUE, value_minor=FOUR_EYES_MINOR + 1)


def test_up_to_the_threshold_one_operator_may_do_both():
    case = decided(reviewed(opened()))
    assert executed(case, by=OPERATOR, value_minor=FOUR_EYES_MINOR).state == "EXECUTED"


def test_an_appealed_decision_is_not_executed():
    with pytest.raises(no.NotInThisState):
        executed(appealed(decided(reviewed(opened()))))


def test_a_decision_is_executed_once():
    with pytest.raises(no.NotInThisState):
        executed(executed(decided(reviewed(opened()))))


def test_who_opened_a_case_withdraws_it_and_nobody_else_but_an_operator():
    with pytest.raises(no.MayNotAppeal):
        opened().withdraw(by=PARTY, reason="found", at=NOON)
    case = opened()
    case.withdraw(by=OPENER, reason="found", at=NOON)
    assert case.state == CaseState.WITHDRAWN
    with pytest.raises(no.CaseOver):
        shown(case)


def test_what_was_executed_is_not_withdrawn():
    case = executed(decided(reviewed(opened())))
    with pytest.raises(no.NotInThisState):
        case.withdraw(by=OPENER, reason="found", at=NOON)


def test_a_case_merges_into_another_which_takes_in_its_tickets():
    case, other = opened(), opened(OTHER, ticket_ids=[UUID(int=901)])
    case.merge_into(case_id=OTHER, by=OPERATOR, at=NOON)
    other.take_in(other=case, at=NOON)
    assert case.merged_into == OTHER
    assert other.ticket_ids == (UUID(int=901), TICKET)
    with pytest.raises(no.CaseOver):
        case.merge_into(case_id=OTHER, by=OPERATOR, at=NOON)


def test_a_case_does_not_merge_into_itself():
    with pytest.raises(no.MergedIntoItself):
        opened().merge_into(case_id=CASE, by=OPERATOR, at=NOON)


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (DecisionKind.REVERSE_TO, "events"),
        (DecisionKind.COMPENSATE, "payee_id"),
        (DecisionKind.RECORD_DEBT, "payer_id"),
    ],
)
def test_a_decision_says_all_that_its_kind_needs(kind, missing):
    with pytest.raises(no.BadDecision, match=missing):
        decided(reviewed(opened()), decision=Decision(kind))


def test_nobody_is_paid_less_than_nothing():
    case = reviewed(opened())
    taken = Decision(
        DecisionKind.COMPENSATE, payee_id=ALICE, amount_minor=-500, currency="EUR"
    )
    with pytest.raises(no.BadDecision, match="amount_minor"):
        decided(case, decision=taken)


def test_a_bank_decides_without_a_review_for_what_it_did_is_a_fact():
    case = opened(case_type=CaseType.CHARGEBACK)
    case.take_as_decided(
        by="bank", decision=Decision(DecisionKind.REVOKE), judged_at_position=5, at=NOON
    )
    assert (case.state, case.judgement.by) == (CaseState.DECIDED, "bank")


def test_a_chargeback_is_the_banks_until_it_has_decided():
    case = opened(case_type=CaseType.CHARGEBACK)
    with pytest.raises(no.BankDecides):
        reviewed(case)
    with pytest.raises(no.BankDecides):
        case.merge_into(case_id=OTHER, by=OPERATOR, at=NOON)
    with pytest.raises(no.BankDecides):
        case.take_in(other=opened(OTHER), at=NOON)
    case.take_as_decided(
        by="bank", decision=Decision(DecisionKind.REVOKE), judged_at_position=5, at=NOON
    )
    decided(reviewed(appealed(case)))
    assert case.judgement.by == OPERATOR


STEPS = st.sampled_from(
    [
        ("give_evidence", shown),
        ("review", reviewed),
        ("review by another", lambda case: reviewed(case, by=COLLEAGUE)),
        ("decide", decided),
        ("decide by another", lambda case: decided(case, by=COLLEAGUE)),
        ("appeal", appealed),
        ("execute", lambda case: executed(case, by=THIRD, value_minor=99_999)),
        ("close", lambda case: case.close(by=OPERATOR, at=NOON)),
        ("withdraw", lambda case: case.withdraw(by=OPENER, reason="-", at=NOON)),
        ("facts", lambda case: case.add_facts(facts={}, ticket_ids=[], at=NOON)),
        ("merge", lambda case: case.merge_into(case_id=OTHER, by="x", at=NOON)),
    ]
)


@given(st.lists(STEPS, max_size=14))
def test_a_refusal_leaves_no_trace_and_replay_retells_the_case(steps):
    case = opened()
    for _, step in steps:
        before = deepcopy(case)
        try:
            step(case)
        except Refusal:
            assert case == before
        else:
            assert before.is_live or case.version == before.version
            assert len(case.judgements) <= 2
            assert len({each.by for each in case.judgements}) == len(case.judgements)
            assert case.evidence[: len(before.evidence)] == before.evidence
    replayed = None
    for event in case.collect_events():
        replayed = event.mutate(replayed)
    assert replayed == case
