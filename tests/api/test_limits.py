"""Nobody asks more than his share, and whoever is refused is told when to come.

Planted and caught: a burst never ends; a refusal is charged; the caller that asks most
is forgotten first; the address of an IPv6 house counted whole; a guess as cheap as any
request; health counted; a proxy's word taken unasked.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import limits
from api.app import create_app
from api.limits import NS, Limiter, Rate
from tests.api.callers import Callers

SMALL = {"rate": 1, "rate_burst": 5, "address_rate": 1, "address_burst": 20}


class Watch:
    def __init__(self):
        self.s = 1_000.0

    def __call__(self):
        return int(self.s * NS)


def let_through(limiter, caller):
    if limiter.wait(caller):
        return False
    limiter.charge(caller)
    return True


@given(
    per_s=st.integers(1, 50),
    burst=st.integers(1, 40),
    pauses=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_in_no_span_of_time_more_than_the_burst_and_the_rate_go_through(
    per_s, burst, pauses
):
    watch = Watch()
    limiter = Limiter(Rate(per_s, burst), watch)
    through = []
    for pause in pauses:
        watch.s += pause
        if let_through(limiter, "ada"):
            through.append(watch.s)
    for first, begin in enumerate(through):
        for last in range(first, len(through)):
            span = through[last] - begin
            assert last - first + 1 <= burst + span * per_s + 1e-6


@given(per_s=st.integers(1, 50), burst=st.integers(1, 40))
def test_who_comes_when_he_was_told_to_is_let_in_and_not_earlier(per_s, burst):
    watch = Watch()
    limiter = Limiter(Rate(per_s, burst), watch)
    assert [let_through(limiter, "ada") for _ in range(burst + 1)] == [True] * burst + [
        False
    ]
    wait = limiter.wait("ada")
    watch.s += wait * 0.9
    assert not let_through(limiter, "ada")
    watch.s += wait * 0.1 + 1e-6
    assert let_through(limiter, "ada")
    assert let_through(limiter, "ben")


def test_so_many_callers_are_remembered_and_the_silent_ones_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "CALLERS_MAX", 10)
    limiter = Limiter(Rate(1, 1), Watch())
    for number in range(100):
        limiter.charge("busy")
        limiter.charge(f"caller {number}")
    assert limiter.wait("busy") > 0
    assert limiter.wait("caller 99") > 0
    assert limiter.wait("caller 0") == 0
    assert len(limiter._empty_at) == 10


@pytest.fixture
def limited(installation):
    """The same application with low limits."""
    low = replace(installation, settings=replace(installation.settings, **SMALL))
    return Callers(create_app(low).test_client(), low)


def test_a_principal_beyond_its_rate_is_told_when_to_come(limited):
    told = [limited.ada.get("/v1/me") for _ in range(6)]
    assert [each.status for each in told] == [200] * 5 + [429]
    assert told[-1].refusal == (429, "too_many_requests")
    assert told[-1].headers["Retry-After"] == "1"
    # Others are not concerned, though they come from the same address.
    assert limited.ben.get("/v1/me").status == 200


def test_an_address_without_a_token_has_a_rate_of_its_own(limited):
    told = [limited.nobody.get("/v1/issuer-keys").status for _ in range(21)]
    assert told == [200] * 20 + [429]
    assert limited.nobody.get("/health/ready").status == 200


def test_guessing_tokens_is_slow(limited):
    guesser = replace(limited.ada, token="etl_" + "A" * 43)
    told = [guesser.get("/v1/me").status for _ in range(3)]
    assert told == [401, 401, 429]


def ask(limited, *, address, forwarded=None):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    answer = limited.client.get(
        "/v1/issuer-keys", environ_base={"REMOTE_ADDR": address}, headers=headers
    )
    return answer.status_code


def test_a_house_of_ipv6_is_one_address(limited):
    told = [ask(limited, address=f"2001:db8::{n:x}") for n in range(21)]
    assert told == [200] * 20 + [429]
    assert ask(limited, address="2001:db8:0:1::1") == 200


def test_nobody_is_somebody_else_by_saying_so(limited):
    told = [
        ask(limited, address="192.0.2.1", forwarded=f"192.0.2.{n}") for n in range(21)
    ]
    assert told == [200] * 20 + [429]


def test_behind_a_proxy_its_word_is_taken(installation):
    settings = replace(installation.settings, **SMALL, proxies=1)
    behind = replace(installation, settings=settings)
    callers = Callers(create_app(behind).test_client(), behind)
    told = [
        ask(callers, address="127.0.0.1", forwarded=f"6.6.6.6, 192.0.2.{n}")
        for n in range(30)
    ]
    assert told == [200] * 30
    same = [
        ask(callers, address="127.0.0.1", forwarded=f"6.6.6.{n}, 192.0.2.99")
        for n in range(21)
    ]
    assert same == [200] * 20 + [429]
