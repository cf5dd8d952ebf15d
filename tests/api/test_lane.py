"""The lane of the gates answers as the application does, and refuses nothing itself.

Planted and caught: a revoked token let in; a device of any role let in; a principal's
rate not counted; a body read and not given on; a card that is not good answered at
once; the position of the log told instead of the view's; a ticket under a hold told as
good; a body with a field twice taken.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from api.app import create_app
from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers, Said
from tests.api.cards import Card, personalised
from tests.api.statements import listening
from tests.api.test_cards import on_card
from tests.api.test_metrics import Counted

OWN_TO_EACH = {"Request-Id", "Date"}
PLAIN = "application/json"
NOT_PLAIN = "application/json; charset=utf-8"


@pytest.fixture
def terminal(callers: Callers) -> Caller:
    return callers.device("terminal", Role.TERMINAL, by=callers.ada)


@pytest.fixture
def gate(callers: Callers) -> Caller:
    return callers.device("dispenser", Role.DISPENSER)


@pytest.fixture
def card(callers: Callers, terminal: Caller, views) -> Card:
    card: Card = on_card(callers, terminal, question=1)[1]
    ledger = callers.its.ledger
    for view in ("freshness", "wallet"):
        views.wait_for(view, ledger.position(), 5.0)
    return card


def tap(gate: Caller, card: Card, kind: str = PLAIN, **more: str) -> Said:
    body = json.dumps(card.reading())
    return gate.call(
        "POST", "/v1/taps", data=body, headers={"Content-Type": kind, **more}
    )


def plain(said: Said) -> tuple[int, Any, dict[str, str]]:
    headers = {k: v for k, v in said.headers.items() if k not in OWN_TO_EACH}
    return said.status, said.json, headers


def test_a_good_card_costs_one_statement_and_reads_as_the_application_says_it(
    gate, card, monkeypatch
):
    tap(gate, card)
    with listening(monkeypatch) as said:
        quick = tap(gate, card)
    assert len(said) == 1, said
    with listening(monkeypatch) as said:
        slow = tap(gate, card, NOT_PLAIN)
    assert len(said) > 1
    assert quick.json["verdict"] == "FRESH"
    assert quick.json["slots"][0]["question"] == 1
    assert plain(quick) == plain(slow)


def test_a_card_is_counted_once_whoever_answers(gate, card):
    counted = Counted()
    for kind in (PLAIN, NOT_PLAIN):
        assert tap(gate, card, kind).status == 200
    assert counted("ledger_verdicts_total", verdict="FRESH") == 2
    to = {"method": "POST", "route": "/v1/taps", "status": "200"}
    assert counted("ledger_http_requests_total", **to) == 2
    assert counted("ledger_commands_total", route="POST /v1/taps", outcome="done") == 2


@pytest.mark.parametrize(
    "header", ["At-Least-Position", "Idempotency-Key", "Want-Receipt", "If-Match"]
)
def test_whoever_asks_for_more_is_answered_by_the_application(
    gate, card, header, monkeypatch
):
    with listening(monkeypatch) as said:
        answer = tap(gate, card, **{header: "1"})
    assert len(said) > 1
    assert answer.status == 200


def test_a_revoked_machine_is_refused_at_its_next_tap(callers, gate, card):
    assert tap(gate, card).status == 200
    path = f"/v1/devices/{gate.device_id}"
    assert callers.operator.delete(path).status == 204
    assert tap(gate, card).status == 401


def test_an_expired_token_is_refused(callers, clock, card):
    device = callers.device("dispenser", Role.DISPENSER)
    brief = callers.caller(Role.DISPENSER, lifetime_s=60, device_id=device.device_id)
    assert tap(brief, card).status == 200
    clock.passes(seconds=61)
    assert tap(brief, card).status == 401


def test_a_stranger_with_a_card_of_another_is_told_nothing_of_it(callers, card):
    told = tap(callers.ben, card)
    assert (told.json["verdict"], told.json["slots"]) == ("COUNTERFEIT", [])


def test_the_rate_of_a_machine_is_counted_in_the_lane_as_well(
    installation, callers, gate, card
):
    slow = replace(installation.settings, rate=1, rate_burst=3)
    its = replace(installation, settings=slow)
    client = create_app(its).test_client()
    here = replace(gate, client=client)
    assert [tap(here, card).status for _ in range(4)] == [200] * 3 + [429]


def test_a_limited_address_waits_before_the_lane_too(installation, gate, card):
    slow = replace(installation.settings, address_rate=1, address_burst=10)
    its = replace(installation, settings=slow)
    here = replace(gate, client=create_app(its).test_client())
    guessing = replace(here, token="etl_" + "x" * 43)
    assert tap(guessing, card).status == 401
    assert tap(here, card).status == 429


def test_its_line_in_the_log_is_like_any_other(installation, gate, card, capsys):
    loud = replace(installation.settings, log_level="info")
    client = create_app(replace(installation, settings=loud)).test_client()
    here = replace(gate, client=client)
    capsys.readouterr()
    tap(here, card)
    tap(here, card, NOT_PLAIN)
    quick, slow = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    own = {"request", "ms", "timestamp"}
    assert quick.keys() == slow.keys()
    assert {k: quick[k] for k in quick.keys() - own} == {
        k: slow[k] for k in slow.keys() - own
    }


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b'{"uid": 1}',
        b'{"uid": "04 1223344556"}',
        b"\xff",
        b'{"uid": "04112233445566", "uid": "04112233445566"}',
        b"[" * 500,
    ],
)
def test_what_is_no_reading_is_refused_by_the_application(gate, wrong):
    answer = gate.call("POST", "/v1/taps", data=wrong, headers={"Content-Type": PLAIN})
    assert answer.status in {400, 422}
    assert answer.json["code"].startswith("malformed")


def test_a_field_twice_or_too_many_is_refused_as_ever(gate, card):
    reading = json.dumps(card.reading())
    uid = card.uid.hex()
    for changed in (
        reading[:-1] + f', "uid": "{uid}"}}',
        reading[:-1] + ', "more": 1}',
        reading.replace(uid, uid.upper().replace("0", " ", 1), 1),
    ):
        answer = gate.call(
            "POST", "/v1/taps", data=changed, headers={"Content-Type": PLAIN}
        )
        assert answer.status in {400, 422}, answer.json


def test_the_position_told_is_that_of_the_view_and_not_of_the_log(
    callers, gate, card, database
):
    view, ledger = callers.its.views.freshness, callers.its.ledger
    with psycopg.connect(database.url) as holding:
        holding.execute("SELECT FROM projection_tracking FOR UPDATE")
        reached = view.position()
        callers.offering()
        assert ledger.position() > reached
        assert tap(gate, card).position == reached


def test_a_ticket_that_a_case_holds_is_not_told_as_good(callers, gate, card, views):
    ticket_id = tap(gate, card).json["slots"][0]["ticket_id"]
    opened = callers.ada.post(
        "/v1/cases", case_type="wrong_recipient", ticket_ids=[ticket_id]
    )
    assert opened.status == 201, opened.json
    views.wait_for("freshness", opened.position, 5.0)
    (slot,) = tap(gate, card).json["slots"]
    assert slot["code"] == "frozen"
    assert plain(tap(gate, card)) == plain(tap(gate, card, NOT_PLAIN))


def test_a_card_that_is_not_good_is_judged_and_kept_by_the_application(
    callers, gate, card, views
):
    other = personalised(callers, callers.ben, uid="04998877665544")
    before = callers.its.ledger.position()
    views.wait_for("freshness", before, 5.0)
    copied = card.reading() | {"uid": other.uid.hex()}
    told = gate.call(
        "POST",
        "/v1/taps",
        data=json.dumps(copied),
        headers={"Content-Type": PLAIN},
    )
    assert (told.json["verdict"], told.json["slots"]) == ("CLONE", [])
    assert callers.its.ledger.position() > before


def test_a_device_of_another_role_is_refused_as_ever(callers, terminal, card):
    maker = callers.device("personaliser", Role.PERSONALISER)
    assert tap(maker, card).refusal == (403, "role_missing")
    assert tap(terminal, card).status == 200
