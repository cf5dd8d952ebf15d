"""Published and captured figures, through the code that runs in production.

Planted and caught: a session vector with its parts in another order; a MAC cut to its
odd bytes.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from card_bridge.protocol.selftest import RUN, agrees
from card_bridge.protocol.selftest.values import told

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "card_vectors.json").read_text()
)["vectors"]
PROVEN = {
    "ev2_session_then_read_mac",
    "ev2_session_then_read_full",
    "ecdsa_p224_uid",
    "ev1_auth_aes",
    "ev1_seq",
    "ev1_transcript",
}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_the_protocol_gives_the_figures_from_outside(vector):
    found = told(RUN[vector["kind"]](vector["in"]))

    assert {name: found[name] for name in vector["expected"]} == vector["expected"]
    assert agrees(vector)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_a_figure_that_is_changed_does_not_agree(vector):
    for name, value in vector["expected"].items():
        wrong = vector | {"expected": vector["expected"] | {name: another(value)}}
        assert not agrees(wrong)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["kind"] in PROVEN], ids=lambda v: v["id"]
)
def test_no_bit_of_what_a_card_said_can_be_another(vector):
    """Each is under a MAC, a checksum inside a cryptogram, or a signature."""
    for heard in answers(vector["in"]):
        for bit in range(8 * len(heard.said)):
            assert not agrees(vector | {"in": heard.with_bit(bit)}), (heard.name, bit)


def test_every_kind_from_outside_is_run():
    assert {vector["kind"] for vector in VECTORS} == set(RUN)


@dataclass(frozen=True)
class Heard:
    """One answer of a card within the values of a vector."""

    given: dict[str, Any]
    path: tuple[Any, ...]
    said: bytes

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))

    def with_bit(self, bit: int) -> dict[str, Any]:
        changed = bytearray(self.said)
        changed[bit // 8] ^= 1 << bit % 8
        given = deepcopy(self.given)
        place: Any = given
        for step in self.path[:-1]:
            place = place[step]
        place[self.path[-1]] = changed.hex()
        return given


def answers(given: dict[str, Any]) -> Iterator[Heard]:
    """Everything of a vector that a card said under a proof."""
    for name in ("resp", "sig"):
        if name in given:
            yield Heard(given, (name,), bytes.fromhex(given[name]))
    for at, step in enumerate(given.get("steps", ())):
        for name in {"mac", "enc"} & step.keys():
            yield Heard(given, ("steps", at, name), bytes.fromhex(step[name]))
    for at, (_, answer) in enumerate(given.get("x", ())):
        said = bytes.fromhex(answer)
        if len(said) > 1 and said[0] == 0:
            yield Heard(given, ("x", at, 1), said)


def another(value: Any) -> Any:
    if isinstance(value, str):
        return f"{int(value[:2], 16) ^ 1:02x}{value[2:]}"
    return not value if isinstance(value, bool) else value + 1
