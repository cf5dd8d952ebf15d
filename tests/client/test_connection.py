"""How long is waited, how much is heard, and where a token goes.

Planted and caught: plain http to anywhere; a redirection followed; an answer read
without bound; a body that drips for ever; a certificate that nobody asks for.
"""

import select
import socket
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Thread

import pytest

from ledger_client import AddressRefused, Client, Connection, Problem, Unreachable
from ledger_client.connection import ANSWER_MAX
from tests.policies.receivers import receiving, trust

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@contextmanager
def says(*pieces, every_s=0.0, until_hung_up=False):
    """Answer one connection with these bytes, one piece after the other."""

    def answer(listening):
        near, _ = listening.accept()
        with near:
            near.recv(1 << 16)
            try:
                for piece in pieces:
                    near.sendall(piece)
                    select.select([near], [], [], every_s)
                if until_hung_up:
                    near.recv(1)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        answering = Thread(target=answer, args=(listening,), daemon=True)
        answering.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        answering.join()


@pytest.mark.parametrize(
    "address",
    [
        "http://tickets.example",
        "http://127.0.0.1.example",
        "http://10.0.0.1",
        "http://localhost.example",
        "https://",
        "ftp://127.0.0.1",
        "tickets.example",
        "https://somebody@tickets.example",
        "https://tickets.example?x=y",
    ],
)
def test_a_token_goes_nowhere_in_the_clear(address):
    with pytest.raises(AddressRefused):
        Client(address, "secret")


@pytest.mark.parametrize(
    "address",
    [
        "https://tickets.example",
        "http://127.0.0.1:1",
        "http://[::1]",
        "http://localhost",
    ],
)
def test_a_token_goes_over_tls_or_to_this_machine(address):
    Client(address, "secret").close()


def test_a_server_is_believed_by_its_certificate_alone(tmp_path):
    tls = trust(tmp_path, "localhost", at=datetime.now(UTC)).server
    ca_file = str(tmp_path / "localhost.pem")
    with receiving(tls) as receiver:
        url = f"https://127.0.0.1:{receiver.port}"
        with Client(url, "secret") as client, pytest.raises(Unreachable):
            client.ask("POST", "/v1/taps", {})
        assert receiver.taken == []
        with Client(url, "secret", ca_file=ca_file) as client:
            assert client.ask("POST", "/v1/taps", {}).status == 204
    assert [headers["Authorization"] for _, headers, _ in receiver.taken] == [
        "Bearer secret"
    ]


def test_each_request_bears_the_token_that_is_good_then(server, url):
    tokens = iter(["first", "second"])
    line = Connection(url, lambda: next(tokens))
    for _ in range(2):
        line.ask("GET", "/v1/me")
    said = [asked.headers["Authorization"] for asked in server.asked]
    assert said == ["Bearer first", "Bearer second"]


def test_who_has_no_token_sends_none(server, url):
    Connection(url).ask("GET", "/health/live")
    assert "Authorization" not in server.asked[0].headers


def test_a_redirection_is_no_answer_and_not_followed(server, url):
    server.says((302, {"Location": f"{url}/elsewhere"}, "{}"))
    with Client(url, "secret") as client, pytest.raises(Unreachable):
        client.ask("GET", "/v1/me")
    assert len(server.asked) == 1


def test_an_answer_without_end_is_not_read_to_its_end():
    length = b"Content-Length: 999999999\r\n\r\n"
    flood = b" " * (ANSWER_MAX + 1)
    with (
        says(HEAD + length, flood, until_hung_up=True) as url,
        Client(url) as client,
        pytest.raises(Unreachable, match="longer"),
    ):
        client.ask("GET", "/v1/me")


def test_an_answer_just_short_enough_is_read_whole(server, url):
    said = '{"x":"' + "y" * (ANSWER_MAX - 8) + '"}'
    server.says((200, {}, said))
    with Client(url) as client:
        assert len(client.ask("GET", "/v1/me").said["x"]) == ANSWER_MAX - 8


def test_a_server_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout_s=0.05) as client, pytest.raises(Unreachable):
            client.ask("GET", "/v1/me")


def test_a_body_that_drips_is_given_up_in_time():
    head = HEAD + b"Content-Length: 10000\r\n\r\n"
    began = time.monotonic()
    with (
        says(head, *[b" "] * 200, every_s=0.02) as url,
        Client(url, timeout_s=0.2) as client,
        pytest.raises(Unreachable, match="in time"),
    ):
        client.ask("GET", "/v1/me")
    assert time.monotonic() - began < 2


def test_nobody_at_the_address_is_unreachable():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with Client(url) as client, pytest.raises(Unreachable, match="No answer came"):
        client.ask("GET", "/v1/me")


def test_a_problem_tells_what_the_ledger_said(server, url):
    said = {
        "code": "ticket_locked",
        "title": "Ticket locked",
        "detail": "It is offered.",
        "do": "Wait for it.",
        "because": ["x/1"],
        "facts": {"lock": "GIFT"},
    }
    server.says((409, {"Request-Id": "r-1"}, said))
    with (
        Client(url) as client,
        pytest.raises(Problem, match=r"It is offered\.") as told,
    ):
        client.command("POST", "/v1/gifts", {})
    problem = told.value
    assert (problem.code, problem.title, problem.request_id) == (
        "ticket_locked",
        "Ticket locked",
        "r-1",
    )
    assert problem.do == "Wait for it."
    assert (problem.because, problem.facts) == (("x/1",), {"lock": "GIFT"})


@pytest.mark.parametrize(
    "body",
    ["<html>", "[]", "{}", '{"code": 5}', '{"code": "x", "because": 5}', "[" * 100_000],
)
def test_a_refusal_of_no_form_says_nothing_of_the_ledger(server, url, body):
    server.says((404, {}, body))
    with Client(url) as client, pytest.raises(Unreachable, match="no ledger"):
        client.ask("GET", "/v1/me")
