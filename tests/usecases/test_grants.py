"""An issuer gives tickets without a sale; they take places and nothing else.

Planted and caught: a grant by anybody; a place that is granted and sold again; a
granted ticket with a price to resell under.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger.aggregates.allotment import PlaceTaken, SoldOut
from ledger.aggregates.allowance import Allowance, LimitReached
from ledger.aggregates.e_ticket import Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.grant import GrantDiffers
from ledger.aggregates.offering import NotTheIssuer, OfferingOver
from ledger.application import attempt
from ledger.errors import Refusal
from ledger.usecases import catalogue, grants, stock
from ledger.usecases.checkout import AnswersMissing
from ledger.usecases.sales import AnswerMissing
from ledger.vocabulary.codes import Question
from ledger.vocabulary.ids import allowance_id
from tests.domain.examples import ALICE, BOB, HOUR, ISSUER, NOON
from tests.usecases.test_given_whole import offer
from tests.usecases.town import CAUSE, Town, fresh


def give(
    town, *, to=BOB, by=ISSUER, count=1, at=NOON, grant_id=None, ticket_ids=(), **more
):
    return grants.grant(
        town.ledger,
        town.desk,
        town.personal,
        grant_id=grant_id or fresh(),
        offering_id=town.offering_id,
        by=by,
        to=to,
        ticket_ids=ticket_ids or [fresh() for _ in range(count)],
        at=at,
        cause=CAUSE,
        **more,
    )


def stock_of(town):
    return stock.count(town.ledger, town.offering_id, at=NOON)


def test_a_granted_ticket_is_owned_at_once_and_its_place_is_sold(installation):
    town = Town(installation)
    given = give(town, place="A2")
    assert given.places == ("A2",)
    ticket = town.ledger.ticket(given.ticket_ids[0])
    assert (ticket.owner_id, ticket.source, ticket.order_id) == (BOB, "grant", None)
    counted = stock_of(town)
    assert (counted.free, counted.sold) == (2, 1)
    with pytest.raises(PlaceTaken):
        town.reserve(place="A2")


def test_only_the_issuer_grants_and_only_what_there_is(installation):
    town = Town(installation)
    with pytest.raises(NotTheIssuer):
        give(town, by=ALICE)
    with pytest.raises(SoldOut):
        give(town, count=4)
    assert stock_of(town).free == 3
    with pytest.raises(OfferingOver):
        give(town, at=NOON + 48 * HOUR)


def test_an_issuer_grants_before_the_sale_and_not_once_it_is_cancelled(installation):
    town = Town(installation, sale_from=NOON + HOUR)
    give(town)
    catalogue.cancel_offering(
        town.ledger,
        offering_id=town.offering_id,
        by=ISSUER,
        reason="the hall burnt down",
        at=NOON,
        cause=CAUSE,
    )
    with pytest.raises(Refusal, match="burnt down"):
        give(town)


def test_no_limit_refuses_a_grant_but_it_counts_towards_what_is_bought(installation):
    town = Town(installation, purchase_limit=1)
    given = give(town, count=2, to=ALICE)
    counted = town.ledger.find(Allowance, allowance_id(town.offering_id, ALICE))
    assert counted is not None
    assert set(counted.owned) == set(given.ticket_ids)
    with pytest.raises(LimitReached):
        town.reserve(ALICE)


def test_nothing_was_paid_so_it_is_not_sold_on_for_money(installation):
    town = Town(installation)
    given = give(town)
    with pytest.raises(no.CapExceeded):
        town.list_ticket(given.ticket_ids[0], by=BOB, price_minor=1)


def test_tickets_that_stay_together_are_granted_as_one_group(installation):
    town = Town(installation, terms=Terms(together=True))
    grant_id = fresh()
    given = give(town, count=2, grant_id=grant_id)
    groups = {
        (ticket.group_id, ticket.group_size)
        for ticket in map(town.ledger.ticket, given.ticket_ids)
    }
    assert groups == {(grant_id, 2)}


def test_of_a_group_that_was_granted_what_is_left_can_still_be_given(installation):
    town = Town(installation, terms=Terms(together=True))
    ended, one, other = give(town, to=ALICE, count=3).ticket_ids
    with pytest.raises(no.GroupTogether):
        offer(town.ledger, town.personal, one, other)
    ticket = town.ledger.ticket(ended)
    ticket.revoke(reason="lost", by=ISSUER, at=NOON)
    town.ledger.record(ticket, cause=CAUSE)
    with pytest.raises(no.GroupTogether):
        offer(town.ledger, town.personal, one)
    offer(town.ledger, town.personal, one, other)


def test_a_grant_that_is_said_again_is_answered_alike_and_changes_nothing(installation):
    town = Town(installation)
    said = {"grant_id": fresh(), "ticket_ids": [fresh(), fresh()]}
    given = give(town, **said)
    assert give(town, **said) == given
    assert stock_of(town).sold == 2
    with pytest.raises(GrantDiffers):
        give(town, **said, to=ALICE)
    with pytest.raises(GrantDiffers):
        give(town, **said | {"ticket_ids": [fresh()]})


def test_a_question_to_the_holder_is_answered_for_each_ticket(installation):
    town = Town(installation, question=int(Question.POSTCODE))
    with pytest.raises(AnswerMissing):
        give(town)
    with pytest.raises(AnswersMissing):
        give(town, count=2, answers=["AB1 2CD"])
    given = give(town, answers=["AB1 2CD"])
    sealed = town.ledger.ticket(given.ticket_ids[0]).check_sealed
    assert sealed is not None
    assert town.personal.open(BOB, sealed) == "AB1 2CD"


def test_a_grant_and_a_purchase_of_the_last_place_never_both_get_it(installation):
    town = Town(installation, places=["A1"])

    def outcome(move):
        try:
            return bool(attempt(move))
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(
            pool.map(
                outcome, [lambda: give(town, place="A1"), lambda: town.reserve(ALICE)]
            )
        )
    assert sorted(map(str, outcomes)) in (
        ["True", "already_sold"],
        ["True", "sold_out"],
    )
    counted = stock_of(town)
    assert (counted.free, counted.held + counted.sold) == (0, 1)
