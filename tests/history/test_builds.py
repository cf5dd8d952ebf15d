"""The checker's silence counts: it speaks up when the ledger is broken."""

from __future__ import annotations

import psycopg
import pytest

from tests.databases import Database
from tests.history.builds import BUILDS, Build
from tests.history.crowd import Crowd

ROUND = 80
ROUNDS_MAX = 20


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS.keys())
def test_a_broken_ledger_is_found(
    build: Build,
    settings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
):
    found: set[str] = set()
    with Crowd(
        settings,
        clients=build.clients,
        places=20,
        seed=build.name,
        cut_share=build.cut_share,
        habits=build.habits,
        follows=build.follows,
    ) as crowd:
        with psycopg.connect(database.url) as connection:
            for statement in build.sql:
                connection.execute(statement)
        if build.patch is not None:
            build.patch(monkeypatch.setattr)
        for _ in range(ROUNDS_MAX):
            story = crowd.goes_out(ROUND)
            found |= {each.rule for each in story.anomalies()}
            if found & set(build.rules):
                return
    pytest.fail(f"nobody saw that {build.says}; found {found}")
