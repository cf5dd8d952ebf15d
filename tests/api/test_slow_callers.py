"""Callers who never finish, and statements that never end, keep nobody else out.

Bugs planted one at a time, each of which made a test fail: the watch not begun; begun
and not ended, which cut off a caller who was reading his answer; a cancelled statement
told as a database that is away.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import psycopg
import pytest

from api.app import create_app
from api.cli.worker import Watch
from ledger.adapters import roles
from ledger.adapters.roles import DatabaseRole
from ledger.bootstrap import open_installation
from tests.api.callers import Callers

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30
THREADS = 2
STATEMENT_MAX_S = 0.3
HALVES = {
    "half a first line": b"GET /health",
    "half of the headers": b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow:",
    "half a body": b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nhalf",
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of two threads whose callers have half a second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "tests.api.hurried:application"),
                *("--worker-class=tests.api.hurried.Hurried", "--log-level=error"),
                *(f"--threads={THREADS}", f"--bind=fd://{listener.fileno()}"),
                "--no-control-socket",
            ],
            cwd=ROOT,
            pass_fds=[listener.fileno()],
        )
        yield listener.getsockname()[1]
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_callers_who_do_not_go_on_are_let_go_and_others_are_answered(port, half):
    with ExitStack() as opened:
        slow = [
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(THREADS)
        ]
        for each in slow:
            each.settimeout(PATIENCE_S)
            each.sendall(half)
        with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S) as answer:
            assert answer.read() == b"0 bytes\n"
        for each in slow:
            assert not each.recv(1024).startswith(b"HTTP/1.1 200")


def test_who_is_being_answered_is_not_watched_any_more():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch = Watch(limit_s=1)
        watch.begin(ours)
        watch.end(ours)
        watch.look(now=float("inf"))
        ours.sendall(b"the answer")
        assert theirs.recv(100) == b"the answer"


def test_who_is_late_reads_the_end_of_his_line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        watch = Watch(limit_s=1)
        watch.begin(ours)
        watch.look(now=0)
        ours.sendall(b"still here")
        watch.look(now=float("inf"))
        assert theirs.recv(100) == b"still here"
        assert theirs.recv(100) == b""


@contextmanager
def locked(database, table: str) -> Iterator[None]:
    with psycopg.connect(database.url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


@pytest.fixture
def hurried(installation, monkeypatch) -> Iterator[Callers]:
    """Everybody, at a door whose statements have less than half a second."""
    limits = {**roles.STATEMENT_TIMEOUT_S, DatabaseRole.APP: STATEMENT_MAX_S}
    monkeypatch.setattr(roles, "STATEMENT_TIMEOUT_S", limits)
    says, clock = installation.settings, installation.clock
    with open_installation(says, clock=clock) as opened:
        yield Callers(create_app(opened).test_client(), opened)


def test_a_statement_without_end_is_refused_and_the_command_can_be_repeated(
    hurried, database
):
    body = {
        "party_id": str(hurried.ada.party_id),
        "amount_minor": 500,
        "currency": "EUR",
        "reference": "counter 1",
    }
    headers = {"Idempotency-Key": str(uuid4())}

    def top_up():
        path = "/v1/accounts/top-ups"
        return hurried.operator.call("POST", path, json=body, headers=headers)

    before = hurried.its.ledger.position()
    with locked(database, "ledger_events"):
        refused = top_up()
    assert refused.refusal == (503, "took_too_long")
    assert refused.headers["Retry-After"] == "1"
    assert hurried.its.ledger.position() == before
    done = top_up()
    assert done.status == 201
    assert top_up().position == done.position == hurried.its.ledger.position()
