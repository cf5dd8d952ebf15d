"""Cards lost, found, accused and replaced: no right is lost, no copy is taken twice."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest

from ledger.aggregates.case import CaseType
from ledger.aggregates.e_ticket import FormKind, HoldKind, LockKind, Terms
from ledger.aggregates.e_ticket.refusals import MediumKindRefused
from ledger.aggregates.medium import MediumStatus, MediumUnknown, judge
from ledger.aggregates.medium.refusals import (
    MediumBlocked,
    MediumLost,
    MediumSuspect,
    NoReplacement,
    NotItsHolder,
)
from ledger.errors import Refusal
from ledger.projections.freshness import FreshnessView
from ledger.usecases import dispensing, media
from ledger.vocabulary.codes import OFFLINE_HORIZON_S, Verdict
from ledger.vocabulary.ids import case_id
from ledger.vocabulary.medium_record import SlotStatus
from tests.domain.examples import ALICE, BOB, DISPENSER, HOUR, NOON, TERMINAL
from tests.projections.following import catch_up
from tests.usecases.foyer import MAKER, Foyer, after


@pytest.fixture
def foyer(installation):
    return Foyer(installation)


def cloned(card):
    return case_id(CaseType.CLONED_MEDIUM, card.uid.hex())


def assert_free(foyer, ticket_id, epoch):
    """The right is electronic, at a new epoch, and can go onto another card."""
    ticket = foyer.now(ticket_id)
    assert (ticket.form.kind, ticket.lock.kind) == (
        FormKind.ELECTRONIC,
        LockKind.NONE,
    )
    assert ticket.epoch == epoch
    card = foyer.card()
    foyer.load(card, ticket_id)
    assert foyer.tap(card).code is None


def test_a_lost_card_is_refused_and_its_exposure_is_shown(foyer):
    ticket_id, card = foyer.on_card()
    soon_over = foyer.ticket(not_after=after(hours=3))
    foyer.load(card, soon_over)
    lost = foyer.lose(card, at=after(hours=1))
    assert {each.ticket_id: each.until for each in lost.exposed} == {
        ticket_id: after(hours=1, seconds=OFFLINE_HORIZON_S),
        soon_over: after(hours=3),
    }
    judged = foyer.tap(card, at=after(hours=1))
    assert judged.code == "medium_blocked"
    assert "reported lost" in judged.says
    with pytest.raises(MediumLost):
        foyer.lease(ticket_id, card)
    with pytest.raises(MediumLost):
        foyer.prepare(card)
    foyer.do(media.restore, uid=card.uid, by=ALICE, as_operator=False)
    assert foyer.medium(card).status == MediumStatus.ACTIVE
    foyer.dispense(ticket_id, card, "D-0001")


def test_only_the_holder_or_an_operator_speaks_for_a_card(foyer):
    card = foyer.card()
    for command in (media.report_lost, media.restore, media.hand_in):
        with pytest.raises(NotItsHolder):
            foyer.do(command, uid=card.uid, by=BOB, as_operator=False)
    foyer.do(media.report_lost, uid=card.uid, by=BOB, as_operator=True)
    assert foyer.medium(card).status == MediumStatus.SUSPENDED


def test_blocking_a_card_gives_back_every_right_on_it_in_one_commit(foyer):
    ticket_id, card = foyer.on_card()
    writing = foyer.ticket()
    write = foyer.prepare(card, writing)  # In doubt: the card has said nothing.
    card.commit(write)
    position = foyer.ledger.position()
    recalled = foyer.block(card)
    assert sorted(recalled.ticket_ids) == sorted([ticket_id, writing])
    assert recalled.printing == []
    commit = foyer.ledger.recorder.select_notifications(position + 1, 99)
    topics = {found.topic for found in commit}
    assert {"medium.blocked", "e-ticket.released-from-medium"} <= topics
    assert_free(foyer, ticket_id, 3)
    assert_free(foyer, writing, 3)
    assert foyer.tap(card).code == "medium_blocked"


def test_a_lease_is_ended_when_the_card_is_blocked(foyer):
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.block(card)
    with pytest.raises(Refusal):
        foyer.mark(ticket_id, card, lease, "D-0001")
    assert_free(foyer, ticket_id, 3)


def test_a_card_that_is_lost_after_the_lease_gets_no_paper(foyer):
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.lose(card)
    with pytest.raises(MediumLost):
        foyer.mark(ticket_id, card, lease, "D-0001")


@pytest.mark.parametrize("how", ["by the machine", "by an operator"])
def test_a_print_that_came_to_nothing_after_the_block_gives_the_right_back(foyer, how):
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.mark(ticket_id, card, lease, "D-0001")
    recalled = foyer.block(card)
    assert (recalled.ticket_ids, recalled.printing) == ([], [ticket_id])
    assert foyer.now(ticket_id).form.kind == FormKind.ON_MEDIUM
    job = {"ticket_id": ticket_id, "job_id": lease.job_id}
    if how == "by the machine":
        foyer.do(dispensing.abort, **job, reason="jam", device_id=DISPENSER)
    else:
        foyer.do(dispensing.settle_print, **job, was_printed=False)
    assert_free(foyer, ticket_id, 3)


def test_a_card_is_replaced_by_another_of_its_holder(foyer):
    ticket_id, card = foyer.on_card()
    new, strangers = foyer.card(), foyer.card(BOB)
    said = {"uid": card.uid, "by": ALICE, "as_operator": False}
    for other in (strangers, card):
        with pytest.raises(NoReplacement):
            foyer.do(media.replace, **said, new_uid=other.uid)
    done = foyer.do(media.replace, **said, new_uid=new.uid)
    assert done.ticket_ids == [ticket_id]
    assert "replaced by another" in foyer.tap(card).says
    foyer.load(new, ticket_id)
    assert foyer.tap(new).code is None
    with pytest.raises(NoReplacement):  # That is no card in use any more.
        foyer.do(
            media.replace,
            uid=new.uid,
            new_uid=card.uid,
            by=ALICE,
            as_operator=False,
        )


def test_a_card_that_is_handed_in_leaves_its_rights_with_the_holder(foyer):
    ticket_id, card = foyer.on_card()
    foyer.do(media.hand_in, uid=card.uid, by=ALICE, as_operator=False)
    assert foyer.medium(card).status == MediumStatus.RETURNED
    assert_free(foyer, ticket_id, 3)


def test_a_blocked_card_gets_no_keys_to_write_with_and_may_be_looked_at(foyer):
    _, card = foyer.on_card()
    foyer.block(card)
    said = {
        "uid": card.uid,
        "challenge": bytes(16),
        "terminal_id": TERMINAL,
        "by": ALICE,
        "at": NOON,
    }
    with pytest.raises(MediumBlocked):
        media.begin_authentication(foyer.ledger, foyer.its.cards, key_no=1, **said)
    media.begin_authentication(foyer.ledger, foyer.its.cards, key_no=3, **said)


def test_a_kind_of_medium_that_the_terms_forbid_is_refused(foyer):
    ticket_id = foyer.ticket(terms=Terms(media=("ic_card",)))
    with pytest.raises(MediumKindRefused):
        foyer.load(foyer.card(kind="disk"), ticket_id)
    foyer.load(foyer.card(), ticket_id)


def test_a_suspicious_tap_accuses_the_card_in_the_same_commit(foyer):
    ticket_id, card = foyer.on_card()
    old = card.copied()
    coupon_id = foyer.coupon()
    foyer.load(card, coupon_id)
    judged = foyer.tap(old)
    assert (judged.verdict, judged.code) == (Verdict.ROLLBACK, "rollback")
    case = foyer.case(cloned(card))
    (first,) = case.facts
    assert first["shown"] == old.reading().as_evidence()
    assert first["expected"]["seq"] == 2
    assert first["expected"]["digest"] == foyer.medium(card).digest
    assert first["at_machine"] == str(DISPENSER)
    for each in (ticket_id, coupon_id):
        (hold,) = foyer.now(each).holds
        assert (hold.case_id, hold.kind) == (case.id, HoldKind.MEDIUM)
        assert set(hold.effects) == {"no_dispense", "no_redeem"}
    assert foyer.medium(card).status == MediumStatus.SUSPECT
    # The other tap of the two belongs into the same case; said again, it is no news.
    for _ in "12":
        assert foyer.tap(card).code == "medium_suspect"
    assert [fact["verdict"] for fact in foyer.case(case.id).facts] == [
        "ROLLBACK",
        "FRESH",
    ]
    with pytest.raises(MediumSuspect):
        foyer.lease(ticket_id, card)


@pytest.mark.parametrize("how", [media.block, media.clear_suspicion])
def test_a_suspicion_never_leaves_a_person_without_his_right(foyer, how):
    ticket_id, card = foyer.on_card()
    old = card.copied()
    foyer.load(card, foyer.ticket())
    foyer.tap(old)
    assert foyer.now(ticket_id).is_held
    operator = {} if how is media.clear_suspicion else {"as_operator": True}
    reason = {"reason": "copied"} if how is media.block else {}
    foyer.do(how, uid=card.uid, by=BOB, **operator, **reason)
    assert not foyer.now(ticket_id).holds
    assert foyer.case(cloned(card)).is_live  # Somebody still looks into it.
    if how is media.block:
        assert_free(foyer, ticket_id, 3)
    else:
        assert foyer.tap(card).code == "ambiguous"  # Two good tickets: it asks.


def test_a_card_ahead_of_the_ledger_is_waited_for_and_then_accused(foyer):
    ticket_id, card = foyer.on_card()
    card.mark(0, SlotStatus.DISPENSED)
    horizon = timedelta(seconds=OFFLINE_HORIZON_S)
    for at in (NOON, NOON + HOUR, NOON + horizon - timedelta(seconds=1)):
        assert foyer.tap(card, at=at).code == "incomplete"
    assert not foyer.now(ticket_id).holds
    assert foyer.tap(card, at=NOON + horizon).code == "medium_suspect"
    assert foyer.case(cloned(card)).facts[0]["verdict"] == "AHEAD"
    assert foyer.now(ticket_id).is_held
    assert foyer.tap(card, at=NOON + 2 * horizon).code == "medium_suspect"


def test_a_card_that_nobody_personalised_is_one_case_however_often_it_is_shown(foyer):
    card = foyer.card()
    card.uid = bytes.fromhex("04deadbeef0001")
    for _ in "12":
        assert foyer.tap(card).verdict == Verdict.COUNTERFEIT
    assert len(foyer.case(case_id("counterfeit", card.uid.hex())).facts) == 1
    card.uid = bytes.fromhex("04deadbeef0002")
    position = foyer.ledger.position()
    foyer.tap(card, machine=None)  # A person's terminal accuses nobody.
    assert foyer.ledger.position() == position


def test_a_blocked_card_that_is_shown_as_a_copy_is_kept_as_evidence(foyer):
    _, card = foyer.on_card()
    old = card.copied()
    foyer.load(card, foyer.ticket())
    foyer.block(card)
    assert foyer.tap(old).code == "medium_blocked"
    assert foyer.case(cloned(card)).facts[0]["verdict"] == "ROLLBACK"
    assert foyer.medium(card).status == MediumStatus.BLOCKED


def test_no_card_is_registered_as_two_kinds(foyer):
    card = foyer.card()
    said = {"device_id": MAKER, "uid": card.uid, "holder_id": ALICE}
    said |= {"profile": "desfire-8k", "key_version": 1}
    foyer.do(media.register, **said)
    with pytest.raises(Refusal, match="registered already"):
        foyer.do(media.register, **said, kind="disk")


def test_to_report_the_card_of_somebody_unknown_is_refused(foyer):
    with pytest.raises(MediumUnknown):
        foyer.do(media.report_lost, uid=bytes(7), by=ALICE, as_operator=True)


def test_a_view_of_cards_follows_their_whole_life(foyer, installation):
    view = FreshnessView(installation.datastore)
    ticket_id, card = foyer.on_card()
    old, other = card.copied(), foyer.card()
    foyer.load(card, foyer.ticket())

    def agrees():
        catch_up(foyer.ledger, "freshness")
        for each in (card, other):
            medium = foyer.medium(each)
            known, slots, tickets = view.known(each.uid)
            assert known is not None
            assert known.status == medium.status
            assert (known.seq, known.digest) == (medium.seq, medium.digest)
            assert slots == medium.slots
            by_view = judge(each.reading(), known, slots, tickets)
            work = foyer.ledger.work()
            by_streams = media.judge_by_streams(work, medium, each.reading())
            assert by_view == by_streams

    agrees()
    foyer.lose(card)
    agrees()
    foyer.tap(old)
    foyer.load(other, foyer.ticket())
    foyer.do(media.restore, uid=card.uid, by=ALICE, as_operator=False)
    agrees()
    foyer.tap(old)
    foyer.do(media.clear_suspicion, uid=card.uid, by=BOB)
    agrees()
    foyer.do(
        media.replace, uid=card.uid, new_uid=other.uid, by=ALICE, as_operator=False
    )
    agrees()
    foyer.do(media.hand_in, uid=other.uid, by=ALICE, as_operator=False)
    agrees()
    assert foyer.now(ticket_id).form.kind == FormKind.ELECTRONIC


def test_a_card_blocked_while_it_is_leased_ends_in_one_of_both(foyer):
    """Two writers at once: whoever is first decides, and the right is never lost."""
    for _ in range(5):
        ticket_id, card = foyer.on_card()
        start = Barrier(2)
        outcomes: list[str] = []

        def lease(ticket_id=ticket_id, card=card, start=start, outcomes=outcomes):
            start.wait()
            try:
                foyer.lease(ticket_id, card)
            except Refusal as refused:
                outcomes.append(refused.code)

        def block(card=card, start=start):
            start.wait()
            foyer.block(card)

        threads = [Thread(target=lease), Thread(target=block)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes in ([], ["medium_blocked"])
        assert_free(foyer, ticket_id, 3)
