"""Changes asked for over HTTP: granted, refused, taken back.

Planted and caught: a change granted whatever the terms say; requests told to a
stranger; a time that no event can hold.
"""

from __future__ import annotations

from typing import Any

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers


def ask(who: Caller, ticket_id: str, **changes: Any):
    return who.post(
        f"/v1/tickets/{ticket_id}/modification-requests",
        changes=changes or {"right": "Row 5 seat 1"},
        reason="nearer to the stage",
    )


def right(callers: Callers, ticket_id: str) -> str:
    return str(callers.auditor.get(f"/v1/tickets/{ticket_id}").json["right"])


def test_what_the_terms_allow_is_changed_at_once(callers: Callers):
    ticket_id = callers.ticket(callers.ada, terms={"modifiable": ["right"]})
    done = ask(callers.ada, ticket_id)
    assert (done.status, done.json["granted"], done.json["epoch"]) == (201, True, 2)
    assert right(callers, ticket_id) == "Row 5 seat 1"
    path = f"/v1/tickets/{ticket_id}/modification-requests"
    assert callers.ada.get(path).json["requests"] == []
    assert ask(callers.ada, ticket_id, title="Othello").json["granted"] is False


def test_the_rest_waits_until_the_issuer_grants_it(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    done = ask(callers.ada, ticket_id)
    assert (done.status, done.json["granted"]) == (201, False), done.json
    assert right(callers, ticket_id) == "Row 4 seat 12"
    path = f"/v1/tickets/{ticket_id}/modification-requests"
    request = f"{path}/{done.json['request_id']}"
    waiting = callers.issuer.get(path)
    assert waiting.json["requests"] == [
        {
            "request_id": done.json["request_id"],
            "by_party_id": str(callers.ada.party_id),
            "changes": {"right": "Row 5 seat 1"},
        }
    ]
    assert callers.ben.get(path).refusal == (404, "unknown")
    stranger = callers.person(Role.ISSUER)
    assert stranger.post(f"{request}/grant", reason="x").refusal == (403, "not_owner")
    granted = callers.issuer.post(f"{request}/grant", reason="it is free")
    assert (granted.status, granted.json) == (201, {"granted": True, "epoch": 2})
    assert right(callers, ticket_id) == "Row 5 seat 1"
    again = callers.issuer.post(f"{request}/grant", reason="it is free")
    assert again.json["code"] == "unknown"


def test_a_request_is_refused_by_the_issuer_or_taken_back_by_its_owner(
    callers: Callers,
):
    ticket_id = callers.ticket(callers.ada)
    path = f"/v1/tickets/{ticket_id}/modification-requests"
    first = f"{path}/{ask(callers.ada, ticket_id).json['request_id']}"
    refused = callers.issuer.post(f"{first}/refusal", reason="it is taken")
    assert (refused.status, refused.json) == (201, {"granted": False, "epoch": 1})
    second = f"{path}/{ask(callers.ada, ticket_id).json['request_id']}"
    assert callers.ben.delete(second).refusal == (403, "not_owner")
    assert callers.ada.delete(second).status == 204
    assert callers.ada.delete(second).json["code"] == "unknown"
    assert callers.ada.get(path).json["requests"] == []
    assert right(callers, ticket_id) == "Row 4 seat 12"


def test_the_issuer_changes_times_and_they_are_stored_in_utc(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    done = callers.issuer.post(
        f"/v1/tickets/{ticket_id}/modifications",
        not_after="2026-11-24T10:00:00+01:00",
        title="Othello",
        reason="another play",
    )
    assert (done.status, done.json["epoch"]) == (201, 2), done.json
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert (told["title"], told["not_after"]) == ("Othello", "2026-11-24T09:00:00Z")


def test_a_request_without_sense_is_refused(callers: Callers):
    path = f"/v1/tickets/{callers.ticket(callers.ada)}/modification-requests"
    sayings: list[dict[str, Any]] = [
        {"changes": {}},
        {"changes": {"owner_id": "x"}},
        {"changes": {"right": None}},
        {"changes": {"not_after": "tomorrow"}},
        {"reason": ""},
    ]
    for said in sayings:
        body: dict[str, Any] = {"changes": {"right": "Row 1"}, "reason": "nearer"}
        asked = callers.ada.post(path, **body | said)
        assert asked.refusal == (422, "malformed"), said
