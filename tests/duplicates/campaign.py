"""A campaign: the town asks three times, and what came of it is judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from random import Random

from flask import Flask

from ledger.bootstrap import Installation
from tests.api.callers import Callers
from tests.duplicates import judging
from tests.duplicates.sending import Call, Caller, Command, Said, Told, send
from tests.duplicates.town import Town

TIMEOUT_S = 60
SENT_A_KEY = 5.2
"""So many times is what a key stands for sent, the steps that rest on it included."""


@dataclass(slots=True)
class Result:
    """What was sent, and what was wrong with it."""

    keys: int = 0
    sent: int = 0
    later: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


def run(
    installation: Installation,
    callers: Sequence[Caller],
    settlers: Callers,
    *,
    commands: int,
    seed: str,
) -> Result:
    """Send about so many commands; say what is wrong in the answers and in the log."""
    chance = Random(seed)
    town = Town(settlers, max(1, round(commands / SENT_A_KEY)), chance)
    town.settle()
    after = installation.ledger.position()
    result = Result()
    every: list[Told] = []

    def step(asked: list[Command]) -> list[Told]:
        told = send(asked, callers, chance)
        every.extend(told)
        return told

    first = step(town.first())
    town.count(first)
    second = step(town.second(first))
    step(town.third(second))
    result.keys = len(every)
    result.sent = sum(each.sent for each in every)
    result.later = sum(each.later for each in every)
    result.refused = sum(
        (said.status, said.code) == judging.REUSED
        for each in every
        for said in each.its + each.twins
    )
    result.wrong = list(_judged(installation, every, town, after))
    return result


def _judged(
    installation: Installation, every: Sequence[Told], town: Town, after: int
) -> Iterator[str]:
    yield from judging.answers(every)
    yield from judging.effects(installation.ledger, every, after=after)
    yield from judging.balances(installation.ledger, town.wanted)


def in_process(application: Flask) -> Caller:
    """A caller with a worker of its own in this process."""

    def caller() -> Call:
        client = application.test_client()

        def call(command: Command, body: bytes) -> Said:
            answer = client.open(
                command.path,
                method=command.method,
                data=body or None,
                headers=_headers(command),
            )
            position = answer.headers.get("Ledger-Position")
            return Said(answer.status_code, answer.data, position)

        return call

    return caller


def over_http(port: int) -> Caller:
    """A caller of a server on this machine, on a line of his own."""

    def caller() -> Call:
        line = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

        def call(command: Command, body: bytes) -> Said:
            line.request(command.method, command.path, body or None, _headers(command))
            answer = line.getresponse()
            position = answer.headers.get("Ledger-Position")
            return Said(answer.status, answer.read(), position)

        return call

    return caller


def _headers(command: Command) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {command.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": command.key,
    }
