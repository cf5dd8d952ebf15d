"""`ledgerctl jobs` and `outbox`, and the jobs beside a server that runs."""

from __future__ import annotations

import json
import os
import signal
from datetime import timedelta

import psycopg

from ledger.bootstrap import KEEP_TOKENS, open_installation
from ledger.clock import SystemClock
from ledger.settings import Settings
from ledger.vocabulary.codes import Role
from tests.api.conftest import ledgerctl
from tests.api.test_serve import environ, serve
from tests.domain.examples import ALICE, NOON
from tests.jobs.scheduling import wait_until

__all__ = ["environ", "ledgerctl", "serve"]

NAMES = [
    "notify",
    "deadlines",
    "send",
    "expire",
    "resume",
    "validity",
    "views",
    "clean",
]


def test_jobs_are_listed_and_each_can_be_run_now(ledgerctl):
    code, out, _ = ledgerctl("jobs", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [each["name"] for each in found] == NAMES
    assert {each["state"] for each in found} == {"never"}
    for name in NAMES:
        code, out, err = ledgerctl("jobs", "run", name)
        assert (code, out.startswith(f"{name}: done"), err) == (0, True, err)
    _, out, _ = ledgerctl("jobs", "--json")
    for line in out.splitlines():
        job = json.loads(line)
        assert (job["state"], job["last"]["outcome"]) == ("waiting", "done")
    _, out, _ = ledgerctl("jobs")
    assert "notify     waiting" in out
    unknown = ledgerctl("jobs", "run", "nonsense")
    assert unknown == (1, "", "There is no such job.\n")


def test_the_views_job_counts_views_that_nobody_runs(ledgerctl):
    _, out, _ = ledgerctl("jobs", "run", "views")
    assert out != "views: done, 0 things.\n"


def test_the_outbox_is_counted_and_what_was_given_up_is_listed_and_revived(ledgerctl):
    ledgerctl("init")
    assert ledgerctl("outbox")[1] == "0 wait; 0 sent, 0 dropped, 0 given up.\n"
    with (
        open_installation(Settings.load()) as its,
        its.datastore.transaction(commit=True) as cursor,
    ):
        cursor.execute(
            "INSERT INTO outbox (position, party_id, kind, channel, target_id,"
            " about_id, detail, at, state, attempts, due_at, settled_at, said)"
            " VALUES (1, %(id)s, 'sold', 'email', %(id)s, %(id)s, '{}', %(at)s, 'dead',"
            " 12, %(at)s, %(at)s, 'nobody answered')",
            {"id": ALICE, "at": NOON},
        )
    code, out, _ = ledgerctl("outbox", "dead", "--json")
    assert (code, json.loads(out)["said"]) == (0, "nobody answered")
    assert "nobody answered, 12 attempts" in ledgerctl("outbox", "dead")[1]
    assert json.loads(ledgerctl("outbox", "--json")[1])["dead"] == 1
    assert ledgerctl("outbox", "revive")[1] == "1 are tried again.\n"
    assert ledgerctl("outbox", "dead")[1] == ""


def test_tokens_long_over_are_forgotten_and_no_others(ledgerctl):
    ledgerctl("init")
    now = SystemClock().now()
    with open_installation(Settings.load()) as its:
        for age in (KEEP_TOKENS + timedelta(days=2), timedelta(days=2)):
            its.tokens.issue(
                party_id=ALICE,
                device_id=None,
                roles=[Role.BUYER],
                lifetime_s=60,
                at=now - age,
            )
    assert ledgerctl("jobs", "run", "clean")[1] == "clean: done, 1 things.\n"
    assert ledgerctl("jobs", "run", "clean")[1] == "clean: done, 0 things.\n"


def test_a_mail_server_that_cannot_be_used_is_told_in_a_sentence(
    ledgerctl, monkeypatch
):
    monkeypatch.setenv("LEDGER_SMTP_URL", "smtp+plain://us:secret@10.0.0.1")
    code, _, err = ledgerctl("jobs")
    assert code == 1
    assert "LEDGER_SMTP_URL" in err
    assert "secret" not in err


def test_a_server_runs_the_jobs_and_has_them_again_when_they_are_killed(
    serve, database
):
    server = serve()

    def is_run_by(process: int) -> bool:
        with psycopg.connect(database.url) as connection:
            rows = connection.execute(
                "SELECT runner, outcome FROM job_runs WHERE name = 'notify'"
            ).fetchall()
        return (
            bool(rows) and rows[0][0].endswith(f"/{process}") and rows[0][1] == "done"
        )

    (first,) = server.children("jobs work")
    wait_until(lambda: is_run_by(first))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in server.children("jobs work") != [])
    (second,) = server.children("jobs work")
    wait_until(lambda: is_run_by(second))
    assert server.stop() == 0
