"""A party, told to whom it concerns, and erased for ever.

Planted and caught: a name told to an auditor; another's record told; a dry run that
destroyed the key; an erasure that leaves the party's tokens; a request that is dropped
while a dispute needs the party.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers


@pytest.fixture
def dora(callers: Callers) -> Caller:
    """Somebody with a name and an address."""
    made = callers.operator.post(
        "/v1/parties", kind="person", name="Dora Marsden", contact="dora@example.org"
    )
    assert made.status == 201, made.json
    return callers.caller(Role.BUYER, party_id=UUID(made.json["party_id"]))


def record(who: Caller, of: Caller) -> Any:
    told = who.get(f"/v1/parties/{of.party_id}")
    assert told.status == 200, told.json
    assert told.headers["ETag"] == f'"{told.json["version"]}"'
    return told.json


def words(told: Any) -> tuple[Any, Any]:
    return told["name"], told["contact"]


def test_a_partys_words_are_told_to_itself_and_to_operators_alone(
    callers: Callers, dora: Caller
):
    mine = record(dora, dora)
    assert words(mine) == ("Dora Marsden", "dora@example.org")
    assert (mine["kind"], mine["erasure"], mine["version"]) == ("person", "none", 1)
    assert mine["registered_at"] == "2026-11-22T12:00:00Z"
    assert record(callers.operator, dora) == mine
    assert record(callers.auditor, dora) == mine | {"name": None, "contact": None}
    stranger = callers.ben.get(f"/v1/parties/{dora.party_id}")
    assert stranger.refusal == (404, "unknown")


def test_an_erased_party_has_no_words_and_comes_in_no_more(
    callers: Callers, dora: Caller
):
    path = f"/v1/parties/{dora.party_id}"
    asked = dora.post(f"{path}/erasure-request")
    assert (asked.status, asked.json) == (200, {"erasure": "requested", "version": 2})
    assert words(record(dora, dora))[0] == "Dora Marsden"
    done = callers.operator.post(f"{path}/erasure")
    assert (done.status, done.json) == (200, {"erasure": "erased", "version": 3})
    assert done.position > asked.position
    assert words(record(callers.operator, dora)) == (None, None)
    assert dora.get(path).refusal == (401, "unauthenticated")
    again = callers.operator.post(f"{path}/erasure")
    assert (again.status, again.json) == (200, done.json)


def test_a_previewed_erasure_destroys_and_records_nothing(
    callers: Callers, dora: Caller
):
    path, position = f"/v1/parties/{dora.party_id}", callers.its.ledger.position()
    seen = callers.operator.post(f"{path}/erasure?dry_run=true")
    assert (seen.status, seen.headers["Dry-Run"]) == (200, "?1"), seen.json
    assert callers.its.ledger.position() == position
    assert words(record(dora, dora)) == ("Dora Marsden", "dora@example.org")


def test_an_erasure_waits_for_a_live_dispute_and_the_request_is_kept(
    callers: Callers,
):
    path = f"/v1/parties/{callers.ada.party_id}"
    ticket_id = callers.ticket(callers.ada)
    case = callers.ada.post(
        "/v1/cases", case_type="not_received", ticket_ids=[ticket_id]
    )
    assert case.status == 201, case.json
    for query in ("?dry_run=true", ""):
        refused = callers.operator.post(f"{path}/erasure{query}")
        assert refused.refusal == (409, "needed_by_case")
        assert refused.json["because"] == [f"{case.json['case_id']}/1"]
    told = record(callers.ada, callers.ada)
    assert (told["erasure"], told["name"]) == ("requested", "Somebody")


def test_only_the_party_that_was_read_is_erased(callers: Callers, dora: Caller):
    path = f"/v1/parties/{dora.party_id}"
    read = callers.operator.get(path).headers["ETag"]
    assert dora.post(f"{path}/erasure-request").status == 200
    late = callers.operator.call("POST", f"{path}/erasure", headers={"If-Match": read})
    assert late.refusal == (412, "precondition_failed")
    assert words(record(dora, dora))[0] == "Dora Marsden"
