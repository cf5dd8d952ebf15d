"""A slice of `make duplicates`: the honest server passes, each broken one is found."""

from __future__ import annotations

import pytest

from api.app import create_app
from tests.duplicates.builds import BUILDS
from tests.duplicates.campaign import in_process, run

CALLERS = 4
COMMANDS, TRIES_MAX = 120, 6


def slice_of(installation, callers, seed, commands=COMMANDS):
    workers = [in_process(create_app(installation)) for _ in range(CALLERS)]
    return run(installation, workers, callers, commands=commands, seed=seed)


def test_each_key_has_one_effect_however_often_and_in_whatever_order_it_comes(
    installation, callers
):
    result = slice_of(installation, callers, "a slice")
    assert result.wrong == []
    assert result.sent > result.keys > 0
    assert result.refused > 0


@pytest.mark.parametrize("name", BUILDS)
def test_a_server_that_forgets_what_a_key_promises_is_found(
    installation, callers, monkeypatch, name
):
    build = BUILDS[name]
    build.breaks(monkeypatch.setattr)
    for seed in range(TRIES_MAX):  # Some break only where callers meet.
        result = slice_of(installation, callers, f"{name} {seed}", COMMANDS // 2)
        if any(build.says in each for each in result.wrong):
            return
    pytest.fail(f"nothing was found: {result}")
