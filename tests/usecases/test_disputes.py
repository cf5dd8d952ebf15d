"""Disputes on a real ledger: what a case holds, who speaks in it, and who wins a race.

Bugs planted one at a time, each of which made a test fail: ending a case released
every hold on the ticket instead of its own; a merge released before the other case
held; facts joined a decided case; the judged position was not pinned; an erasure did
not ask for live cases; a destroyed key stayed; who opened a merged case could judge
the other one.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.aggregates.case import Case, CaseState, Decision, DecisionKind
from ledger.aggregates.case.refusals import EvidenceDiffers, PartyToTheCase
from ledger.aggregates.e_ticket import ETicket, HoldKind, Life, LockKind
from ledger.aggregates.e_ticket.refusals import Frozen, InDispense
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.log.export import export
from ledger.log.note import Signer, Verifier
from ledger.log.verify import verify_export
from ledger.usecases import cases, disputes, erasure, parties
from ledger.usecases.disputes import CaseOfAnother, NoComplaint, NotTheirTicket
from ledger.vocabulary.ids import case_id as computed_id
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON, a_ticket
from tests.usecases.court import CAUSE, JUDGE, THIRD, Court, fresh

UPHOLD = Decision(DecisionKind.UPHOLD)


@pytest.fixture
def court(installation):
    return Court(installation)


def holders(court, ticket_id):
    return [hold.case_id for hold in court.ledger.ticket(ticket_id).holds]


def evidence(court, case_id, *, evidence_id=None, by=ALICE, content=b"photo"):
    return disputes.give_evidence(
        court.ledger,
        court.personal,
        case_id=case_id,
        evidence_id=evidence_id or fresh(),
        by=by,
        as_operator=False,
        description="Rosebud stood at the door",
        content=content,
        media_type="image/jpeg",
        at=NOON,
        cause=CAUSE,
    )


def test_a_complaint_opens_a_case_and_freezes_its_tickets_in_one_commit(court):
    first, second = court.ticket(), court.ticket()
    case_id = court.complain(first, second)
    assert holders(court, first) == holders(court, second) == [case_id]
    with pytest.raises(Frozen) as refused:
        court.offer(first)
    assert refused.value.because == (f"{first}/2",)


def test_only_who_had_a_part_in_the_ticket_complains_about_it(court):
    ticket_id = court.ticket()
    with pytest.raises(NotTheirTicket):
        court.complain(ticket_id, by=CAROL)
    court.given(ticket_id)
    assert holders(court, ticket_id) == []
    court.complain(ticket_id, by=ALICE)


def test_a_complaint_gets_into_nobody_elses_case(court):
    hers, his = court.ticket(), court.ticket(owner_id=BOB)
    case_id = court.complain(hers)
    said = {"case_id": case_id, "ticket_ids": [his], "by": BOB, "as_operator": False}
    with pytest.raises(CaseOfAnother) as refused:
        disputes.complain(
            court.ledger, case_type="not_received", **said, at=NOON, cause=CAUSE
        )
    assert refused.value.because == (f"{case_id}/1",)
    assert court.case(case_id).ticket_ids == (hers,)


@pytest.mark.parametrize("about", ["chargeback", "cancelled_offering", "weather"])
def test_a_person_complains_of_what_persons_complain_of(court, about):
    with pytest.raises(NoComplaint):
        court.complain(court.ticket(), about=about)


def test_ending_a_case_releases_exactly_its_own_holds(court):
    ticket_id = court.ticket()
    first, second = court.complain(ticket_id), court.complain(ticket_id, by=ISSUER)
    court.withdraw(first)
    assert holders(court, ticket_id) == [second]
    court.withdraw(second, by=ISSUER)
    assert holders(court, ticket_id) == []


def test_a_merged_case_hands_its_tickets_over_without_a_gap(court):
    ticket_id, other_ticket = court.ticket(), court.ticket()
    offer_id = court.offer(ticket_id)
    case_id = court.complain(ticket_id)
    into_id = court.complain(other_ticket)
    disputes.merge(
        court.ledger, case_id=case_id, into_id=into_id, by=JUDGE, at=NOON, cause=CAUSE
    )
    assert court.case(case_id).state == CaseState.MERGED
    assert holders(court, ticket_id) == [into_id]
    ticket = court.ledger.ticket(ticket_id)
    assert ticket.offer.offer_id == offer_id
    assert ticket.offer.suspended_at is not None
    resumed = [
        event
        for _, event in court.ledger.events_of(ticket_id)
        if isinstance(event, ETicket.GiftResumed)
    ]
    assert resumed == []
    court.withdraw(into_id)
    assert holders(court, ticket_id) == holders(court, other_ticket) == []


def test_the_opener_of_a_merged_case_does_not_judge_the_other(court):
    case_id = court.complain(court.ticket(), by=THIRD, as_operator=True)
    into_id = court.complain(court.ticket(owner_id=CAROL), by=CAROL)
    disputes.merge(
        court.ledger, case_id=case_id, into_id=into_id, by=JUDGE, at=NOON, cause=CAUSE
    )
    with pytest.raises(PartyToTheCase):
        court.decide(into_id, UPHOLD, by=THIRD)


def test_every_hold_names_a_live_case(court):
    ticket_id = court.ticket()
    court.complain(ticket_id)
    court.withdraw(court.complain(ticket_id))
    named = [court.ledger.find(Case, each) for each in holders(court, ticket_id)]
    assert [case.is_live for case in named] == [True]


def test_evidence_is_committed_by_its_hash_and_its_words_are_sealed(court):
    case_id, evidence_id = court.complain(court.ticket()), fresh()
    given = evidence(court, case_id, evidence_id=evidence_id)
    assert given.sha256 == sha256(b"photo").hexdigest()
    (kept,) = court.case(case_id).evidence
    assert (kept.sha256, kept.size) == (given.sha256, 5)
    said = court.personal.open(ALICE, kept.description_sealed)
    assert said == "Rosebud stood at the door"
    stored = b"".join(
        each.state for each in court.ledger.recorder.select_notifications(1, 1_000)
    )
    assert b"Rosebud" not in stored
    with pytest.raises(EvidenceDiffers):
        evidence(court, case_id, evidence_id=evidence_id, content=b"another")


def test_a_stranger_gives_no_evidence(court):
    case_id = court.complain(court.ticket())
    with pytest.raises(NotTheirTicket):
        evidence(court, case_id, by=CAROL)


def test_the_position_that_was_judged_at_is_pinned(court):
    case_id = court.complain(court.ticket())
    evidence(court, case_id)
    disputes.start_review(court.ledger, case_id=case_id, by=JUDGE, at=NOON, cause=CAUSE)
    looked_at = court.ledger.position()
    disputes.decide(
        court.ledger,
        court.personal,
        case_id=case_id,
        by=JUDGE,
        decision=UPHOLD,
        grounds="Nothing was shown.",
        at=NOON,
        cause=CAUSE,
    )
    assert court.case(case_id).judgement.judged_at_position == looked_at


def opened_of_itself(court, ticket_id, number):
    work = court.ledger.work()
    case = cases.open_within(
        work,
        case_id=computed_id("cloned", "04aa"),
        type="cloned_medium",
        ticket_ids=[ticket_id],
        medium_uid="04aa",
        facts={"tap": number},
        kind=HoldKind.MEDIUM,
        effects=["no_dispense"],
        opened_by="device",
        at=NOON,
    )
    work.record(CAUSE)
    return case.id


def test_what_is_observed_again_joins_the_case_that_is_open(court):
    first, second = court.ticket(), court.ticket()
    case_id = opened_of_itself(court, first, 1)
    assert opened_of_itself(court, second, 2) == case_id
    case = court.case(case_id)
    assert case.facts == [{"tap": 1}, {"tap": 2}]
    assert case.ticket_ids == (first, second)
    assert holders(court, second) == [case_id]


def test_what_is_observed_after_the_decision_opens_a_further_case(court):
    ticket_id = court.ticket()
    case_id = opened_of_itself(court, ticket_id, 1)
    court.decide(case_id, UPHOLD)
    again = opened_of_itself(court, ticket_id, 2)
    assert again != case_id
    assert court.case(case_id).facts == [{"tap": 1}]
    assert set(holders(court, ticket_id)) == {case_id, again}


# Collisions.


def test_1_a_dispute_suspends_an_open_gift_and_its_end_resumes_the_clock(court):
    ticket_id = court.ticket()
    offer_id = court.offer(ticket_id)
    case_id = court.complain(ticket_id, at=NOON + timedelta(minutes=40))
    late = NOON + 3 * HOUR
    with pytest.raises(Frozen):
        court.accept(ticket_id, offer_id, at=late)
    court.withdraw(case_id, at=late)
    ticket = court.ledger.ticket(ticket_id)
    assert ticket.offer.until == late + timedelta(minutes=20)
    assert court.accept(ticket_id, offer_id, at=late).owner_id == BOB


@pytest.mark.parametrize(
    ("command", "by"), [("decline_gift", BOB), ("withdraw_gift", ALICE)]
)
def test_1_a_suspended_gift_may_still_be_declined_or_withdrawn(court, command, by):
    ticket_id = court.ticket()
    offer_id = court.offer(ticket_id)
    court.complain(ticket_id)
    ticket = court.do(ticket_id, command, offer_id=offer_id, by=by)
    assert (ticket.lock.kind, ticket.offer) == (LockKind.NONE, None)


def outcome(move):
    try:
        return bool(attempt(move))
    except Refusal as refusal:
        return refusal.code


def test_2_of_a_dispute_and_an_accept_at_once_the_tickets_stream_decides(court):
    for _ in range(4):
        ticket_id = court.ticket()
        offer_id = court.offer(ticket_id)
        with ThreadPoolExecutor(2) as pool:
            accepted, disputed = pool.map(
                outcome,
                [
                    lambda t=ticket_id, o=offer_id: court.accept(t, o),
                    lambda t=ticket_id: court.complain(t),
                ],
            )
        ticket = court.ledger.ticket(ticket_id)
        assert disputed is True
        assert accepted in (True, "frozen")
        assert ticket.owner_id == (BOB if accepted is True else ALICE)
        assert len(ticket.holds) == 1
        assert (ticket.offer is None) == (accepted is True)


def test_19_a_freeze_before_the_point_of_no_return_ends_the_lease(court):
    ticket_id = court.ticket()
    job = court.leased(ticket_id)
    court.complain(ticket_id)
    assert court.ledger.ticket(ticket_id).lock.kind == LockKind.NONE
    with pytest.raises(Frozen):
        court.authorise(ticket_id, job)


def test_19_a_freeze_after_the_point_of_no_return_lands_on_the_paper(court):
    ticket_id = court.ticket()
    job = court.leased(ticket_id)
    court.authorise(ticket_id, job)
    case_id = court.complain(ticket_id)
    ticket = court.printed(ticket_id, job)
    assert (ticket.life, ticket.form.serial) == (Life.DISPENSED, "S-0001")
    assert holders(court, ticket_id) == [case_id]


def test_19_of_a_freeze_and_an_authorisation_at_once_the_stream_decides(court):
    for _ in range(4):
        ticket_id = court.ticket()
        job = court.leased(ticket_id)
        with ThreadPoolExecutor(2) as pool:
            authorised, frozen = pool.map(
                outcome,
                [
                    lambda t=ticket_id, j=job: court.authorise(t, j),
                    lambda t=ticket_id: court.complain(t),
                ],
            )
        ticket = court.ledger.ticket(ticket_id)
        assert frozen is True
        assert len(ticket.holds) == 1
        assert (ticket.print_serial == "S-0001") == (authorised is True)
        if authorised is not True:
            assert authorised in ("frozen", "unknown")
            assert ticket.lock.kind == LockKind.NONE


def test_a_case_does_not_take_a_ticket_from_a_printer_that_prints(court):
    ticket_id = court.ticket()
    court.authorise(ticket_id, court.leased(ticket_id))
    with pytest.raises(InDispense):
        court.do(ticket_id, "revoke", reason="case", decision_id=fresh())


def test_a_case_is_told_what_was_committed_though_it_has_no_position_yet(court):
    ledger, ticket = court.ledger, a_ticket()
    made = [ledger.mapper.to_stored_event(each) for each in ticket.collect_events()]
    ledger.recorder.append(made)
    assert len(ledger.events_of(ticket.id)) == len(made)


# Erasure.


def erase(court, party_id: UUID):
    return erasure.erase(
        court.ledger, court.personal, party_id=party_id, at=NOON, cause=CAUSE
    )


def test_17_an_erasure_waits_for_the_live_case_and_goes_on_when_it_is_over(court):
    ticket_id = court.ticket()
    court.given(ticket_id)
    case_id = court.complain(ticket_id)
    erasure.request(court.ledger, party_id=BOB, at=NOON, cause=CAUSE)
    with pytest.raises(erasure.NeededByCase) as refused:
        erase(court, BOB)
    assert refused.value.because == (f"{case_id}/1",)
    name = court.ledger.party(BOB).name_sealed
    assert court.personal.open(BOB, name) is not None
    court.withdraw(case_id)
    erase(court, BOB)
    assert court.personal.open(BOB, name) is None


def test_17_a_case_keeps_nobody_who_has_no_part_in_it(court):
    court.complain(court.ticket())
    erasure.request(court.ledger, party_id=CAROL, at=NOON, cause=CAUSE)
    erase(court, CAROL)
    assert court.ledger.party(CAROL).erased_version == 3


def test_17_of_an_erasure_and_a_complaint_at_once_the_log_decides(court):
    for _ in range(3):
        person, ticket_id = fresh(), fresh()
        parties.register(
            court.ledger,
            court.personal,
            party_id=person,
            kind="person",
            name="Somebody",
            contact=None,
            at=NOON,
            cause=CAUSE,
        )
        court.ticket(ticket_id=ticket_id, owner_id=person)
        erasure.request(court.ledger, party_id=person, at=NOON, cause=CAUSE)

        def complain(by=person, about=ticket_id):
            return court.complain(about, by=by)

        def be_erased(party_id=person):
            try:
                return erase(court, party_id)
            except erasure.NeededByCase:
                return None

        with ThreadPoolExecutor(2) as pool:
            one, other = pool.submit(complain), pool.submit(be_erased)
            case_id, erased_at = one.result(), other.result()
        (opened_at, _), *_ = court.ledger.events_of(case_id)
        name = court.personal.open(person, court.ledger.party(person).name_sealed)
        assert (name is None) == (erased_at is not None)
        if erased_at is not None:
            assert opened_at > erased_at


def test_17_a_case_opened_while_an_erasure_looks_keeps_the_key(court, monkeypatch):
    ticket_id, look = court.ticket(), erasure.may_erase
    opened: list[UUID] = []

    def look_too_early(ledger, *, party_id):
        look(ledger, party_id=party_id)
        opened.append(court.complain(ticket_id))

    monkeypatch.setattr(erasure, "may_erase", look_too_early)
    erasure.request(court.ledger, party_id=ALICE, at=NOON, cause=CAUSE)
    with pytest.raises(erasure.NeededByCase):
        erase(court, ALICE)
    name = court.ledger.party(ALICE).name_sealed
    assert court.personal.open(ALICE, name) is not None
    monkeypatch.undo()
    for case_id in opened:
        court.withdraw(case_id)
    erase(court, ALICE)
    assert court.personal.open(ALICE, name) is None


def test_an_erasure_is_asked_for_first_and_done_twice_is_done_once(court):
    with pytest.raises(Refusal, match="not asked"):
        erase(court, CAROL)
    erasure.request(court.ledger, party_id=CAROL, at=NOON, cause=CAUSE)
    erase(court, CAROL)
    position = court.ledger.position()
    erase(court, CAROL)
    assert court.ledger.position() == position


def test_nothing_more_can_be_said_about_who_was_erased(court):
    erasure.request(court.ledger, party_id=CAROL, at=NOON, cause=CAUSE)
    erase(court, CAROL)
    with pytest.raises(Refusal, match="erased"):
        court.personal.seal(CAROL, "a new name")
    assert court.personal.open(ALICE, court.ledger.party(ALICE).name_sealed)


def exported(court):
    signer = Signer("log.test", Ed25519PrivateKey.from_private_bytes(bytes(32)))
    lines = export(court.ledger.recorder, signer, "log.test")
    return [line.encode() for line in lines], str(signer.verifier)


def test_18_after_an_erasure_every_proof_holds_and_the_fields_read_as_erased(court):
    case_id = court.complain(court.ticket())
    evidence(court, case_id)
    court.withdraw(case_id)
    erasure.request(court.ledger, party_id=ALICE, at=NOON, cause=CAUSE)
    before, vkey = exported(court)
    erase(court, ALICE)
    after, _ = exported(court)
    assert after[1 : len(before) - 1] == before[1:-1], "no stored event changed"
    report = verify_export(after, [Verifier.parse(vkey)])
    assert (report.problem, report.proven) == (None, True)
    (kept,) = court.case(case_id).evidence
    assert court.personal.open(ALICE, kept.description_sealed) is None
    assert court.personal.open(ALICE, court.ledger.party(ALICE).name_sealed) is None
    assert court.personal.open(BOB, court.ledger.party(BOB).name_sealed)


def test_a_person_without_a_key_gets_none_after_the_erasure(court):
    nobody = fresh()
    court.personal.destroy(nobody)
    with pytest.raises(Refusal, match="erased"):
        court.personal.seal(nobody, "somebody")


def test_reviewing_needs_an_operator_without_a_part_in_the_case(court):
    ticket_id = court.ticket()
    court.given(ticket_id)
    case_id = court.complain(ticket_id)
    for party in (ALICE, BOB, ISSUER):
        with pytest.raises(PartyToTheCase):
            court.decide(case_id, UPHOLD, by=party)
    court.decide(case_id, UPHOLD, by=THIRD)
