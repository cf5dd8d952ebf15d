"""A gift keeps together what was offered together, and says what became of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.e_ticket.gifts import claim_digest
from ledger.aggregates.e_ticket.refusals import NotYours, OfferUnknown
from ledger.aggregates.gift import (
    LINES_MAX,
    BadGift,
    Gift,
    GiftOver,
    GiftState,
    GivenWhole,
    LineState,
    NotTheSender,
    TitleMoved,
)
from ledger.errors import Refusal
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, NOON

GIFT, OTHER = UUID(int=501), UUID(int=502)
TICKETS = [UUID(int=510 + n) for n in range(4)]
CLAIM = "k" * 43
TERMS = "ab" * 16
SOON = NOON + timedelta(minutes=1)


def a_gift(count=3, **given_):
    said: dict[str, Any] = {
        "offer_id": GIFT,
        "sender_id": ALICE,
        "to": BOB,
        "via": "centre",
        "mode": "per_line",
        "lines": [(ticket_id, TERMS) for ticket_id in TICKETS[:count]],
        "until": NOON + HOUR,
        "claim_hash": None,
        "contact_sealed": None,
        "at": NOON,
    }
    return Gift.offer(**(said | given_))


def moved(*ticket_ids: UUID) -> list[TitleMoved]:
    return [
        TitleMoved(ticket_id, TERMS, epoch=2, title_version=3, exposed_until=None)
        for ticket_id in ticket_ids
    ]


def test_it_is_open_until_its_last_line_has_ended():
    gift = a_gift()
    assert gift.state == GiftState.OPEN
    gift.decline(ticket_ids=TICKETS[:1], at=NOON)
    gift.withdraw(ticket_ids=TICKETS[1:2], at=NOON)
    assert gift.state == GiftState.OPEN
    gift.expire(ticket_ids=TICKETS[2:3], at=NOON + HOUR)
    assert gift.state == GiftState.EXPIRED
    assert [line.state for line in gift.lines] == ["DECLINED", "WITHDRAWN", "EXPIRED"]


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("decline", GiftState.DECLINED),
        ("withdraw", GiftState.WITHDRAWN),
        ("expire", GiftState.EXPIRED),
        ("void", GiftState.VOIDED),
    ],
)
def test_once_anything_was_accepted_it_is_settled_however_the_rest_ends(command, state):
    gift = a_gift(2)
    getattr(gift, command)(ticket_ids=TICKETS[:2], at=NOON)
    assert gift.state == state
    gift = a_gift(2)
    gift.accept(moved=moved(TICKETS[0]), by=BOB, at=NOON)
    getattr(gift, command)(ticket_ids=TICKETS[1:2], at=SOON)
    assert gift.state == GiftState.SETTLED


def test_a_line_remembers_on_which_terms_and_to_which_epoch_it_moved():
    gift = a_gift()
    gift.accept(
        moved=[TitleMoved(TICKETS[1], "cd" * 16, 5, 9, NOON + 24 * HOUR)],
        by=BOB,
        at=NOON,
    )
    line = gift.line(TICKETS[1])
    assert (line.state, line.version) == (LineState.ACCEPTED, 2)
    assert (line.terms_hash, line.epoch, line.title_version) == ("cd" * 16, 5, 9)
    assert line.exposed_until == NOON + 24 * HOUR
    assert gift.line(TICKETS[0]).state == LineState.PENDING


def test_a_line_ends_once_and_the_refusal_names_the_event_that_ended_it():
    gift = a_gift()
    gift.decline(ticket_ids=TICKETS[:1], at=NOON)
    for again in (
        lambda: gift.accept(moved=moved(TICKETS[0]), by=BOB, at=NOON),
        lambda: gift.withdraw(ticket_ids=TICKETS[:2], at=NOON),
        lambda: gift.void(ticket_ids=TICKETS[:1], at=NOON),
    ):
        with pytest.raises(GiftOver, match="declined") as refused:
            again()
        assert refused.value.because == (f"{GIFT}/2",)
    assert gift.line(TICKETS[1]).state == LineState.PENDING


def test_what_is_given_whole_is_not_taken_in_part():
    gift = a_gift(mode="all_or_nothing")
    with pytest.raises(GivenWhole, match="3 tickets") as refused:
        gift.chosen(TICKETS[:2])
    assert refused.value.code == "incomplete"
    assert len(gift.chosen(TICKETS[:3])) == len(gift.chosen(None)) == 3
    assert [line.ticket_id for line in a_gift().chosen(TICKETS[1:2])] == TICKETS[1:2]


def test_it_has_some_lines_each_of_another_ticket():
    for ticket_ids in (
        [],
        TICKETS[:1] * 2,
        [UUID(int=n) for n in range(LINES_MAX + 1)],
    ):
        with pytest.raises(BadGift):
            a_gift(lines=[(ticket_id, TERMS) for ticket_id in ticket_ids])
    with pytest.raises(BadGift):
        a_gift().chosen([])
    with pytest.raises(OfferUnknown):
        a_gift().chosen(TICKETS[3:])


def test_it_concerns_its_sender_and_its_recipient_and_nobody_else():
    gift = a_gift()
    assert [gift.concerns(each) for each in (ALICE, BOB, CAROL)] == [True, True, False]
    gift.require_sender(ALICE)
    gift.require_recipient(BOB, None)
    with pytest.raises(NotTheSender):
        gift.require_sender(BOB)
    with pytest.raises(NotYours):
        gift.require_recipient(CAROL, None)


def test_whoever_has_the_claim_is_the_recipient_until_somebody_has_accepted():
    gift = a_gift(to=None, claim_hash=claim_digest(CLAIM))
    for nothing in (None, "", "k" * 42, claim_digest(CLAIM)):
        with pytest.raises(NotYours):
            gift.require_recipient(BOB, nothing)
    gift.require_recipient(BOB, CLAIM)
    gift.require_recipient(CAROL, CLAIM)
    gift.accept(moved=moved(TICKETS[0]), by=CAROL, at=NOON)
    gift.require_recipient(CAROL, CLAIM)
    with pytest.raises(NotYours):
        gift.require_recipient(BOB, CLAIM)
    with pytest.raises(NotYours):
        gift.accept(moved=moved(TICKETS[1]), by=BOB, at=NOON)


def test_what_is_handed_over_to_a_known_party_needs_both_party_and_code():
    gift = a_gift(via="direct", claim_hash=claim_digest(CLAIM))
    gift.require_recipient(BOB, CLAIM)
    for by, claim in ((BOB, None), (BOB, "x" * 43), (CAROL, CLAIM)):
        with pytest.raises(NotYours):
            gift.require_recipient(by, claim)


def test_the_log_holds_no_claim():
    gift = a_gift(to=None, claim_hash=claim_digest(CLAIM))
    assert all(CLAIM not in str(vars(event)) for event in gift.pending_events)


def test_a_contact_is_erased_once_and_only_where_there_is_one():
    gift = a_gift(to=None, claim_hash=claim_digest(CLAIM), contact_sealed="c2VhbA")
    gift.erase_contact(at=SOON)
    gift.erase_contact(at=SOON)
    assert (gift.version, gift.contact_erased_version) == (2, 2)
    known = a_gift()
    known.erase_contact(at=SOON)
    assert known.version == 1


def test_it_says_what_it_was_offered_instead_of_and_what_was_instead_of_it():
    first, second = a_gift(), a_gift(offer_id=OTHER, replaces=GIFT)
    first.withdraw(ticket_ids=TICKETS[:3], replaced_by=OTHER, at=NOON)
    assert (first.replaced_by, second.replaces) == (OTHER, GIFT)


TRIES = st.tuples(
    st.sampled_from(["accept", "decline", "withdraw", "expire", "void"]),
    st.lists(st.sampled_from(TICKETS), min_size=1, max_size=3, unique=True),
    st.sampled_from([BOB, CAROL]),
)


@given(st.booleans(), st.lists(TRIES, max_size=12))
def test_whatever_is_tried_a_line_ends_once_and_replay_tells_the_same(claimed, tries):
    gift = a_gift(4, to=None if claimed else BOB)
    taker = None if claimed else BOB
    for name, ticket_ids, by in tries:
        before = [line.state for line in gift.lines]
        said = {"moved": moved(*ticket_ids), "by": by} if name == "accept" else {}
        try:
            getattr(gift, name)(**(said or {"ticket_ids": ticket_ids}), at=NOON)
        except Refusal:
            assert [line.state for line in gift.lines] == before
            continue
        for line, state in zip(gift.lines, before, strict=True):
            assert state in (LineState.PENDING, line.state)
            assert (line.state != state) == (line.ticket_id in ticket_ids)
        if name == "accept":
            assert by == (taker or by)
            taker = by

    replayed = None
    for event in gift.collect_events():
        replayed = event.mutate(replayed)
    assert replayed == gift
