"""Purses, points and what moved on them; and one view's state.

Planted and caught: another's purse told; another's revenue told by its name; a balance
that does not follow its entries; money that is held told as available; a page that
repeats the last entry of the one before.
"""

from __future__ import annotations

from typing import Any

from ledger.aggregates.account import POINTS
from ledger.application import Cause
from ledger.clock import new_id
from ledger.usecases import accounts, points
from ledger.usecases.accounts import E_MONEY
from ledger.vocabulary.codes import Role
from ledger.vocabulary.ids import account_id
from tests.api.callers import NOON, Caller, Callers
from tests.projections.following import catch_up

HALF = 50_00


def purse_of(who: Caller, kind: str = E_MONEY, unit: str = "EUR") -> str:
    assert who.party_id is not None
    return str(account_id(who.party_id, kind, unit))


def entries(callers: Callers, who: Caller, path: str) -> Any:
    catch_up(callers.its.ledger, "entries", "accounts")
    told = who.get(f"/v1/{path}")
    assert told.status == 200, told.json
    return told.json


def moved(told: Any) -> list[tuple[str, int, int]]:
    names = ("reason", "amount_minor", "balance_minor")
    return [tuple(each[name] for name in names) for each in told["entries"]]


def test_a_purse_is_told_to_its_party_with_what_can_be_spent(callers: Callers):
    callers.rich(callers.ada)
    purse_id = purse_of(callers.ada)
    told = callers.ada.get(f"/v1/accounts/{purse_id}")
    assert told.headers["ETag"] == f'"{told.json["version"]}"'
    assert told.json == {
        "account_id": purse_id,
        "party_id": str(callers.ada.party_id),
        "kind": "e-money",
        "currency": "EUR",
        "balance_minor": 100_00,
        "available_minor": 100_00,
        "holds": [],
        "lots": [],
        "version": told.json["version"],
    }
    for who in (callers.operator, callers.auditor):
        assert who.get(f"/v1/accounts/{purse_id}").json == told.json
    hidden = callers.ben.get(f"/v1/accounts/{purse_id}")
    assert hidden.refusal == (404, "unknown")


def test_what_is_held_is_told_and_cannot_be_spent(callers: Callers):
    callers.rich(callers.ada)
    ledger, at = callers.its.ledger, callers.its.clock.now()
    assert callers.ada.party_id is not None
    work, purpose_id = ledger.work(), callers.ben.party_id
    assert purpose_id is not None
    accounts.purse(work, accounts.purse_ref(callers.ada.party_id, "EUR"), at=at).hold(
        purpose_id=purpose_id,
        amount_minor=HALF,
        until=at.replace(hour=at.hour + 1),
        at=at,
    )
    work.record(Cause(actor="test"))
    told = callers.ada.get(f"/v1/accounts/{purse_of(callers.ada)}").json
    assert (told["balance_minor"], told["available_minor"]) == (100_00, HALF)
    assert told["holds"] == [
        {
            "purpose_id": str(purpose_id),
            "amount_minor": HALF,
            "until": "2026-11-22T13:00:00Z",
        }
    ]


def test_a_statement_tells_every_movement_with_the_balance_after_it(callers: Callers):
    callers.ticket(callers.ada)
    callers.rich(callers.ada, 7_00)
    mine, purse = f"me/accounts/{purse_of(callers.ada)}", purse_of(callers.ada)
    whole = entries(callers, callers.ada, f"{mine}/entries")
    lines = moved(whole)
    assert lines[0] == ("top-up", 7_00, 67_00)
    assert lines[-1] == ("top-up", 100_00, 100_00)
    assert [balance for _, _, balance in lines] == [67_00, 60_00, 100_00]
    now = callers.ada.get(f"/v1/accounts/{purse}").json["balance_minor"]
    assert now == lines[0][2]
    first = entries(callers, callers.ada, f"{mine}/entries?limit=2")
    rest = entries(
        callers, callers.ada, f"{mine}/entries?limit=2&before={first['next']}"
    )
    assert moved(first) + moved(rest) == lines
    assert rest["next"] is None
    for who in (callers.ada, callers.auditor):
        assert entries(callers, who, f"accounts/{purse}/entries") == whole
    for path in (mine, f"accounts/{purse}"):
        hidden = callers.ben.get(f"/v1/{path}/entries")
        assert hidden.refusal == (404, "unknown")


def test_an_issuer_reads_what_it_earned_by_the_accounts_name(callers: Callers):
    callers.ticket(callers.ada)
    revenue = f"revenue/{callers.issuer.party_id}/EUR"
    for name in (revenue, revenue.replace("/", "%2F")):
        told = entries(callers, callers.issuer, f"me/accounts/{name}/entries")
        assert moved(told)[0][1:] == (40_00, 40_00)
    another = callers.person(Role.ISSUER)
    for who in (callers.ada, another):
        told = who.get(f"/v1/me/accounts/{revenue}/entries")
        assert told.refusal == (404, "unknown")
    house = callers.issuer.get("/v1/me/accounts/counter/EUR/entries")
    assert house.refusal == (404, "unknown")


def test_operators_and_auditors_read_any_account_and_whether_the_books_add_up(
    callers: Callers,
):
    callers.ticket(callers.ada)
    counter = entries(callers, callers.auditor, "accounts/entries?account=counter/EUR")
    assert moved(counter) == [("top-up", -100_00, -100_00)]
    told = callers.operator.get(f"/v1/accounts?party_id={callers.ada.party_id}").json
    assert [(x["account_id"], x["balance_minor"]) for x in told["accounts"]] == [
        (purse_of(callers.ada), 60_00)
    ]
    assert callers.operator.get("/v1/accounts").refusal == (422, "malformed")
    books = callers.auditor.get("/v1/accounts/trial-balance").json
    assert books["holds"] is True
    assert {"currency": "EUR", "sum_minor": 0} in books["sums"]


def test_points_are_told_with_the_time_when_they_end(callers: Callers):
    ada, issuer = callers.ada.party_id, callers.issuer.party_id
    assert ada is not None
    assert issuer is not None
    work = callers.its.ledger.work()
    points.earn(
        work,
        party_id=ada,
        programme_id=issuer,
        points=40,
        entry_id=new_id(),
        reference="order/1",
        at=NOON,
    )
    work.record(Cause(actor="test"))
    purse = purse_of(callers.ada, f"points/{issuer}", POINTS)
    its = callers.ada.get(f"/v1/accounts/{purse}").json
    assert (its["balance_minor"], its["currency"]) == (40, POINTS)
    assert its["lots"] == [{"points": 40, "expires_at": "2028-11-21T12:00:00Z"}]
    told = entries(callers, callers.ada, f"accounts/{purse}/entries")
    assert moved(told) == [("points earned", 40, 40)]
    assert callers.ben.get(f"/v1/accounts/{purse}").refusal == (404, "unknown")


def test_one_view_tells_how_far_it_is(callers: Callers):
    catch_up(callers.its.ledger, "entries")
    told = callers.auditor.get("/v1/projections/entries")
    assert (told.status, told.json["name"], told.json["lag_events"]) == (
        200,
        "entries",
        0,
    )
    nothing = callers.auditor.get("/v1/projections/gossip")
    assert nothing.refusal == (404, "unknown")
