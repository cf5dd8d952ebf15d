"""Histories of one ticket that an order explains, and such that none does."""

from __future__ import annotations

from itertools import count

from tests.history import breaking
from tests.history.builds import BUILDS
from tests.history.crowd import Crowd
from tests.history.one_ticket import by_ticket, explained
from tests.history.operations import NEVER_NS, Operation, Outcome

A, B, C = "a", "b", "c"
_keys = count()


def did(kind, begun, ended, outcome=Outcome.OK, **said):
    key = str(next(_keys))
    said = {"stream": "t", **said}
    return Operation(key, key, kind, begun, ended, outcome, said, {"position": 1})


def saw(owner, begun, ended):
    value = [1, owner] if owner else None
    return Operation("", "", "owner", begun, ended, Outcome.OK, {}, {"value": value})


ISSUED = did("issue", 1, 2, owner_id=A)
OFFERED = did("offer", 3, 4, offer_id="o", to_party_id=B)


def taken(begun, ended, outcome=Outcome.OK, by=B):
    return did("accept", begun, ended, outcome, offer_id="o", owner_id=by)


def test_one_after_the_other_needs_no_search():
    assert explained([ISSUED, OFFERED, taken(5, 6), saw(B, 7, 8)])
    assert explained([])


def test_a_read_beside_a_move_may_tell_either():
    moved = [ISSUED, OFFERED, taken(5, 20)]
    assert explained([*moved, saw(A, 6, 7), saw(B, 8, 9)])
    assert not explained([*moved, saw(B, 6, 7), saw(A, 8, 9)])


def test_a_read_after_a_move_tells_of_it():
    assert not explained([ISSUED, OFFERED, taken(5, 6), saw(A, 7, 8)])


def test_one_gift_is_taken_by_whom_it_was_offered_to():
    assert not explained([ISSUED, OFFERED, taken(5, 6, by=C)])


def test_who_declines_a_gift_does_not_own_it():
    declined = did("decline", 5, 6, offer_id="o", owner_id=B)
    assert explained([ISSUED, OFFERED, declined, saw(A, 7, 8)])
    assert not explained([ISSUED, OFFERED, declined, saw(B, 7, 8)])


def test_a_ticket_goes_to_one_of_two_who_come_at_once():
    first = did("list", 3, 4, listing_id="l")
    buys = [did("buy", 5, 9, listing_id="l", owner_id=who) for who in (B, C)]
    assert explained([ISSUED, first, buys[0]])
    assert not explained([ISSUED, first, *buys])


def test_a_ticket_is_printed_once_however_often_it_is_said():
    lease = did("lease", 3, 4, job_id="j")
    printed = [did("print", 5 + n, 8 + n, job_id="j") for n in range(3)]
    assert explained([ISSUED, lease, *printed])
    other = did("lease", 20, 21, job_id="k")
    assert not explained([ISSUED, lease, *printed, other])


def test_what_is_unknown_happened_or_did_not():
    unknown = taken(5, NEVER_NS, Outcome.UNKNOWN)
    assert explained([ISSUED, OFFERED, unknown, saw(A, 7, 8), saw(B, 9, 10)])
    assert explained([ISSUED, OFFERED, unknown, saw(A, 7, 8)])
    assert not explained([ISSUED, OFFERED, unknown, saw(B, 7, 8), saw(A, 9, 10)])


def test_what_is_unknown_need_not_be_possible():
    unknown = taken(5, NEVER_NS, Outcome.UNKNOWN, by=C)
    assert explained([ISSUED, OFFERED, unknown, saw(A, 7, 8)])


def test_what_was_refused_happened_not():
    refused = taken(5, 6, Outcome.REFUSED)
    assert not explained([ISSUED, OFFERED, refused, saw(B, 7, 8)])


def test_many_at_once_are_still_searched_quickly():
    beside = [saw(A, 5, 40) for _ in range(12)]
    assert explained([ISSUED, OFFERED, taken(5, 40), *beside])


def test_clients_that_meet_at_few_tickets_can_be_explained(settings):
    with Crowd(settings, clients=3, places=20, seed="8", cut_share=0) as crowd:
        told = by_ticket(crowd.goes_out(400).operations)
    assert [name for name, its in told.items() if not explained(its)] == []


def test_a_stale_read_is_seen_from_outside(settings, monkeypatch):
    stale = BUILDS["stale-read"]
    with Crowd(settings, clients=2, places=20, seed="8", habits=stale.habits) as crowd:
        breaking.stale_read(monkeypatch.setattr)
        told = by_ticket(crowd.goes_out(300).operations)
    assert not all(map(explained, told.values()))
