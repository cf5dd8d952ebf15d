"""`ledgerctl serve` as a process: up, used, killed in its parts, and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.databases import Database

START_S = 60
WAITS_MAX = 5
_LEDGERCTL = (sys.executable, "-m", "api.cli")


class Server:
    """A running server. Its output ends when its last process has."""

    def __init__(self, environ: dict[str, str], *options: str) -> None:
        self._process = subprocess.Popen(
            [*_LEDGERCTL, "serve", "--with-parent", *options],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._said = self._process.stdout
        first = self._said.readline()
        found = re.fullmatch(r"The ledger answers at http://127.0.0.1:(\d+)\n", first)
        assert found, first
        self.port = int(found[1])
        self.metrics_at = self._said.readline().removeprefix("Metrics are at ").strip()

    def metrics(self) -> dict[tuple[str, ...], float]:
        """What Prometheus reads: each sample by its name and its labels, sorted."""
        with urlopen(self.metrics_at, timeout=START_S) as answer:  # noqa: S310, ours
            text = answer.read().decode()
        return {
            (each.name, *sorted(each.labels.values())): each.value
            for family in text_string_to_metric_families(text)
            for each in family.samples
        }

    def call(
        self, method: str, path: str, token: str, body: Any = None, **headers: str
    ):
        with closing(
            HTTPConnection("127.0.0.1", self.port, timeout=START_S)
        ) as connection:
            connection.request(
                method,
                path,
                body=json.dumps(body) if body is not None else None,
                headers={
                    "Authorization": f"Bearer {token}",
                    "Content-Type": "application/json",
                    **headers,
                },
            )
            with connection.getresponse() as answer:
                return answer, json.loads(answer.read())

    def children(self, what: str) -> list[int]:
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,args="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        return [
            int(pid)
            for pid, parent, said in rows
            if int(parent) == self._process.pid and what in said
        ]

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def close(self) -> None:
        """Whatever became of the test, its server ends with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(START_S)

    def ended(self) -> int:
        """Wait until every process of the server is gone."""
        assert self._said.read() == ""
        self._said.close()
        return self._process.wait(START_S)


@pytest.fixture
def environ(database: Database, tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LEDGER_")}
    return {
        **kept,
        "LEDGER_DATABASE_URL": database.server_url,
        "LEDGER_SCHEMA": database.schema,
        "LEDGER_HOME": str(tmp_path / "home"),
        "LEDGER_WORKERS": "1",
        "LEDGER_LOG_LEVEL": "error",
        "LEDGER_METRICS_PORT": "0",
    }


@pytest.fixture
def serve(environ: dict[str, str]) -> Iterator[Callable[..., Server]]:
    """Start servers on ports of their own choice, or on those that are said."""
    with ExitStack() as started:

        def serve(*options: str, port: int = 0) -> Server:
            server = Server(environ, f"--port={port}", *options)
            return started.enter_context(closing(server))

        yield serve


def operator_token(environ: dict[str, str]) -> str:
    roles = ("--role=operator", "--role=buyer")
    made = subprocess.run(
        [*_LEDGERCTL, "token", "issue", *roles, "--new-party=Centre"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def test_it_serves_keeps_its_views_and_survives_the_death_of_their_runner(
    serve, environ: dict[str, str], tmp_path: Path
):
    port_file = tmp_path / "port"
    server = serve(f"--port-file={port_file}")
    assert port_file.read_text() == f"{server.port}\n"
    token = operator_token(environ)
    _, me = server.call("GET", "/v1/me", token)
    refused, problem = server.call("POST", "/v1/parties", token, {"kind": "person"})
    assert (refused.status, problem["code"]) == (422, "malformed")
    wrong, problem = server.call("GET", "/v1/me", "etl_wrong")
    assert (wrong.status, problem["code"]) == (401, "unauthenticated")

    for killed in (False, True):
        if killed:
            (runner,) = server.children("projections run")
            os.kill(runner, signal.SIGKILL)
        paid, _ = server.call(
            "POST",
            "/v1/accounts/top-ups",
            token,
            {
                "party_id": me["party_id"],
                "amount_minor": 500,
                "currency": "EUR",
                "reference": "counter 1",
            },
        )
        at_least = {"At-Least-Position": paid.headers["Ledger-Position"]}
        for _ in range(WAITS_MAX):
            read, told = server.call("GET", "/v1/me/accounts", token, **at_least)
            if read.status == 200:
                break
        assert told["accounts"][0]["balance_minor"] == (1000 if killed else 500)
    metrics = server.metrics()
    assert metrics["ledger_commands_total", "POST /v1/accounts/top-ups", "done"] == 2
    assert metrics["ledger_append_seconds_count",] == 2
    assert metrics["ledger_database_up",] == 1
    assert server.stop() == 0
    assert not port_file.exists()


def test_killed_at_once_it_leaves_nothing_behind_and_starts_again(
    serve, environ: dict[str, str]
):
    del environ["LEDGER_DATABASE_URL"]  # With a database of its own.
    server = serve()
    token = operator_token(environ)
    server.kill()
    server.ended()
    again = serve(port=server.port)
    answer, _ = again.call("GET", "/v1/me", token)
    assert answer.status == 200
    assert again.stop() == 0


def test_a_port_that_is_taken_is_said_in_a_sentence(serve, environ: dict[str, str]):
    server = serve()
    second = subprocess.run(
        [*_LEDGERCTL, "serve", f"--port={server.port}"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.startswith(f"Port {server.port} of 127.0.0.1 cannot be had: ")
    assert len(second.stderr.splitlines()) == 1
    assert server.stop() == 0
