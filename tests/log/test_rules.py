"""What a command would not have recorded is refused, however well it is signed.

The rules are held against what commands record (no false alarm; the machine of
`tests/lifecycle` asks them of every event, too), and against thousands of forged
histories: an event dropped, repeated, swapped, or slipped in from another stream, with
all versions numbered anew. What passes must still be honest (`tests.log.honest`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from random import Random
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.allowance import Allowance
from ledger.aggregates.base import RULES, FirstEvent
from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.medium import Medium
from ledger.aggregates.party import Party
from ledger.application import AGGREGATES
from tests.log.event_catalogue import events_of
from tests.log.forging import Stream, changed, forgeries, legitimate, refused
from tests.log.honest import is_honest

EVENTS = [event for aggregate in AGGREGATES for event in events_of(aggregate)]
# These need no more of their own stream than that it has begun, or has not.
NEED_NOTHING = {
    Allowance.Resold,
    Device.Enrolled,
    ETicket.SalePaidOut,
    Medium.Suspected,
    Party.Registered,
}
OF_ANY_EVENT = ("the stream", "it is dated", "it cannot begin", "it is no event")
OTHER = UUID(int=0xBAD)


def begins(event: type) -> bool:
    return issubclass(event, FirstEvent)


@cache
def forged() -> list[tuple[str, Stream]]:
    kin: dict[type, list[Stream]] = defaultdict(list)
    for stream in legitimate():
        kin[type(stream[0])].append(stream)
    chance = Random(4)
    return [
        (f"{type(stream[0]).__qualname__} {what}", history)
        for stream in legitimate()
        for what, history in forgeries(stream, kin[type(stream[0])], chance)
        if history
    ]


def test_every_event_has_a_rule_and_nothing_else_has_one():
    assert {*RULES} == {*EVENTS}


def test_what_commands_record_is_allowed():
    told = legitimate()
    assert [refused(stream) for stream in told if refused(stream)] == []
    assert {type(event) for stream in told for event in stream} == {*EVENTS}


def test_of_each_event_a_forged_history_is_refused_by_its_own_rule():
    found: Counter[type] = Counter()
    for _, history in forged():
        if (found_in := refused(history)) is not None:
            event, why = found_in
            assert f"{event.TOPIC} is not allowed here: " in why, why
            found[type(event)] += not why.partition(": ")[2].startswith(OF_ANY_EVENT)
    missed = {event for event in EVENTS if not found[event] and not begins(event)}
    # Asked again for one order, it is another hold: only what it says can be wrong.
    assert missed == {event for event in NEED_NOTHING if not begins(event)} | {
        Allowance.Held
    }


def test_no_forged_history_that_passes_tells_what_cannot_be():
    passed = 0
    for what, history in forged():
        if refused(history) is None:
            passed += 1
            try:
                is_honest(history)
            except AssertionError as error:
                told = [type(event).__name__ for event in history]
                raise AssertionError(f"{what}: {told}") from error
    assert 0 < passed < len(forged()) / 3


# ---- beginnings

A_LINE: dict[str, Any] = {"ticket_id": OTHER, "price_minor": 9, "split_minor": {}}
BEGINNINGS: dict[str, tuple[dict[str, Any], str]] = {
    "account.opened": ({"currency": "USD"}, "another stream"),
    "allotment.opened": ({"places": ["A1", "A1"]}, "named twice"),
    "allowance.begun": ({"party_id": OTHER}, "another stream"),
    "batch.started": ({"count": 0}, "no row"),
    "case.opened": ({"case_type": "boredom"}, "no such case"),
    "e-ticket.issued": ({"price_minor": -1}, "negative"),
    "entry.made": (
        {"postings": [{"account": "a", "amount_minor": 1, "currency": "EUR"}]},
        "do not balance",
    ),
    "gift.offered": ({"lines": []}, "1 to 50"),
    "grant.given": ({"ticket_ids": [OTHER, OTHER]}, "named twice"),
    "mandate.granted": ({"seller_id": OTHER}, "another stream"),
    "medium.personalised": ({"uid": "04" * 7}, "another"),
    "offering.opened": ({"purchase_limit": 0}, "nobody may buy"),
    "offline-fact.reported": ({"device_seq": 99}, "another stream"),
    "order.reserved": ({"lines": []}, "of no place"),
    "paper.numbered": ({"serial": "T-999999"}, "another stream"),
    "payment.authorisation-requested": ({"amount_minor": 0}, "An amount is"),
    "receipt.shown": ({"receipt": "another"}, "another stream"),
    "registered-sale.registered": ({"commission_minor": 10**9}, "more than he took"),
    "sale.initiated": ({"lines": [A_LINE]}, "do not sum up"),
    "waiting-list.begun": ({"offering_id": OTHER}, "another stream"),
}


@pytest.mark.parametrize("topic", sorted(BEGINNINGS))
def test_a_stream_does_not_begin_with_what_cannot_be(topic):
    first = next(s[0] for s in legitimate() if topic == s[0].TOPIC)
    fields, why = BEGINNINGS[topic]
    found = refused([changed(first, **fields)])
    assert found is not None
    assert why in found[1]


def test_every_beginning_that_needs_something_was_tried():
    first = {event for event in EVENTS if begins(event)}
    assert {event.TOPIC for event in first - NEED_NOTHING} == {*BEGINNINGS}


# ---- what is asked of any event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TOPIC)
def test_an_event_stands_in_a_stream_of_its_own_once_it_has_begun(event):
    stream = next(s for s in legitimate() if event in map(type, s))
    kept = next(each for each in stream if type(each) is event)
    if begins(event):
        assert "begins once" in why_refused([kept, changed(kept, originator_version=2)])
        assert "begins once" in why_refused([changed(kept, originator_version=2)])
        kept = changed(kept, originator_topic="no-such")
        assert "cannot begin a stream of no-such" in why_refused([kept])
    else:
        alone = changed(kept, originator_version=1)
        assert "the stream has not begun" in why_refused([alone])
        party = next(s for s in legitimate() if isinstance(s[0], Party.Registered))[0]
        here = changed(kept, originator_id=party.originator_id, originator_version=2)
        if not isinstance(kept, Party.Event):
            assert "no event of this stream" in why_refused([party, here])


def why_refused(stream: Stream) -> str:
    found = refused(stream)
    assert found is not None
    return found[1]
