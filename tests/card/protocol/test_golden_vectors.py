"""Published and captured figures, through the code that runs in production.

Planted and caught: a session vector with its parts in another order; a MAC cut to its
odd bytes.
"""

import json
from pathlib import Path

import pytest

from card_bridge.protocol.selftest import RUN, agrees

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "card_vectors.json").read_text()
)["vectors"]
NOT_YET = {
    "sdm_session_keys",
    "sdm_sun",
    "sdm_encfile",
    "ecdsa_p224_uid",
    "ev1_auth_aes",
    "ev1_seq",
    "ev1_changekey",
    "ev1_transcript",
}


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["kind"] not in NOT_YET], ids=lambda v: v["id"]
)
def test_the_protocol_gives_the_figures_from_outside(vector):
    found = RUN[vector["kind"]](vector["in"])

    expected = {name: bytes.fromhex(text) for name, text in vector["expected"].items()}
    assert {name: found[name] for name in expected} == expected
    assert agrees(vector)


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v["kind"] not in NOT_YET], ids=lambda v: v["id"]
)
def test_a_figure_with_one_bit_changed_does_not_agree(vector):
    for name, text in vector["expected"].items():
        wrong = f"{int(text[:2], 16) ^ 1:02x}{text[2:]}"
        changed = vector | {"expected": vector["expected"] | {name: wrong}}
        assert not agrees(changed)


def test_every_kind_is_run_or_named_as_not_built_yet():
    kinds = {vector["kind"] for vector in VECTORS}
    assert kinds == set(RUN) | NOT_YET
    assert not set(RUN) & NOT_YET
