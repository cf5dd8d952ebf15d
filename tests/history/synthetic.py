"""Honest histories made up: of any length, from a seed, without a ledger.

Everything happens at one moment of its own, somewhere between its begin and its end.
"""

from __future__ import annotations

from random import Random

from tests.history.checker import EFFECTS
from tests.history.model import Event, State
from tests.history.operations import Operation, Outcome

CLIENTS = 8
TICKETS = 64
TICK_NS = 1_000
OWNER = "0a"


def ticket(number: int) -> str:
    return f"{number:032x}"


def made_up(count: int, seed: int = 7) -> tuple[list[Event], list[Operation]]:
    """Return a log and `count` operations: half of them reads, by several clients."""
    chance = Random(seed)
    events = [issued(number + 1, ticket(number)) for number in range(TICKETS)]
    versions, offers = [1] * TICKETS, [""] * TICKETS
    operations = []
    for number in range(count):
        which = chance.randrange(TICKETS)
        name, key = ticket(which), f"{number}"
        said: dict[str, object]
        answer: dict[str, object]
        if chance.random() < 0.5:
            versions[which] += 1
            kind = "decline" if offers[which] else "offer"
            offer_id = offers[which] or key
            offers[which] = "" if offers[which] else key
            position = len(events) + 1
            events.append(event(position, name, versions[which], kind, key, offer_id))
            said = {"stream": name, "offer_id": offer_id}
            answer = {"position": position, "again": False}
        elif chance.random() < 0.9:
            kind, said = "owner", {"of": name}
            answer = {"value": [versions[which], OWNER]}
        else:
            kind, said, answer = "head", {}, {"value": len(events)}
        now_ns = (number + CLIENTS) * TICK_NS
        operations.append(
            Operation(
                key,
                f"client-{number % CLIENTS}",
                kind,
                now_ns - chance.randrange(CLIENTS // 2 * TICK_NS),
                now_ns + chance.randrange(CLIENTS // 2 * TICK_NS),
                Outcome.OK,
                said,
                answer,
            )
        )
    return events, operations


def issued(position: int, name: str) -> Event:
    state = {"owner_id": OWNER, "uses_limit": 1}
    return Event(position, name, 1, "e-ticket.issued", state)


def event(
    position: int, name: str, version: int, kind: str, key: str, offer_id: str
) -> Event:
    """Return what a command to offer or decline has recorded."""
    state: State = {"cause": {"command": key}, "offer_id": offer_id}
    return Event(position, name, version, EFFECTS[kind], state)
