"""`dispenserctl run` on a real PC/SC reader: cards come, lie, and are taken away.

Seen to fail: a machine that ended when nobody came for a while, one that served a card
left lying over and over.
"""

import json
import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import pytest

from card_bridge.transport.vpcd import OnTheReader
from dispenser.cli import IDLE_S
from tests.dispenser.desk import ALWAYS, Desk

pytestmark = pytest.mark.pcsc
ANSWER_S = 20.0
ROOT = Path(__file__).parents[2]
DAEMON = """
import json, sys
from card_bridge.transport.daemon import PrivateDaemon
with PrivateDaemon() as daemon:
    print(json.dumps([daemon.port, daemon.reader, daemon.environment]), flush=True)
    sys.stdin.read()
"""


@dataclass(frozen=True)
class Reader:
    port: int
    name: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Reader]:
    """A PC/SC service in a process of its own: this one may have met another."""
    running = subprocess.Popen(
        [sys.executable, "-c", DAEMON],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with running:
        assert running.stdout is not None
        yield Reader(*json.loads(running.stdout.readline()))
        running.communicate()


class Running:
    """The program, and what it says line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._lines: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        self._reading = Thread(target=self._read, args=(process.stdout,))
        self._reading.start()

    def said(self) -> dict[str, object]:
        facts: dict[str, object] = json.loads(self._lines.get(timeout=ANSWER_S))
        return facts

    def keeps_silent(self, seconds: float) -> bool:
        try:
            self._lines.get(timeout=seconds)
        except queue.Empty:
            return self.process.poll() is None
        return False

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            self._lines.put(line)


@contextmanager
def running(desk: Desk, daemon: Reader, *options: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "dispenser.cli", "--json", "run", desk.device_id,
            "--reader", daemon.name, *options,
        ],
        cwd=ROOT,
        env={**os.environ, **desk.environment, **daemon.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    with process:
        machine = Running(process)
        try:
            yield machine
        finally:
            process.terminate()


def test_it_serves_whoever_comes_once_a_tap_and_waits_when_nobody_does(desk, daemon):
    visitor = desk.theatre.visitor(ALWAYS)
    with running(desk, daemon) as machine:
        assert machine.keeps_silent(2 * IDLE_S)
        with OnTheReader(visitor.card, port=daemon.port):
            assert machine.said()["state"] == "DONE"
            assert machine.keeps_silent(IDLE_S), "the card was left lying"
        with OnTheReader(visitor.card, port=daemon.port):
            assert machine.said()["code"] == "already_dispensed"
