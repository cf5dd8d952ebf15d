"""Gifts on a real ledger: both ways, several tickets, and who wins where two meet."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from ledger.aggregates.device import DeviceKind, DeviceNotAuthorised
from ledger.aggregates.e_ticket import Life, LockKind
from ledger.aggregates.e_ticket.refusals import (
    AlreadyDispensed,
    Frozen,
    GroupTogether,
    InDispense,
    NotTheOwner,
    NotTransferable,
    NotYours,
    OfferExpired,
    OfferUnknown,
    StillOnMedium,
    TermsChanged,
)
from ledger.aggregates.gift import (
    LINES_MAX,
    BadGift,
    GiftOver,
    GiftState,
    GivenWhole,
    NotTheSender,
)
from ledger.bootstrap import open_installation
from ledger.errors import Unknown
from ledger.settings import Settings
from ledger.usecases import gift_offers, gifts, ownership, parties
from ledger.usecases.answers import AnswerMissing
from ledger.usecases.gifts import BadRecipient, Recipient
from ledger.vocabulary.codes import OFFLINE_HORIZON_S
from ledger.vocabulary.ids import contact_id
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    HOUR,
    ISSUER,
    NOON,
    TERMINAL,
    UID,
)
from tests.projections.following import catch_up
from tests.usecases.giving import (
    CAUSE,
    CONTACT,
    Giving,
    a_claim,
    fresh,
)
from tests.usecases.meeting import told_at_once

CLAIM = a_claim()
MINUTE = timedelta(minutes=1)
WHOLE, PER_LINE = {"mode": "all_or_nothing"}, {"mode": "per_line"}
TO_CONTACT = Recipient(contact=CONTACT, claim=CLAIM)


@pytest.fixture(scope="module")
def giving(postgres_url: str, tmp_path_factory: pytest.TempPathFactory):
    """One ledger for all: each test issues tickets of its own."""
    schema = f"test_{os.getpid()}_gifts"
    home = tmp_path_factory.mktemp("gifts")
    settings = Settings(database_url=postgres_url, home=home, schema=schema)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = sql.Identifier(schema)
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        with open_installation(settings) as opened:
            yield Giving(opened.ledger, opened.personal)
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))


@pytest.fixture
def case_id() -> UUID:
    return fresh()


# Several tickets.


def test_several_tickets_move_in_one_commit_when_the_recipient_accepts(giving):
    tickets = giving.issue(3)
    offer_id = giving.offer(*tickets)
    assert giving.owners(*tickets) == [ALICE] * 3
    before = giving.ledger.position()
    accepted = giving.accept(offer_id)
    assert giving.owners(*tickets) == [BOB] * 3
    assert [line.epoch for line in accepted.lines] == [2, 2, 2]
    assert giving.gift(offer_id).state == GiftState.SETTLED
    moved = giving.ledger.recorder.select_notifications(before + 1, 100)
    assert accepted.position == moved[-1].id
    assert giving.counted(BOB) >= set(tickets)
    assert giving.counted(ALICE).isdisjoint(tickets)


def test_of_an_offer_per_line_some_are_taken_and_some_are_not(giving):
    a, b, c = giving.issue(3)
    offer_id = giving.offer(a, b, c, **PER_LINE)
    giving.accept(offer_id, b)
    giving.decline(offer_id, a)
    assert giving.states(offer_id) == ["DECLINED", "ACCEPTED", "PENDING"]
    assert giving.ledger.ticket(a).lock.kind == LockKind.NONE
    giving.withdraw(offer_id)
    assert giving.states(offer_id) == ["DECLINED", "ACCEPTED", "WITHDRAWN"]
    assert giving.owners(a, b, c) == [ALICE, BOB, ALICE]


def test_all_or_nothing_is_accepted_declined_and_withdrawn_whole(giving):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b, **WHOLE)
    for command in (giving.accept, giving.decline, giving.withdraw):
        with pytest.raises(GivenWhole):
            command(offer_id, a)
    giving.decline(offer_id, a, b)
    assert giving.gift(offer_id).state == GiftState.DECLINED
    assert [giving.ledger.ticket(each).offer for each in (a, b)] == [None, None]


def test_one_ticket_that_cannot_be_given_keeps_all_from_being_offered(giving):
    [a] = giving.issue()
    [b] = giving.issue(terms={"giftable": False})
    [hers] = giving.issue(owner_id=CAROL)
    before = giving.ledger.position()
    for together, refusal in (
        ([a, b], NotTransferable),
        ([a, hers], NotTheOwner),
        ([a, a], BadGift),
        ([], BadGift),
        ([a] * (LINES_MAX + 1), BadGift),
    ):
        with pytest.raises(refusal):
            giving.offer(*together)
    assert giving.ledger.position() == before


def test_9_a_group_that_stays_together_is_offered_and_accepted_whole(giving):
    a, b = giving.issue_pair()
    with pytest.raises(GroupTogether):
        giving.offer(a)
    with pytest.raises(GroupTogether):
        giving.offer(a, b, **PER_LINE)
    offer_id = giving.offer(a, b)
    with pytest.raises(GivenWhole):
        giving.accept(offer_id, a)
    giving.accept(offer_id)
    assert giving.owners(a, b) == [BOB, BOB]


def test_each_line_is_accepted_on_the_terms_that_were_seen(giving):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    seen = giving.look(offer_id)
    giving.change(b, "Row 5")
    with pytest.raises(TermsChanged):
        giving.accept(offer_id, seen=seen)
    assert giving.owners(a, b) == [ALICE, ALICE]
    again = giving.look(offer_id)
    assert [line.right for line in again.lines] == ["Row 4 Seat 12", "Row 5"]
    giving.accept(offer_id, seen=again)
    assert giving.owners(a, b) == [BOB, BOB]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Hamlet"},
        {"category": "child"},
        {"not_after": (NOON + 2 * HOUR).isoformat()},
    ],
)
def test_7_whatever_the_issuer_changes_is_accepted_anew(giving, change):
    [ticket_id] = giving.issue()
    offer_id = giving.offer(ticket_id)
    seen = giving.look(offer_id)
    giving.do(ticket_id, "modify", by=ISSUER, changes=change, reason="stage")
    with pytest.raises(TermsChanged):
        giving.accept(offer_id, seen=seen)
    giving.accept(offer_id, seen=giving.look(offer_id))
    assert giving.owners(ticket_id) == [BOB]


def test_the_new_holders_answers_are_needed_and_sealed(giving):
    tickets = giving.issue(2, question=1)
    offer_id = giving.offer(*tickets)
    with pytest.raises(AnswerMissing):
        giving.accept(offer_id)
    giving.accept(offer_id, answer="12.03.1990")
    sealed = giving.ledger.ticket(tickets[0]).check_sealed
    assert "1990" not in sealed
    assert giving.personal.open(BOB, sealed) == "12.03.1990"


def test_accepting_twice_is_one_effect_and_the_same_answer(giving):
    tickets = giving.issue(2)
    offer_id = giving.offer(*tickets)
    first = giving.accept(offer_id)
    giving.offer(tickets[0], by=BOB, recipient=Recipient(CAROL))
    position = giving.ledger.position()
    again = giving.accept(offer_id)
    assert (again.lines, giving.ledger.position()) == (first.lines, position)
    with pytest.raises(NotYours):
        giving.accept(offer_id, by=CAROL)


def test_who_did_not_offer_it_cannot_withdraw_and_who_is_not_asked_cannot_decline(
    giving,
):
    offer_id = giving.offer(*giving.issue(2))
    for by in (BOB, CAROL):
        with pytest.raises(NotTheSender):
            giving.withdraw(offer_id, by=by)
        with pytest.raises(NotTheSender):
            giving.retarget(offer_id, by=by)
    for by in (ALICE, CAROL):
        with pytest.raises(NotYours):
            giving.decline(offer_id, by=by)
    with pytest.raises(Unknown):
        giving.decline(fresh())


# Whom it goes to.


def test_somebody_without_an_account_claims_it_and_is_its_owner(giving):
    tickets = giving.issue(2)
    offer_id = giving.offer(*tickets, recipient=TO_CONTACT)
    for claim in (None, a_claim("x"), ""):
        with pytest.raises(NotYours):
            giving.accept(offer_id, by=CAROL, claim=claim)
        with pytest.raises(Unknown):
            giving.look(offer_id, by=CAROL, claim=claim)
    seen = giving.look(offer_id, by=CAROL, claim=CLAIM)
    giving.accept(offer_id, by=CAROL, claim=CLAIM, seen=seen)
    assert giving.owners(*tickets) == [CAROL, CAROL]
    assert giving.gift(offer_id).to_party_id == CAROL


def test_a_claim_once_used_is_worth_nothing_to_anybody_else(giving):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b, recipient=TO_CONTACT, **PER_LINE)
    giving.accept(offer_id, a, by=CAROL, claim=CLAIM)
    for command in (giving.accept, giving.decline):
        with pytest.raises(NotYours):
            command(offer_id, b, by=BOB, claim=CLAIM)
    with pytest.raises(Unknown):
        giving.look(offer_id, by=BOB, claim=CLAIM)
    giving.accept(offer_id, b, by=CAROL, claim=CLAIM)
    assert giving.owners(a, b) == [CAROL, CAROL]


def test_the_sender_cannot_claim_his_own_gift(giving):
    [ticket_id] = giving.issue()
    offer_id = giving.offer(ticket_id, recipient=TO_CONTACT)
    with pytest.raises(NotTransferable):
        giving.accept(offer_id, by=ALICE, claim=CLAIM)


def test_a_contact_is_sealed_apart_and_can_be_erased_while_the_offer_stands(giving):
    offer_id = giving.offer(*giving.issue(), recipient=TO_CONTACT)
    sealed = giving.gift(offer_id).contact_sealed
    assert CONTACT not in sealed
    assert giving.personal.open(contact_id(offer_id), sealed) == CONTACT
    for _ in range(2):
        gifts.forget_contact(
            giving.ledger, giving.personal, offer_id=offer_id, at=NOON, cause=CAUSE
        )
    assert giving.personal.open(contact_id(offer_id), sealed) is None
    giving.accept(offer_id, by=CAROL, claim=CLAIM)


WORDS = "Enjoy the evening, and mind the step!"


def test_what_two_people_said_in_one_event_is_sealed_apart(giving):
    sender = fresh()
    [a, b] = giving.issue(2, owner_id=sender)
    first = giving.offer(a, by=sender, recipient=TO_CONTACT, message=WORDS)
    second = giving.offer(b, by=sender, recipient=TO_CONTACT, message=WORDS)

    def told(offer_id):
        gift = giving.gift(offer_id)
        contact = giving.personal.open(contact_id(offer_id), gift.contact_sealed)
        said = gift_offers.message_of(
            giving.ledger, giving.personal, offer_id=offer_id, by=BOB, claim=CLAIM
        )
        return contact, said

    assert told(first) == told(second) == (CONTACT, WORDS)
    stored = giving.ledger.recorder.select_events(first)[0].state
    assert WORDS.encode() not in stored
    assert CONTACT.encode() not in stored
    # The recipient is forgotten: the sender's words stay.
    gifts.forget_contact(
        giving.ledger, giving.personal, offer_id=first, at=NOON, cause=CAUSE
    )
    assert told(first) == (None, WORDS)
    # The sender is erased: where the other claim was sent stays.
    giving.personal.destroy(sender)
    assert told(second) == (CONTACT, None)


def test_a_message_is_for_the_two_whom_the_gift_concerns(giving):
    [a] = giving.issue()
    offer_id = giving.offer(a, message=WORDS)

    def read(by):
        return gift_offers.message_of(
            giving.ledger, giving.personal, offer_id=offer_id, by=by
        )

    assert (read(ALICE), read(BOB)) == (WORDS, WORDS)
    with pytest.raises(Unknown):
        read(CAROL)
    [b] = giving.issue()
    for words in ("", "x" * 281, "two\nlines", "nul \0", "half \ud83d"):
        with pytest.raises(gifts.BadMessage):
            giving.offer(b, message=words)
    assert giving.look(giving.offer(b, message="\N{EAR OF RICE} \u200d ok")).lines


def test_neither_claim_nor_contact_stands_in_the_log(giving):
    before = giving.ledger.position()
    offer_id = giving.offer(*giving.issue(), recipient=TO_CONTACT)
    giving.accept(offer_id, by=BOB, claim=CLAIM)
    for notification in giving.ledger.recorder.select_notifications(before, 100):
        assert CLAIM.encode() not in notification.state
        assert CONTACT.encode() not in notification.state


def test_what_is_handed_over_directly_is_accepted_with_its_code(giving):
    [ticket_id] = giving.issue()
    directly = Recipient(BOB, via="direct", claim=CLAIM)
    offer_id = giving.offer(ticket_id, recipient=directly)
    assert giving.ledger.ticket(ticket_id).offer.via == "direct"
    with pytest.raises(NotYours):
        giving.accept(offer_id)
    with pytest.raises(NotYours):
        giving.accept(offer_id, by=CAROL, claim=CLAIM)
    giving.accept(offer_id, claim=CLAIM)
    assert giving.owners(ticket_id) == [BOB]


def test_what_is_handed_to_a_terminal_is_for_its_keeper(giving):
    kinds: dict[UUID, DeviceKind] = {TERMINAL: "terminal", DISPENSER: "dispenser"}
    for device_id, kind in kinds.items():
        parties.enrol(
            giving.ledger,
            device_id=device_id,
            kind=kind,
            keeper_id=BOB,
            public_key="09" * 32,
            label="",
            at=NOON,
            cause=CAUSE,
        )
    [ticket_id] = giving.issue()
    with pytest.raises(DeviceNotAuthorised):
        giving.offer(ticket_id, recipient=Recipient(DISPENSER))
    to_terminal = Recipient(TERMINAL, via="direct", claim=CLAIM)
    giving.accept(giving.offer(ticket_id, recipient=to_terminal), claim=CLAIM)
    assert giving.owners(ticket_id) == [BOB]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"to": BOB, "contact": CONTACT, "claim": CLAIM},
        {"to": BOB, "claim": CLAIM},
        {"to": BOB, "via": "direct"},
        {"contact": CONTACT},
        {"contact": CONTACT, "via": "direct", "claim": CLAIM},
        {"contact": CONTACT, "claim": "guessable"},
        {"contact": "", "claim": CLAIM},
        {"contact": "x" * 255, "claim": CLAIM},
    ],
)
def test_a_recipient_is_a_party_or_a_contact_and_a_claim_is_hard_to_guess(said):
    with pytest.raises(BadRecipient):
        Recipient(**said)


def test_nobody_unknown_is_offered_anything(giving):
    with pytest.raises(Unknown):
        giving.offer(*giving.issue(), recipient=Recipient(fresh()))


# Another recipient.


def test_a_gift_for_another_recipient_is_one_commit_and_the_old_claim_is_dead(giving):
    tickets = giving.issue(2)
    first = giving.offer(*tickets, recipient=TO_CONTACT)
    second = giving.retarget(first)
    assert giving.gift(first).state == GiftState.WITHDRAWN
    assert giving.look(first, by=ALICE).replaced_by == second
    assert giving.gift(second).replaces == first
    with pytest.raises(GiftOver):
        giving.accept(first, by=BOB, claim=CLAIM)
    giving.accept(second, by=CAROL)
    assert giving.owners(*tickets) == [CAROL, CAROL]


def test_what_was_said_to_the_first_recipient_is_not_said_to_another(giving):
    [a] = giving.issue()
    first = giving.offer(a, message=WORDS)
    second = giving.retarget(first)
    third = giving.retarget(second, recipient=Recipient(BOB), message="For Bob, then.")

    def said(offer_id):
        return gift_offers.message_of(
            giving.ledger, giving.personal, offer_id=offer_id, by=ALICE
        )

    assert [said(each) for each in (first, second, third)] == [
        WORDS,
        None,
        "For Bob, then.",
    ]


def test_of_an_offer_per_line_one_line_goes_to_another(giving):
    a, b, c = giving.issue(3)
    first = giving.offer(a, b, c, **PER_LINE)
    giving.accept(first, a)
    second = giving.retarget(first, b)
    assert giving.states(first) == ["ACCEPTED", "WITHDRAWN", "PENDING"]
    giving.accept(second, by=CAROL)
    with pytest.raises(GiftOver):
        giving.retarget(first, a)
    third = giving.retarget(first)
    assert giving.tickets_of(third) == [c]
    assert giving.owners(a, b, c) == [BOB, CAROL, ALICE]


def test_a_frozen_gift_is_not_turned_to_another(giving, case_id):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    giving.freeze(case_id, a)
    with pytest.raises(Frozen):
        giving.retarget(offer_id)
    assert giving.gift(offer_id).state == GiftState.OPEN


# Time.


def test_8_a_late_accept_is_refused_and_the_looker_is_told_without_a_scheduler(giving):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    late = NOON + HOUR
    assert giving.look(offer_id, at=late - MINUTE).state == "open"
    assert giving.look(offer_id, at=late).state == "expired"
    with pytest.raises(OfferExpired, match="13:00") as refused:
        giving.accept(offer_id, at=late)
    assert refused.value.because == (f"{a}/2",)
    assert giving.states(offer_id) == ["PENDING", "PENDING"]
    giving.note_ends(offer_id, at=late)
    assert giving.gift(offer_id).state == GiftState.EXPIRED
    for command in (giving.accept, giving.decline, giving.withdraw):
        with pytest.raises(OfferExpired):
            command(offer_id, at=late)
    giving.offer(a, at=late)


def test_a_withdrawal_that_comes_late_notes_what_ended_of_itself(giving):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    giving.withdraw(offer_id, at=NOON + HOUR)
    assert giving.states(offer_id) == ["EXPIRED", "EXPIRED"]
    assert giving.ledger.ticket(b).lock.kind == LockKind.NONE


# Holds.


def test_1_a_dispute_over_one_ticket_lets_all_that_is_given_with_it_wait(
    giving, case_id
):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    giving.freeze(case_id, a, at=NOON + 40 * MINUTE)
    late = NOON + 3 * HOUR
    told = giving.look(offer_id, at=late)
    assert (told.state, {line.state for line in told.lines}) == (
        "suspended",
        {"suspended"},
    )
    with pytest.raises(Frozen):
        giving.accept(offer_id, at=late)
    giving.release(case_id, at=late)
    told = giving.look(offer_id, at=late)
    assert {(line.state, line.until) for line in told.lines} == {
        ("open", late + 20 * MINUTE)
    }
    giving.accept(offer_id, at=late + 19 * MINUTE)
    assert giving.owners(a, b) == [BOB, BOB]


def test_1_of_an_offer_per_line_the_frozen_line_waits_alone(giving, case_id):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b, **PER_LINE)
    giving.freeze(case_id, a, at=NOON)
    told = giving.look(offer_id)
    assert (told.state, [line.state for line in told.lines]) == (
        "open",
        ["suspended", "open"],
    )
    giving.accept(offer_id, b)
    assert giving.look(offer_id, at=NOON + 5 * HOUR).state == "suspended"
    giving.release(case_id, at=NOON + 5 * HOUR)
    giving.accept(offer_id, a, at=NOON + 5 * HOUR)


@pytest.mark.parametrize("way", ["decline", "withdraw"])
def test_1_a_suspended_gift_can_still_be_declined_and_withdrawn(giving, case_id, way):
    """Also once the ticket is valid no longer, for the stopped clock ends nothing."""
    [a], [b] = giving.issue(), giving.issue(not_after=NOON + 2 * HOUR)
    offer_id = giving.offer(a, b)
    giving.freeze(case_id, a)
    getattr(giving, way)(offer_id, at=NOON + 9 * HOUR)
    assert giving.ledger.ticket(b).offer is None
    giving.release(case_id, at=NOON + 9 * HOUR)
    giving.offer(a, at=NOON + 9 * HOUR)


def test_while_another_case_holds_one_of_them_all_go_on_waiting(giving, case_id):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    other = fresh()
    giving.freeze(case_id, a, at=NOON + 10 * MINUTE)
    giving.freeze(other, b, at=NOON + 20 * MINUTE)
    giving.release(case_id, at=NOON + 2 * HOUR)
    assert giving.look(offer_id, at=NOON + 2 * HOUR).state == "suspended"
    giving.release(other, at=NOON + 3 * HOUR)
    told = giving.look(offer_id, at=NOON + 3 * HOUR)
    assert {line.until for line in told.lines} == {NOON + 3 * HOUR + 50 * MINUTE}


def test_the_pause_is_added_up_to_the_cut_off_of_the_transfer(giving, case_id):
    terms = {"gift_until_s": 3600}
    [a] = giving.issue(terms=terms, not_before=NOON + 3 * HOUR)
    offer_id = giving.offer(a)
    giving.freeze(case_id, a)
    giving.release(case_id, at=NOON + 90 * MINUTE)
    assert giving.look(offer_id).lines[0].until == NOON + 2 * HOUR


def test_a_mere_flag_lets_nothing_wait(giving, case_id):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    giving.freeze(case_id, a, effects=["flag_only"])
    giving.accept(offer_id)


# Use by the sender.


def test_3_the_senders_use_voids_the_line_and_a_later_accept_is_told_why(giving):
    a, b = giving.issue(2, terms={"on_medium": "exposure"})
    giving.record_on_card(a)
    offer_id = giving.offer(a, b, **PER_LINE)
    job = giving.lease(a)
    with pytest.raises(InDispense):
        giving.accept(offer_id, a)
    giving.print(a, job)
    with pytest.raises(AlreadyDispensed):
        giving.accept(offer_id, a)
    told = giving.look(offer_id)
    assert [line.state for line in told.lines] == ["voided", "open"]
    giving.accept(offer_id, b)
    assert giving.states(offer_id) == ["VOIDED", "ACCEPTED"]


def test_3_what_is_given_whole_is_void_with_one_of_it_and_the_rest_is_free(giving):
    a, b = giving.issue(2, terms={"on_medium": "exposure"})
    giving.record_on_card(a)
    offer_id = giving.offer(a, b)
    giving.dispense(a)
    assert giving.look(offer_id).state == "voided"
    with pytest.raises(AlreadyDispensed):
        giving.accept(offer_id)
    giving.withdraw(offer_id)
    assert giving.states(offer_id) == ["VOIDED", "VOIDED"]
    giving.offer(b)


def test_a_lease_that_ends_without_a_paper_leaves_the_offer_as_it_was(giving):
    [a] = giving.issue(terms={"on_medium": "exposure"})
    giving.record_on_card(a)
    offer_id = giving.offer(a)
    giving.lease(a)
    giving.accept(offer_id, at=NOON + MINUTE)
    assert giving.owners(a) == [BOB]


def test_a_case_that_ends_one_ticket_frees_what_was_given_with_it(giving, case_id):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b)
    giving.freeze(case_id, a)
    giving.revoke(a)
    assert giving.ledger.ticket(b).lock.until is None
    giving.release(case_id, at=NOON + MINUTE)
    assert giving.gift(offer_id).state == GiftState.VOIDED
    assert giving.ledger.ticket(b).lock.kind == LockKind.NONE


# The old copy.


def test_by_policy_the_senders_card_is_cleared_before_the_title_moves(giving):
    a, b = giving.issue(2)
    giving.record_on_card(b)
    offer_id = giving.offer(a, b)
    assert [line.on_medium for line in giving.look(offer_id).lines] == [
        None,
        "surrender",
    ]
    with pytest.raises(StillOnMedium, match="cleared first") as refused:
        giving.accept(offer_id)
    assert refused.value.code == "on_medium"
    assert giving.owners(a, b) == [ALICE, ALICE]
    place = {"medium_uid": UID.hex(), "slot": 0, "write_id": fresh()}
    giving.do(b, "release_from_medium", **place)
    giving.accept(offer_id)
    assert giving.owners(a, b) == [BOB, BOB]


def test_where_the_copy_stays_both_are_told_until_when_it_could_be_used(giving):
    a, b = giving.issue(2, terms={"on_medium": "exposure"})
    giving.record_on_card(a)
    offer_id = giving.offer(a, b)
    assert giving.look(offer_id).lines[0].on_medium == "exposure"
    until = NOON + timedelta(seconds=OFFLINE_HORIZON_S)
    accepted = giving.accept(offer_id)
    assert [line.exposed_until for line in accepted.lines] == [until, None]
    for by in (ALICE, BOB):
        told = giving.look(offer_id, by=by, at=NOON + 5 * HOUR)
        assert [line.exposed_until for line in told.lines] == [until, None]


# What is told.


def test_only_the_two_it_concerns_are_told_of_a_gift(giving):
    offer_id = giving.offer(*giving.issue(2))
    assert giving.look(offer_id, by=ALICE) == giving.look(offer_id, by=BOB)
    with pytest.raises(Unknown):
        giving.look(offer_id, by=CAROL)


def test_who_did_not_take_it_learns_nothing_newer_than_the_offer(giving):
    a, b = giving.issue(2)
    offer_id = giving.offer(a, b, **PER_LINE)
    hash_then = giving.look(offer_id).lines[0].terms_hash
    giving.change(b, "Row 5")
    giving.accept(offer_id, b)
    giving.decline(offer_id, a)
    giving.change(a, "Row 6")
    giving.change(b, "Row 7")
    told = giving.look(offer_id)
    assert [line.right for line in told.lines] == ["Row 4 Seat 12", "Row 5"]
    assert told.lines[0].terms_hash == hash_then


def test_what_is_told_opens_no_machine(giving):
    [a] = giving.issue(terms={"on_medium": "exposure"})
    giving.record_on_card(a)
    told = str(giving.look(giving.offer(a, recipient=TO_CONTACT), by=ALICE))
    for secret in (UID.hex(), CLAIM, CONTACT):
        assert secret not in told


def listed(giving: Giving, party_id: UUID, *, at=NOON) -> list[tuple[UUID, str]]:
    """Return what a party finds in its list of gifts: ids and states, newest first."""
    catch_up(giving.ledger, "gifts")
    offer_ids = [each.offer_id for each in giving.gifts_view.of_party(party_id)]
    told = gift_offers.list_gifts(giving.ledger, offer_ids, by=party_id, at=at)
    return [(gift.offer_id, gift.state) for gift in told]


def test_both_find_their_gifts_in_a_list_with_their_states(giving):
    a, b, c, d = giving.issue(4)
    asked, kept = giving.offer(a), giving.offer(b, until=NOON + MINUTE)
    to_carol = giving.offer(c, recipient=TO_CONTACT)
    directly = giving.offer(d, recipient=Recipient(BOB, via="direct", claim=CLAIM))
    giving.decline(asked)
    late = NOON + MINUTE
    assert listed(giving, ALICE, at=late)[:4] == [
        (directly, "open"),
        (to_carol, "open"),
        (kept, "expired"),
        (asked, "declined"),
    ]
    assert listed(giving, BOB, at=late)[:2] == [(kept, "expired"), (asked, "declined")]
    giving.accept(to_carol, by=CAROL, claim=CLAIM)
    giving.accept(directly, claim=CLAIM)
    assert listed(giving, CAROL)[0] == (to_carol, "settled")
    assert listed(giving, BOB)[0] == (directly, "settled")


def test_a_list_of_gifts_goes_on_before_the_last_one_shown(giving):
    offers = [giving.offer(each) for each in giving.issue(3)]
    catch_up(giving.ledger, "gifts")
    page = giving.gifts_view.of_party(ALICE, limit=2)
    assert [each.offer_id for each in page] == [offers[2], offers[1]]
    rest = giving.gifts_view.of_party(ALICE, before=page[-1].position)
    assert rest[0].offer_id == offers[0]


def test_a_list_of_gifts_tells_what_was_sent_from_what_was_offered(giving):
    a, b = giving.issue(2)
    to_bob = giving.offer(a)
    giving.accept(to_bob)
    back = giving.offer(a, by=BOB, recipient=Recipient(ALICE))
    directly = giving.offer(b, recipient=Recipient(BOB, via="direct", claim=CLAIM))
    giving.accept(directly, claim=CLAIM)
    catch_up(giving.ledger, "gifts")

    def found(party_id, sent):
        its = giving.gifts_view.of_party(party_id, sent=sent)
        assert all(each.sent == sent for each in its)
        return [each.offer_id for each in its]

    assert (found(ALICE, sent=True)[:2], found(ALICE, sent=False)[0]) == (
        [directly, to_bob],
        back,
    )
    assert (found(BOB, sent=True)[0], found(BOB, sent=False)[:2]) == (
        back,
        [directly, to_bob],
    )


def test_both_are_told_of_a_copy_that_could_still_be_used(giving):
    a, b = giving.issue(2, terms={"on_medium": "exposure"})
    giving.record_on_card(a)
    giving.accept(giving.offer(a, b))
    catch_up(giving.ledger, "notices")
    for party_id in (ALICE, BOB):
        notices = giving.notices_view.of_party(party_id)
        told = [each for each in notices if each.kind == "old_copy_exposed"][-1]
        assert told.detail["ticket_ids"] == [str(a)]
        until = NOON + timedelta(seconds=OFFLINE_HORIZON_S)
        assert told.detail["until"] == until.isoformat()


def test_one_ticket_is_given_by_the_short_way_as_before(giving):
    [a] = giving.issue()
    said = {"ticket_id": a, "at": NOON, "cause": CAUSE}
    offered = ownership.offer_gift(
        giving.ledger,
        giving.personal,
        offer_id=fresh(),
        by=ALICE,
        to=BOB,
        until=NOON + HOUR,
        **said,
    )
    told = gift_offers.look_at(
        giving.ledger, ticket_id=a, offer_id=offered.offer_id, by=BOB, at=NOON
    )
    assert (told.state, told.terms_hash) == ("open", offered.terms_hash)
    with pytest.raises(OfferUnknown):
        ownership.decline_gift(giving.ledger, offer_id=fresh(), by=BOB, **said)
    moved = ownership.accept_gift(
        giving.ledger,
        giving.personal,
        offer_id=offered.offer_id,
        by=BOB,
        terms_hash=told.terms_hash,
        answer=None,
        **said,
    )
    assert (moved.epoch, moved.exposed_until) == (2, None)
    assert giving.owners(a) == [BOB]


# Two at once.

ROUNDS = 3


@pytest.mark.parametrize("mode", ["all_or_nothing", "per_line"])
def test_of_an_accept_and_a_withdrawal_at_once_one_has_all_of_it(giving, mode):
    for _ in range(ROUNDS):
        tickets = giving.issue(2)
        offer_id = giving.offer(*tickets, mode=mode)
        told = told_at_once(
            partial(giving.accept, offer_id), partial(giving.withdraw, offer_id)
        )
        assert sorted(told) == ["done", "unknown"]
        owner = BOB if told[0] == "done" else ALICE
        assert giving.owners(*tickets) == [owner, owner]
        assert len(set(giving.states(offer_id))) == 1


def test_of_two_who_claim_at_once_one_has_it(giving):
    for _ in range(ROUNDS):
        tickets = giving.issue(2)
        offer_id = giving.offer(*tickets, recipient=TO_CONTACT)
        told = told_at_once(
            partial(giving.accept, offer_id, by=BOB, claim=CLAIM),
            partial(giving.accept, offer_id, by=CAROL, claim=CLAIM),
        )
        assert sorted(told) == ["done", "not_owner"]
        winner = BOB if told[0] == "done" else CAROL
        assert giving.owners(*tickets) == [winner, winner]


def test_the_same_accept_twice_at_once_is_one_effect(giving):
    for _ in range(ROUNDS):
        tickets = giving.issue(2)
        offer_id = giving.offer(*tickets)
        assert told_at_once(*[partial(giving.accept, offer_id)] * 3) == ["done"] * 3
        assert [giving.ledger.ticket(each).epoch for each in tickets] == [2, 2]


def test_3_of_an_accept_and_a_dispenser_at_once_one_has_the_ticket(giving):
    for slot in range(ROUNDS):
        a, b = giving.issue(2, terms={"on_medium": "exposure"})
        giving.record_on_card(a, slot=slot)
        offer_id = giving.offer(a, b)
        epoch = giving.ledger.ticket(a).epoch
        accepted, leased = told_at_once(
            partial(giving.accept, offer_id),
            partial(giving.lease, a),
        )
        ticket = giving.ledger.ticket(a)
        if accepted == "done":
            assert leased in ("epoch_stale", "medium_stale")
            assert (ticket.owner_id, ticket.epoch) == (BOB, epoch + 1)
        else:
            assert (accepted, leased) == ("in_dispense", "done")
            giving.print(a, ticket.lock.ref)
            assert giving.ledger.ticket(a).life == Life.DISPENSED
            assert giving.look(offer_id).state == "voided"
        assert giving.owners(b) == [ticket.owner_id]


def test_2_of_an_accept_and_a_freeze_at_once_the_tickets_stream_decides(giving):
    for _ in range(ROUNDS):
        a, b = giving.issue(2)
        offer_id, case_id = giving.offer(a, b), fresh()
        accepted, frozen = told_at_once(
            partial(giving.accept, offer_id),
            partial(giving.freeze, case_id, a),
        )
        assert frozen == "done"
        assert accepted in ("done", "frozen")
        owner = BOB if accepted == "done" else ALICE
        assert giving.owners(a, b) == [owner, owner]
        suspended = giving.ledger.ticket(b).offer is not None
        assert suspended == (accepted == "frozen")


def test_of_a_freeze_and_a_new_offer_of_both_at_once_none_is_left_running(giving):
    for _ in range(ROUNDS):
        a, b = giving.issue(2)
        case_id = fresh()
        offered, frozen = told_at_once(
            partial(giving.offer, a, b),
            partial(giving.freeze, case_id, a),
        )
        assert frozen == "done"
        assert offered in ("done", "frozen")
        offer = giving.ledger.ticket(b).offer
        assert (offer is not None) == (offered == "done")
        assert offer is None or offer.suspended_at == NOON
