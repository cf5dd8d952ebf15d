"""What the checker calls an anomaly, on histories that were made up."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import pytest

from tests.history.checker import check
from tests.history.log import Log
from tests.history.operations import NEVER_NS, Operation, Outcome
from tests.history.synthetic import OWNER, event, issued, made_up, ticket

T = ticket(1)


def write(key="w", *, begun=10, ended=20, position=2, offer_id="o", **more):
    """An offer of the ticket, answered with its position."""
    said = {"stream": T, "offer_id": offer_id}
    answer = {"position": position, "again": False}
    given = {"outcome": Outcome.OK, "said": said, "answer": answer} | more
    return Operation(key, f"of {key}", "offer", begun, ended, **given)


def read(kind, value, *, begun=30, ended=40, key="r", client="reader", **said):
    answer = {"value": value}
    said = {"of": T, **said}
    return Operation(key, client, kind, begun, ended, Outcome.OK, said, answer)


def log_of(*keys: str) -> Log:
    """A ticket, and commits under these keys: offered, declined, offered…"""
    events = [issued(1, T)]
    for number, key in enumerate(keys):
        kind = "decline" if number % 2 else "offer"
        events.append(event(number + 2, T, number + 2, kind, key, "o"))
    return Log.of(events)


def rules(log, *operations):
    return [each.rule for each in check(log, operations, since=1)]


@pytest.mark.parametrize("seed", range(5))
def test_an_honest_history_is_let_pass(seed):
    events, operations = made_up(2_000, seed)
    assert check(Log.of(events), operations, since=64) == []


def test_the_order_of_the_notebooks_does_not_matter():
    events, operations = made_up(500)
    assert check(Log.of(events), operations[::-1], since=64) == []


def test_what_was_acknowledged_stands_in_the_log_once():
    assert rules(log_of("w"), write()) == []
    assert rules(log_of(), write()) == ["lost"]
    assert "twice" in rules(log_of("w", "x", "w"), write(), decline("x"))
    assert rules(log_of("w"), write(position=3)) == ["place"]
    assert rules(log_of("w"), write(offer_id="another")) == ["other"]


def decline(key, **more):
    return replace(write(key, position=3, begun=30, ended=40, **more), kind="decline")


def test_what_was_refused_does_not_stand_there():
    refused = write(outcome=Outcome.REFUSED, answer={"code": "not_owner"})
    assert rules(log_of(), refused) == []
    assert rules(log_of("w"), refused) == ["ghost"]


def test_what_is_unknown_may_stand_there_or_not():
    unknown = write(outcome=Outcome.UNKNOWN, answer={}, ended=NEVER_NS)
    assert rules(log_of(), unknown) == []
    assert rules(log_of("w"), unknown) == []
    assert "twice" in rules(log_of("w", "x", "w"), unknown, decline("x"))


def test_what_nobody_asked_for_is_named():
    assert rules(log_of("w")) == ["nobody"]


def test_who_began_after_another_had_ended_stands_behind_him():
    first, second = write("w"), decline("x")
    assert rules(log_of("w", "x"), first, second) == []
    early = replace(second, begun_ns=1, ended_ns=5)
    assert rules(log_of("w", "x"), first, early) == ["order"]


def test_a_read_of_a_stream_is_of_its_own_time():
    log, asked = log_of("w"), write()
    assert rules(log, asked, read("owner", [2, OWNER])) == []
    assert rules(log, asked, read("owner", [1, OWNER])) == ["stale"]
    assert rules(log, asked, read("owner", [1, OWNER], begun=15)) == []
    assert rules(log, asked, read("owner", [3, OWNER])) == ["never"]
    assert rules(log, asked, read("owner", None)) == ["stale"]
    assert rules(log, asked, read("owner", [2, OWNER], begun=1, ended=5)) == ["never"]


def test_two_readers_of_the_same_moment_agree_on_an_order():
    """The second began when the first had been told: he is not told less."""
    log, asked = log_of("w"), write(begun=10, ended=90)
    new = read("owner", [2, OWNER], begun=20, ended=30)
    old = read("owner", [1, OWNER], begun=40, ended=50, key="s", client="another")
    assert rules(log, asked, new, old) == ["stale"]
    assert rules(log, asked, old, replace(new, begun_ns=60, ended_ns=70)) == []


def test_the_head_of_the_log_is_what_it_was():
    log, asked = log_of("w"), write()
    assert rules(log, asked, read("head", 2)) == []
    assert rules(log, asked, read("head", 1)) == ["stale"]
    assert rules(log, asked, read("head", 3)) == ["never"]


def test_a_view_may_be_behind_but_not_what_was_asked_for():
    log, asked = log_of("w"), write()
    assert rules(log, asked, read("wait", 1)) == []
    assert rules(log, asked, read("wait", 2, at_least=2)) == []
    assert rules(log, asked, read("wait", 1, at_least=2)) == ["never"]
    assert rules(log, asked, read("title", [1, OWNER], at_least=2)) == []
    assert rules(log, asked, read("title", None, at_least=0)) == []
    assert rules(log, asked, read("title", None, at_least=1)) == ["stale"]


def test_a_view_does_not_go_back_for_the_same_reader():
    log, asked = log_of("w"), write()
    new = read("title", [1, OWNER])
    old = read("title", None, begun=50, ended=60, key="s")
    assert rules(log, asked, new, old) == ["stale"]
    assert rules(log, asked, new, replace(old, client="another")) == []


def test_what_fails_in_a_way_nobody_foresaw_is_named():
    assert rules(log_of(), write(outcome=Outcome.UNKNOWN, answer={"fault": "!"})) == [
        "fault"
    ]


@pytest.mark.parametrize(
    "events",
    [
        [issued(1, T), issued(3, ticket(2))],
        [issued(1, T), issued(1, ticket(2))],
        [issued(1, T), event(2, T, 3, "offer", "w", "o")],
        [issued(1, T), issued(2, T)],
    ],
    ids=["a gap", "a position twice", "a version left out", "a version twice"],
)
def test_a_log_has_no_gaps(events):
    assert Log.of(events).wrong


def test_checking_takes_time_in_proportion():
    """Linear: ten times the history takes some ten times as long, not a hundred."""
    times_s = []
    for count in (3_000, 30_000):
        events, operations = made_up(count)
        log = Log.of(events)
        began = process_time()
        check(log, operations, since=64)
        times_s.append(process_time() - began)
    assert times_s[1] < 30 * times_s[0]
