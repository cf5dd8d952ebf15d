"""The line to the ledger: refused, silent, broken, or asked again so that it is safe.

Planted and caught: a card's authentication repeated; a redirection taken for done; a
bearer token sent on to where a redirection points; a new key for each try.
"""

import json
import socket
from dataclasses import replace
from uuid import UUID

import pytest
from werkzeug.wrappers import Request, Response

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable, Outcome
from card_bridge.http_gateway import RETRIES, TRIES_MAX, HttpGateway
from card_bridge.profile.card import CardReading
from card_bridge.protocol.transaction_mac import TransactionProof
from ledger.vocabulary.codes import Role
from ledger_client.connection import ANSWER_MAX
from tests.card.bridge.stage import served

UID = bytes.fromhex("04112233445566")
ID = UUID(int=1)
READING = CardReading(UID, bytes(32), bytes(128))
OUTCOME = Outcome(TransactionProof(1, bytes(8)))
LEASE = {"slot": 0, "epoch": 1}
AT_ONCE = replace(RETRIES, sleep=lambda _: None)

SAFE_TWICE = {
    "device_keys": lambda line: line.device_keys(ID),
    "tap": lambda line: line.tap(READING, terminal_id=ID),
    "settle_write": lambda line: line.settle_write(UID, ID, OUTCOME),
    "personalisation": lambda line: line.personalisation(
        UID, holder_id=ID, profile="p"
    ),
    "register_medium": lambda line: line.register_medium(
        UID, holder_id=ID, profile="p", key_version=1
    ),
    "mark_dispense": lambda line: line.mark_dispense(
        ID, ID, uid=UID, write_id=ID, outcome=OUTCOME, serial="T1"
    ),
    "abort_dispense": lambda line: line.abort_dispense(ID, ID, reason="paper"),
    "redeem": lambda line: line.redeem(ID, ID, uid=UID, write_id=ID, outcome=OUTCOME),
    "tickets": lambda line: line.tickets(),
}
ONCE = {
    "begin_authentication": lambda line: line.begin_authentication(
        UID, key_no=1, challenge=bytes(16), terminal_id=ID
    ),
    "finish_authentication": lambda line: line.finish_authentication(
        UID, continuation=b"c", response=bytes(32), terminal_id=ID
    ),
}
BY_KEY = {
    "prepare_write": lambda line: line.prepare_write(
        READING, terminal_id=ID, load=[], unload=[]
    ),
    "start_dispense": lambda line: line.start_dispense(
        ID, READING, answered=True, **LEASE
    ),
    "start_redemption": lambda line: line.start_redemption(
        ID, READING, receipt="R", amount_minor=1, currency="EUR", **LEASE
    ),
}
EVERY = SAFE_TWICE | ONCE | BY_KEY


class Server:
    """Answers whatever it was told to, and keeps what it was asked."""

    def __init__(self):
        self.answers = []
        self.asked = []
        self.keys = []

    def __call__(self, environ, start):
        request = Request(environ)
        self.asked.append(
            (request.method, request.path, request.headers.get("Authorization"))
        )
        self.keys.append(request.headers.get("Idempotency-Key"))
        request.get_data()
        at = min(len(self.asked), len(self.answers)) - 1
        status, headers, body = self.answers[at]
        return Response(body, status=status, headers=headers)(environ, start)


@pytest.fixture(scope="module")
def address():
    server = Server()
    with served(server) as url:
        yield server, url


@pytest.fixture
def server(address):
    address[0].asked.clear()
    address[0].keys.clear()
    return address[0]


@pytest.fixture
def line(address):
    return HttpGateway(address[1], "secret", timeout_s=5, retries=AT_ONCE)


@pytest.mark.parametrize("name", EVERY)
def test_a_refusal_is_told_once_with_its_code(server, line, name):
    problem = {"code": "in_gift", "detail": "It is offered.", "because": ["x/1"]}
    server.answers = [(409, {}, json.dumps(problem))]
    with pytest.raises(LedgerRefusal, match=r"It is offered\.") as refused:
        EVERY[name](line)
    assert (refused.value.code, refused.value.status) == ("in_gift", 409)
    assert refused.value.because == ("x/1",)
    assert len(server.asked) == 1
    assert server.asked[0][2] == "Bearer secret"


NO_ANSWER = {
    "server error": (500, {}, "{}"),
    "problem of its own": (503, {}, '{"code": "unavailable", "detail": "Later."}'),
    "a gateway's page": (502, {}, "<html>"),
    "a page": (200, {}, "<html>"),
    "a refusing page": (404, {}, "<html>"),
    "a refusal of no form": (404, {}, "{}"),
    "a list": (200, {}, "[]"),
    "elsewhere": (302, {"Location": "/elsewhere"}, ""),
    "elsewhere, in JSON": (307, {"Location": "/elsewhere"}, '{"write_id": null}'),
}


@pytest.mark.parametrize("answer", NO_ANSWER)
@pytest.mark.parametrize("name", EVERY)
def test_no_answer_is_unreachable_and_asked_again_so_that_it_is_safe(
    server, line, name, answer
):
    server.answers = [NO_ANSWER[answer]]
    with pytest.raises(LedgerUnreachable) as unreachable:
        EVERY[name](line)
    assert unreachable.value.code == "unreachable"
    assert len(server.asked) == (1 if name in ONCE else TRIES_MAX)
    assert len(set(server.keys)) == 1
    assert (server.keys[0] is not None) == (name in BY_KEY)
    assert {path for _, path, _ in server.asked}.isdisjoint({"/elsewhere"})


ANSWERED = sorted(EVERY.keys() - {"settle_write", "register_medium", "abort_dispense"})
NO_FORM = ["{}", '{"write_id": 5, "sealed": 5, "tickets": 5, "print": 5, "slots": 5}']


@pytest.mark.parametrize("body", NO_FORM)
@pytest.mark.parametrize("name", ANSWERED)
def test_an_answer_that_lacks_what_it_should_say_is_none(server, line, name, body):
    server.answers = [(200, {}, body)]
    with pytest.raises(LedgerUnreachable):
        EVERY[name](line)


def test_an_answer_without_end_is_not_read_to_its_end(server, line):
    server.answers = [(200, {}, "[" * (2 * ANSWER_MAX)), (200, {}, '{"tickets": []}')]
    assert line.tickets() == []
    assert len(server.asked) == 2


def test_what_fails_once_is_done_the_second_time(server, line):
    server.answers = [(500, {}, ""), (200, {}, '{"tickets": []}')]
    assert line.tickets() == []
    assert len(server.asked) == 2


def test_nobody_at_the_address_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    nobody = HttpGateway(
        f"http://127.0.0.1:{port}", "secret", timeout_s=2, retries=AT_ONCE
    )
    with pytest.raises(LedgerUnreachable):
        nobody.tickets()


def test_a_server_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        line = HttpGateway(
            f"http://127.0.0.1:{port}", "secret", timeout_s=0.05, retries=AT_ONCE
        )
        with pytest.raises(LedgerUnreachable):
            line.tickets()


def test_what_was_carried_out_without_an_answer_left_is_in_doubt(server, line):
    gone = {"code": "carried_out", "detail": "It was carried out before."}
    server.answers = [(409, {}, json.dumps(gone))]
    with pytest.raises(LedgerUnreachable):
        BY_KEY["start_dispense"](line)


def test_nothing_to_write_is_none(server, line):
    server.answers = [(200, {}, '{"write_id": null}')]
    assert BY_KEY["prepare_write"](line) is None


def test_the_real_ledger_refuses_in_its_own_words(stage):
    ada = stage.callers.person(Role.BUYER)
    line = stage.gateway(ada)
    assert line.tickets() == []
    with pytest.raises(LedgerRefusal, match=r"\.$") as refused:
        line.tap(CardReading(UID, bytes(32), bytes(128)), terminal_id=None)
    assert (refused.value.status, refused.value.code) == (422, "malformed")
    stranger = HttpGateway(stage.url, "no such token")
    with pytest.raises(LedgerRefusal) as refused:
        stranger.tickets()
    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
