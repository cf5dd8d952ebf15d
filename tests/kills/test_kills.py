"""A short campaign: one of each kind is killed, and one more; nothing is lost.

`make kills` runs a long one, and the broken builds that it must catch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.kills.campaign import KINDS, LIGHT, plan, run

SEED = "a night during a sale"


@pytest.mark.timeout(240)
def test_after_five_kills_nothing_is_lost_and_views_are_those_of_a_rebuild():
    # A killed process leaves the page cache alone: waiting for the disk shows nothing.
    with tempfile.TemporaryDirectory(prefix="eticket-") as folder:
        Path(folder).chmod(0o755)
        kinds = plan(SEED, 5)
        result = run(
            Path(folder),
            seed=SEED,
            kinds=kinds,
            server={"fsync": "off"},
            load=LIGHT,
        )
    assert result.broken == []
    assert set(result.kills) == set(KINDS)
    assert result.kills.total() == 5
    assert result.found == result.acknowledged > 0
    assert result.checkpoints > 0
