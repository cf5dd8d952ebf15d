"""What is asked again, with which key, after how long; and what is asked once.

Planted and caught: a new key for each try; a refusal that is asked again; jitter that
is never drawn; Retry-After passed over; a 409 that is not in flight taken for one.
"""

import json

import pytest

from ledger_client import Client, Problem, Unreachable
from ledger_client.retries import TRIES_MAX
from tests.client.lines import CUT, LOST, wire

BODY = {"count": 2, "offering_id": "x"}
DONE = (201, {"Ledger-Position": "7"}, {"order_id": "1"})


def problem(code):
    return {"code": code, "title": "Refused", "detail": f"It is {code}."}


PASSING = {
    "too many": (429, {}, problem("too_many")),
    "a proxy's page": (502, {}, "<html>"),
    "unavailable": (503, {"Retry-After": "1"}, problem("unavailable")),
    "a late server behind": (504, {}, ""),
    "in flight": (409, {"Retry-After": "1"}, problem("in_flight")),
    "a page": (200, {}, "<html>"),
    "a list": (200, {}, "[]"),
    "elsewhere": (307, {"Location": "/elsewhere"}, "{}"),
}
STAYING = {
    "malformed": (422, {}, problem("malformed")),
    "nobody": (401, {}, problem("unauthenticated")),
    "another's": (403, {}, problem("role_missing")),
    "unknown": (404, {}, problem("unknown")),
    "stale": (412, {}, problem("version_stale")),
    "carried out": (409, {}, problem("carried_out")),
    "a conflict that says when": (409, {"Retry-After": "1"}, problem("overtaken")),
    "in flight without a time": (409, {}, problem("in_flight")),
    "a bug": (500, {}, problem("internal_error")),
}


@pytest.mark.parametrize("answer", PASSING)
def test_what_passes_is_asked_again_byte_by_byte_with_one_key(server, client, answer):
    server.says(PASSING[answer], PASSING[answer], DONE)
    reply = client.command("POST", "/v1/orders", BODY)
    assert (reply.said, reply.status, reply.position) == ({"order_id": "1"}, 201, 7)
    keys = {asked.key for asked in server.asked}
    assert len(server.asked) == 3
    assert len(keys) == 1
    assert len(keys.pop()) >= 20
    assert {asked.body for asked in server.asked} == {json.dumps(BODY).encode()}
    assert {asked.path for asked in server.asked} == {"/v1/orders"}


@pytest.mark.parametrize("answer", STAYING)
def test_a_refusal_is_told_and_not_asked_again(server, client, rest, answer):
    status, _, said = STAYING[answer]
    server.says(STAYING[answer], DONE)
    with pytest.raises(Problem) as refused:
        client.command("POST", "/v1/orders", BODY)
    assert (refused.value.status, refused.value.code) == (status, said["code"])
    assert len(server.asked) == 1
    assert rest.waited == []


def test_a_read_is_asked_again_without_a_key(server, client):
    server.says((503, {}, ""), (200, {}, {"tickets": []}))
    assert client.get("/v1/tickets").said == {"tickets": []}
    assert [asked.key for asked in server.asked] == [None, None]


def test_two_commands_have_two_keys_and_a_stored_one_is_sent_as_it_is(server, client):
    for key in (None, None, "kept on disk"):
        client.command("POST", "/v1/orders", BODY, key=key)
    first, second, third = [asked.key for asked in server.asked]
    assert first != second
    assert third == "kept on disk"


def test_the_tries_end_and_the_last_outcome_is_told(server, client, rest):
    server.says((503, {}, problem("unavailable")))
    with pytest.raises(Problem) as refused:
        client.command("POST", "/v1/orders", BODY)
    assert refused.value.code == "unavailable"
    assert len(server.asked) == TRIES_MAX
    assert len(rest.waited) == TRIES_MAX - 1


def test_waits_double_up_to_a_span_and_each_is_a_random_part(server, url, rest):
    server.says((502, {}, ""))
    retries = rest.retries(chance=0.25, tries_max=7, base_s=1.0, span_max_s=10.0)
    with Client(url, retries=retries) as client, pytest.raises(Unreachable):
        client.get("/v1/tickets")
    assert rest.waited == [0.25, 0.5, 1.0, 2.0, 2.5, 2.5]


def test_a_wait_is_at_least_what_the_server_asks_for(server, url, rest):
    server.says((429, {"Retry-After": "3"}, problem("too_many")), DONE)
    with Client(url, retries=rest.retries(chance=0.0)) as client:
        client.command("POST", "/v1/orders", BODY)
    assert rest.waited == [3.0]


def test_a_server_that_asks_for_too_long_is_told_to_the_caller(server, client, rest):
    server.says((503, {"Retry-After": "3600"}, problem("unavailable")), DONE)
    with pytest.raises(Problem) as refused:
        client.get("/v1/tickets")
    assert refused.value.retry_after_s == 3600
    assert rest.waited == []


@pytest.mark.parametrize("said", ["Mon, 23 Nov 2026 12:00:00 GMT", "-1", "1e9", "²"])
def test_a_time_to_come_back_that_is_no_number_is_passed_over(server, client, said):
    server.says((503, {"Retry-After": said}, problem("unavailable")), DONE)
    assert client.command("POST", "/v1/orders", BODY).status == 201


@pytest.mark.parametrize("fault", [LOST, CUT])
def test_a_line_that_breaks_is_asked_again_with_the_same_key(server, url, rest, fault):
    server.says(DONE)
    with (
        wire(url, [fault, fault]) as broken,
        Client(broken, retries=rest.retries()) as client,
    ):
        assert client.command("POST", "/v1/orders", BODY).said == {"order_id": "1"}
    assert len({asked.key for asked in server.asked}) == 1
    assert len(server.asked) == (3 if fault == CUT else 1)


@pytest.mark.parametrize(("again", "asked"), [(False, 1), (True, TRIES_MAX)])
def test_what_no_key_protects_is_asked_again_only_if_that_is_said(
    server, client, again, asked
):
    server.says((503, {}, ""))
    with pytest.raises(Unreachable):
        client.ask("POST", "/v1/taps", BODY, again=again)
    assert [one.key for one in server.asked] == [None] * asked
