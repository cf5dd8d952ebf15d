"""Workers killed under load, and a server told to stop: what was acknowledged is kept.

Bugs planted one at a time, each of which made a test fail: commands answered before
their commit; a server that ends its workers at once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from http.client import HTTPException
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from ledger.settings import RATE_MAX
from tests.api.test_serve import environ, operator_token, serve

__all__ = ["environ", "serve"]

CLIENTS = 3
KILLS = 3
ACKNOWLEDGED_BETWEEN = 12
POLL_S = 0.02
SOON_S = 0.5
"""Long enough for a signal, and much less than the server gives whom it hears."""
TOP_UPS = "/v1/accounts/top-ups"


def top_up(party_id: str, key: str) -> dict[str, Any]:
    return {
        "party_id": party_id,
        "amount_minor": 1,
        "currency": "EUR",
        "reference": key,
    }


def workers_of(server) -> list[int]:
    (master,) = server.children("gunicorn")
    listed = subprocess.run(
        ["pgrep", "--parent", str(master)], capture_output=True, text=True, check=False
    ).stdout
    return [int(pid) for pid in listed.split()]


class Crowd:
    """Clients who pay cents in, each under a key of its own, until it is enough."""

    def __init__(self, server, token: str, party_id: str) -> None:
        self.server, self.token, self.party_id = server, token, party_id
        self.asked: list[str] = []
        self.acknowledged: list[str] = []
        self.enough = Event()

    def pay_in(self) -> None:
        while not self.enough.is_set():
            key = str(uuid4())
            self.asked.append(key)
            body = top_up(self.party_id, key)
            try:
                answer, said = self.server.call(
                    "POST", TOP_UPS, self.token, body, **{"Idempotency-Key": key}
                )
            except (OSError, HTTPException):
                continue  # Nobody knows what became of it.
            if answer.status == 201:
                self.acknowledged.append(key)
            else:  # All pay into one purse.
                assert said["code"] == "overtaken"


def test_workers_killed_under_load_lose_nothing_that_was_acknowledged(
    serve, environ, database
):
    environ["LEDGER_WORKERS"] = "2"
    environ["LEDGER_RATE"] = environ["LEDGER_RATE_BURST"] = str(RATE_MAX)
    server = serve()
    token = operator_token(environ)
    _, me = server.call("GET", "/v1/me", token)
    crowd = Crowd(server, token, me["party_id"])
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(crowd.pay_in) for _ in range(CLIENTS)]
        try:
            for number in range(1, KILLS + 1):
                while len(crowd.acknowledged) < number * ACKNOWLEDGED_BETWEEN:
                    wait(clients, POLL_S, return_when="FIRST_COMPLETED")
                    assert not any(each.done() for each in clients)
                for worker in workers_of(server)[:1]:
                    os.kill(worker, signal.SIGKILL)
        finally:
            crowd.enough.set()
        for each in clients:
            each.result()
    assert server.stop() == 0
    with psycopg.connect(database.url) as connection:
        rows = connection.execute(
            "SELECT convert_from(state, 'utf8') FROM ledger_events"
            " WHERE topic = 'entry.made'"
        ).fetchall()
    found = [next(key for key in crowd.asked if key in state) for (state,) in rows]
    assert len(found) == len(set(found))
    assert set(crowd.acknowledged) <= set(found)


def test_a_server_told_to_stop_answers_whom_it_has_begun_to_hear(serve, environ):
    server = serve()
    token = operator_token(environ)
    _, me = server.call("GET", "/v1/me", token)
    body = str(top_up(me["party_id"], "slow")).replace("'", '"').encode()
    head = (
        f"POST {TOP_UPS} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with (
        socket.create_connection(("127.0.0.1", server.port)) as line,
        ThreadPoolExecutor(1) as beside,
    ):
        line.sendall(head + body[:10])
        server.call("GET", "/v1/me", token)  # Now a thread has read the head.
        stopped = beside.submit(server.stop)
        wait([stopped], SOON_S)
        assert not stopped.done()
        with pytest.raises(ConnectionRefusedError):  # Nobody new is let in.
            socket.create_connection(("127.0.0.1", server.port))
        line.sendall(body[10:])
        answer = line.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert stopped.result() == 0
