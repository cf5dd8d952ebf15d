"""A ticket's content changes by its issuer, or by its owner where the terms say so.

Planted and caught: granting what one field of several allows; a grant that asks nobody
who he is; a grant that does not look at what has ended.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.aggregates.e_ticket import LockKind, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.usecases import audit, modification
from ledger.usecases.settlement import ListingVoid
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.usecases.town import CAUSE, Town, fresh

SEAT = {"right": "B7"}


def ask(town, ticket_id, *, by=ALICE, changes=SEAT, request_id=None):
    return modification.request_modification(
        town.ledger,
        ticket_id=ticket_id,
        request_id=request_id or fresh(),
        by=by,
        changes=changes,
        reason="a better view",
        at=NOON,
        cause=CAUSE,
    )


def answer(town, verb, ticket_id, request_id, *, by=ISSUER, at=NOON):
    return verb(
        town.ledger,
        ticket_id=ticket_id,
        request_id=request_id,
        by=by,
        reason="so decided",
        at=at,
        cause=CAUSE,
    )


def change(town, ticket_id, *, by=ISSUER, changes=SEAT):
    return modification.modify(
        town.ledger,
        ticket_id=ticket_id,
        by=by,
        changes=changes,
        reason="the stage was moved",
        at=NOON,
        cause=CAUSE,
    )


def test_what_the_terms_allow_is_granted_at_once(installation):
    town = Town(installation, terms=Terms(modifiable=("right",), version=3))
    ticket_id = town.buy()
    done = ask(town, ticket_id)
    assert (done.granted, done.epoch) == (True, 2)
    ticket = town.ledger.ticket(ticket_id)
    assert (ticket.right, ticket.requests) == ("B7", {})
    told = audit.history(town.ledger, ticket_id=ticket_id)
    assert [line.event for line in told] == [
        "Issued",
        "ModificationRequested",
        "Modified",
    ]
    assert told[-1].facts["terms_version"] == 3
    assert told[-1].facts["diff"] == {"right": ["A1", "B7"]}


def test_what_they_do_not_allow_waits_for_the_issuer(installation):
    town = Town(installation, terms=Terms(modifiable=("right",)))
    ticket_id, request_id = town.buy(), fresh()
    both = {"right": "B7", "title": "The Tempest, gala"}
    assert not ask(town, ticket_id, changes=both, request_id=request_id).granted
    assert town.ledger.ticket(ticket_id).right == "A1"
    for stranger in (ALICE, BOB):
        with pytest.raises(no.NotTheIssuer):
            answer(
                town,
                modification.grant_modification,
                ticket_id,
                request_id,
                by=stranger,
            )
    done = answer(town, modification.grant_modification, ticket_id, request_id)
    assert (done.granted, done.epoch) == (True, 2)
    ticket = town.ledger.ticket(ticket_id)
    assert (ticket.right, ticket.title) == ("B7", "The Tempest, gala")
    with pytest.raises(no.RequestUnknown):
        answer(town, modification.grant_modification, ticket_id, request_id)


def test_a_title_alone_leaves_every_copy_valid(installation):
    town = Town(installation)
    ticket_id = town.buy()
    assert change(town, ticket_id, changes={"title": "The Tempest, gala"}).epoch == 1


def test_a_request_is_refused_or_taken_back_and_nothing_else_happens(installation):
    town = Town(installation)
    ticket_id = town.buy()
    for by in (ISSUER, ALICE):
        request_id = fresh()
        ask(town, ticket_id, request_id=request_id)
        with pytest.raises(no.NotTheIssuer):
            answer(
                town, modification.refuse_modification, ticket_id, request_id, by=BOB
            )
        answer(town, modification.refuse_modification, ticket_id, request_id, by=by)
    ticket = town.ledger.ticket(ticket_id)
    assert (ticket.right, ticket.epoch, ticket.requests) == ("A1", 1, {})


def test_a_request_that_the_title_has_left_behind_names_the_move(installation):
    town = Town(installation)
    ticket_id, request_id = town.buy(), fresh()
    ask(town, ticket_id, request_id=request_id)
    town.accept(ticket_id, town.offer(ticket_id))
    with pytest.raises(no.RequestUnknown) as refused:
        answer(town, modification.grant_modification, ticket_id, request_id)
    title = town.ledger.ticket(ticket_id).title_version
    assert refused.value.because == (f"{ticket_id}/{title}",)


def test_a_request_for_an_ended_ticket_names_what_ended_it(installation):
    town = Town(installation)
    ticket_id, request_id = town.buy(), fresh()
    ask(town, ticket_id, request_id=request_id)
    ticket = town.ledger.ticket(ticket_id)
    ticket.revoke(reason="withdrawn", by=ISSUER, at=NOON)
    town.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(no.Ended) as refused:
        answer(town, modification.grant_modification, ticket_id, request_id)
    assert refused.value.because == (f"{ticket_id}/3",)


def test_while_it_is_offered_the_owner_is_refused_and_the_issuer_is_not(installation):
    town = Town(installation, terms=Terms(modifiable=("right",)))
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    for way in (ask, lambda *of: change(*of, by=ALICE)):
        with pytest.raises(no.InGift) as refused:
            way(town, ticket_id)
        assert refused.value.because == (f"{ticket_id}/2",)
    change(town, ticket_id)
    with pytest.raises(no.TermsChanged):
        town.accept(ticket_id, offer)
    again = town.ledger.ticket(ticket_id)
    assert (again.lock.kind, again.owner_id) == (LockKind.GIFT, ALICE)


def test_a_listing_falls_when_the_issuer_changes_the_ticket(installation):
    town = Town(installation)
    ticket_id = town.buy()
    listing = town.list_ticket(ticket_id)
    change(town, ticket_id)
    with pytest.raises(ListingVoid) as refused:
        town.buy_listed(ticket_id, listing, by=CAROL)
    assert refused.value.because == (f"{ticket_id}/3",)
    assert town.ledger.ticket(ticket_id).lock.kind == LockKind.NONE


def test_the_validity_moves_and_an_owner_cannot_move_it_without_leave(installation):
    town = Town(installation)
    ticket_id = town.buy()
    later = {"not_after": (NOON + 72 * HOUR).isoformat()}
    with pytest.raises(no.NotModifiable):
        change(town, ticket_id, by=ALICE, changes=later)
    assert change(town, ticket_id, changes=later).epoch == 2
    assert town.ledger.ticket(ticket_id).not_after == NOON + 72 * HOUR


def test_a_change_and_an_accept_at_once_leave_one_consistent_story(installation):
    town = Town(installation)
    for _ in range(3):
        ticket_id = town.buy()
        offer = town.offer(ticket_id)

        def outcome(move):
            try:
                return bool(attempt(move))
            except Refusal as refusal:
                return refusal.code

        with ThreadPoolExecutor(2) as pool:
            changed, accepted = pool.map(
                outcome,
                [
                    lambda ticket_id=ticket_id: change(town, ticket_id),
                    lambda ticket_id=ticket_id, offer=offer: town.accept(
                        ticket_id, offer
                    ),
                ],
            )
        assert changed is True
        ticket = town.ledger.ticket(ticket_id)
        assert ticket.right == "B7"
        assert ticket.owner_id == (BOB if accepted is True else ALICE)
        assert accepted in (True, "epoch_stale")
        town.top_up(ALICE, 4_000)
