"""The ledger's doors over HTTP, each beside a bare Flask view under the same server."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import make_conninfo

from tests.benchmarks import bare
from tests.benchmarks.crew import Crew, Operation
from tests.benchmarks.frame import Place, Result, database
from tests.benchmarks.town import SCHEMA, Held, Town, town
from tests.benchmarks.wire import Wire
from tests.story.server import Server

WORKERS, THREADS = 2, 8
CALLERS = 8
SPELL_S = 2.0
DISPENSED = slice(0, 1_500)
DISPENSED_AT_HALF_LOAD = slice(1_500, 2_100)
TAPPED = slice(2_100, 2_400)
"""Which cards are whose; one that was dispensed shows an older state to the taps."""

# How many events the three calls of a dispense record: the lease and the write that is
# prepared; the print allowed, the write proven and the paper numbered; dispensed.
EVENTS_BY_CALL = (2, 3, 1)


@dataclass(frozen=True, slots=True)
class Doors:
    """Both servers, side by side on the same PostgreSQL."""

    town: Town
    ledger_port: int
    bare_port: int


def doors(place: Place) -> Doors:
    its = place.once(town)
    url = make_conninfo(place.once(database), options=f"-csearch_path={SCHEMA}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(bare.TABLE)
    place.tell("starting the servers")
    server = place.enter(
        Server(
            its.settings.home,
            settings={
                "LEDGER_DATABASE_URL": place.once(database),
                "LEDGER_SCHEMA": SCHEMA,
                "LEDGER_WORKERS": str(WORKERS),
                "LEDGER_THREADS": str(THREADS),
                "LEDGER_RATE": "1000000",
                "LEDGER_RATE_BURST": "1000000",
            },
        )
    )
    bare_port = place.enter(bare.served(url, workers=WORKERS, threads=THREADS))
    place.tell("waiting for the views")
    its.catch_up()
    port = urlsplit(server.url).port
    assert port is not None
    return Doors(its, port, bare_port)


def freshness(place: Place) -> Result:
    """Ask whether a card is fresh: good cards, in no order."""
    both = place.once(doors)
    its = both.town
    readings = [json.dumps(held.card.reading()).encode() for held in its.cards[TAPPED]]
    with (
        Crew(
            tapping, both.ledger_port, its.dispenser_token, readings, threads=CALLERS
        ) as ours,
        Crew(selecting, both.bare_port, readings, threads=CALLERS) as plain,
    ):
        rates = place.alternate(
            {
                "taps": lambda: ours.rate(SPELL_S),
                "one SELECT": lambda: plain.rate(SPELL_S),
            }
        )
        return Result(
            value=rates["taps"],
            unit="requests/s",
            baseline=rates["one SELECT"],
            n=ours.n,
            note=(
                f"{CALLERS} callers, {WORKERS} workers of {THREADS} threads,"
                f" {len(readings)} cards; ours {ours.said()}; bare {plain.said()}"
            ),
        )


def dispense(place: Place) -> Result:
    """Dispense tickets, lease to dispensed; three calls each, a card used once."""
    both = place.once(doors)
    its = both.town

    def turn(crew: Crew) -> float:
        its.catch_up()  # What views have left to do is not the other side's load.
        return crew.rate(SPELL_S)

    with (
        Crew(
            dispensing,
            both.ledger_port,
            its.dispenser_token,
            its.cards[DISPENSED],
            threads=CALLERS,
        ) as ours,
        Crew(inserting, both.bare_port, threads=CALLERS) as plain,
    ):
        rates = place.alternate(
            {
                "dispenses": lambda: turn(ours),
                "as many INSERTs": lambda: turn(plain),
            }
        )
        calls = "+".join(str(count) for count in EVENTS_BY_CALL)
        return Result(
            value=rates["dispenses"],
            unit="dispenses/s",
            baseline=rates["as many INSERTs"],
            n=ours.n,
            note=(
                f"{CALLERS} dispensers; bare: three calls with {calls} INSERTs, each"
                f" call one transaction; ours {ours.said()}; bare {plain.said()}"
            ),
        )


def freshness_at_half_load(place: Place) -> Result:
    """How long a gate waits for its answer when half as many ask as could."""
    both = place.once(doors)
    its = both.town
    readings = [json.dumps(held.card.reading()).encode() for held in its.cards[TAPPED]]
    with (
        Crew(
            tapping, both.ledger_port, its.dispenser_token, readings, threads=CALLERS
        ) as ours,
        Crew(selecting, both.bare_port, readings, threads=CALLERS) as plain,
    ):
        return _at_half_load(place, ours, plain, lambda: None)


def dispense_at_half_load(place: Place) -> Result:
    """How long a whole dispense waits for its three answers, at half the load."""
    both = place.once(doors)
    its = both.town
    with (
        Crew(
            dispensing,
            both.ledger_port,
            its.dispenser_token,
            its.cards[DISPENSED_AT_HALF_LOAD],
            threads=CALLERS,
        ) as ours,
        Crew(inserting, both.bare_port, threads=CALLERS) as plain,
    ):
        return _at_half_load(place, ours, plain, its.catch_up)


def _at_half_load(
    place: Place, ours: Crew, plain: Crew, rest: Callable[[], None]
) -> Result:
    """Find out how much each side can do, then ask it for half of that."""
    pace = {}
    for crew in (ours, plain):
        rest()
        pace[crew] = max(1.0, crew.rate(SPELL_S) / 2)

    def turn(crew: Crew) -> float:
        rest()
        return crew.work(SPELL_S, pace[crew]).latency_ms(99)

    p99_ms = place.alternate({"ours": lambda: turn(ours), "bare": lambda: turn(plain)})
    return Result(
        value=p99_ms["ours"],
        unit="ms (p99)",
        baseline=p99_ms["bare"],
        n=ours.n,
        note=(
            f"{CALLERS} callers; ours at {pace[ours]:.0f}/s: {ours.said()};"
            f" bare at {pace[plain]:.0f}/s: {plain.said()}"
        ),
    )


@contextmanager
def tapping(
    port: int, token: str, readings: Sequence[bytes], *, first: int, count: int
) -> Iterator[Sequence[Operation]]:
    def tap(wire: Wire) -> bool:
        status, said = wire.call("POST", "/v1/taps", random.choice(readings))
        assert (status, json.loads(said)["verdict"]) == (200, "FRESH"), said
        return True

    with _wires(port, token, count) as wires:
        yield [partial(tap, wire) for wire in wires]


@contextmanager
def selecting(
    port: int, readings: Sequence[bytes], *, first: int, count: int
) -> Iterator[Sequence[Operation]]:
    def select(wire: Wire) -> bool:
        status, said = wire.call("POST", "/one-select", random.choice(readings))
        assert (status, json.loads(said)["seq"]) == (200, 1), said
        return True

    with _wires(port, "", count) as wires:
        yield [partial(select, wire) for wire in wires]


@contextmanager
def dispensing(
    port: int, token: str, cards: Sequence[Held], *, first: int, count: int
) -> Iterator[Sequence[Operation]]:
    with _wires(port, token, count) as wires:
        yield [
            partial(
                _dispense_next, wire, f"B{first + number}", iter(cards[number::count])
            )
            for number, wire in enumerate(wires)
        ]


def _dispense_next(wire: Wire, machine: str, cards: Iterator[Held]) -> bool:
    """Dispense one ticket as a machine does, the card's work included."""
    held = next(cards, None)
    if held is None:
        return False
    card, path = held.card, f"/v1/tickets/{held.ticket_id}/dispenses"
    serial = f"{machine}-{card.uid.hex().upper()}"
    asked = {
        "reading": card.reading(),
        "slot": 0,
        "epoch": held.epoch,
        "answered": True,
    }
    lease = _said(wire.call("POST", path, asked))
    job = f"{path}/{lease['job_id']}"
    proof = card.commit(lease["write"])
    written = {"uid": card.uid.hex(), "write_id": lease["write"]["write_id"]}
    told = proof | written | {"serial": serial}
    allowed = _said(wire.call("PUT", f"{job}/mark", told))
    assert allowed["print"]["serial"] == serial
    now = datetime.now(UTC).isoformat()
    _said(wire.call("PUT", f"{job}/printed", {"serial": serial, "device_time": now}))
    return True


def _said(answer: tuple[int, bytes]) -> Any:
    status, said = answer
    assert status < 300, said
    return json.loads(said)


@contextmanager
def inserting(port: int, *, first: int, count: int) -> Iterator[Sequence[Operation]]:
    body = json.dumps({"reading": "00" * 167, "epoch": 2}).encode()

    def insert(wire: Wire) -> bool:
        for number in EVENTS_BY_CALL:
            status, said = wire.call("POST", f"/inserts/{number}", body)
            assert status == 201, said
        return True

    with _wires(port, "", count) as wires:
        yield [partial(insert, wire) for wire in wires]


@contextmanager
def _wires(port: int, token: str, count: int) -> Iterator[list[Wire]]:
    wires = [Wire(port, token) for _ in range(count)]
    yield wires
    for wire in wires:
        wire.close()
