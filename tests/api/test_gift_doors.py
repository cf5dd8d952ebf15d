"""Gifts of several tickets over HTTP: offered, listed, claimed, answered, turned.

Planted and caught: a claim told again by a later read; a gift told to whoever knows its
id; a dry run that tells a claim; a list that shows both directions where one is asked;
a contact that any buyer may have erased.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.callers import Caller, Callers, Said

TEXT = "Enjoy the evening!"


def two(callers: Callers) -> list[str]:
    return [callers.ticket(callers.ada), callers.ticket(callers.ada)]


def to_ben(callers: Callers, *tickets: str, **more) -> Said:
    said = {"ticket_ids": list(tickets), "to_party_id": str(callers.ben.party_id)}
    made = callers.ada.post("/v1/gifts", **said | more)
    assert made.status == 201, made.json
    return made


def path_of(made: Said) -> str:
    return f"/v1/gifts/{made.json['offer_id']}"


def as_seen(who: Caller, path: str, **more: str) -> dict[str, Any]:
    """What accepts every ticket of a gift as it is shown now."""
    seen = who.get(path).json if not more else who.post(f"{path}/claim", **more).json
    lines = [
        {"ticket_id": line["ticket_id"], "terms_hash": line["terms_hash"]}
        for line in seen["lines"]
    ]
    return {"tickets": lines, **more}


def owner(callers: Callers, ticket_id: str) -> str:
    return str(callers.auditor.get(f"/v1/tickets/{ticket_id}").json["owner_id"])


def test_several_tickets_are_given_and_accepted_together(callers: Callers):
    tickets = two(callers)
    made = to_ben(callers, *tickets, message=TEXT)
    assert (made.json["claim"], made.position > 0) == (None, True)
    seen = callers.ben.get(path_of(made))
    assert (seen.json["state"], seen.json["message"]) == ("open", TEXT)
    assert [line["state"] for line in seen.json["lines"]] == ["open", "open"]
    accepted = callers.ben.post(
        f"{path_of(made)}/acceptance", **as_seen(callers.ben, path_of(made))
    )
    assert (accepted.status, accepted.position > made.position) == (200, True)
    assert [line["epoch"] for line in accepted.json["tickets"]] == [2, 2]
    assert {owner(callers, each) for each in tickets} == {str(callers.ben.party_id)}
    assert callers.ada.get(path_of(made)).json["state"] == "settled"


def test_all_or_nothing_is_not_accepted_in_part(callers: Callers):
    made = to_ben(callers, *two(callers))
    wanted = as_seen(callers.ben, path_of(made))
    refused = callers.ben.post(
        f"{path_of(made)}/acceptance", tickets=wanted["tickets"][:1]
    )
    assert refused.refusal == (409, "incomplete")
    assert refused.json["because"] == [f"{made.json['offer_id']}/1"]


def test_of_a_gift_per_line_one_is_accepted_and_one_declined(callers: Callers):
    first, second = two(callers)
    path = path_of(to_ben(callers, first, second, mode="per_line"))
    wanted = as_seen(callers.ben, path)["tickets"][:1]
    assert callers.ben.post(f"{path}/acceptance", tickets=wanted).status == 200
    declined = callers.ben.post(f"{path}/decline", ticket_ids=[second])
    assert (declined.status, declined.json["state"]) == (200, "settled")
    assert [line["state"] for line in declined.json["lines"]] == [
        "accepted",
        "declined",
    ]
    assert owner(callers, second) == str(callers.ada.party_id)


def test_somebody_without_an_account_claims_it_once_he_has_one(callers: Callers):
    [ticket] = [callers.ticket(callers.ada)]
    made = callers.ada.post(
        "/v1/gifts", ticket_ids=[ticket], contact="dora@example.org", message=TEXT
    )
    path, claim = path_of(made), made.json["claim"]
    assert len(claim) == 43
    assert claim not in str(callers.ada.get(path).json)
    assert callers.cleo.get(path).refusal == (404, "unknown")
    assert callers.cleo.post(f"{path}/claim", claim="x" * 43).refusal == (
        404,
        "unknown",
    )
    seen = callers.cleo.post(f"{path}/claim", claim=claim)
    assert (seen.status, seen.json["message"]) == (200, TEXT)
    wanted = as_seen(callers.cleo, path, claim=claim)
    without = callers.cleo.post(f"{path}/acceptance", tickets=wanted["tickets"])
    assert without.refusal == (403, "not_owner")
    assert callers.cleo.post(f"{path}/acceptance", **wanted).status == 200
    assert owner(callers, ticket) == str(callers.cleo.party_id)


def test_what_is_handed_over_directly_needs_its_code_too(callers: Callers):
    ticket = callers.ticket(callers.ada)
    made = to_ben(callers, ticket, via="direct")
    path, claim = path_of(made), made.json["claim"]
    assert callers.ben.get(path).refusal == (404, "unknown")
    wanted = as_seen(callers.ben, path, claim=claim)
    assert callers.ben.post(f"{path}/acceptance", **wanted).status == 200


def test_a_preview_offers_nothing_and_tells_no_claim(callers: Callers):
    ticket = callers.ticket(callers.ada)
    position = callers.its.ledger.position()
    tried = callers.ada.call(
        "POST",
        "/v1/gifts?dry_run=true",
        json={"ticket_ids": [ticket], "contact": "dora@example.org"},
    )
    assert (tried.status, tried.headers["Dry-Run"]) == (200, "?1")
    assert (tried.json["claim"], callers.its.ledger.position()) == (None, position)


def test_the_sender_turns_it_to_another_and_the_old_offer_is_dead(callers: Callers):
    tickets = two(callers)
    old = to_ben(callers, *tickets, message=TEXT)
    wanted = as_seen(callers.ben, path_of(old))
    new = callers.ada.post(
        f"{path_of(old)}/replacement", to_party_id=str(callers.cleo.party_id)
    )
    assert (new.status, len(new.json["tickets"])) == (201, 2)
    told = callers.ben.get(path_of(old)).json
    assert (told["state"], told["replaced_by"]) == ("withdrawn", new.json["offer_id"])
    assert callers.ben.post(f"{path_of(old)}/acceptance", **wanted).status == 409
    assert callers.cleo.get(path_of(new)).json["message"] is None


def test_the_sender_takes_it_back_and_the_tickets_are_free(callers: Callers):
    tickets = two(callers)
    path = path_of(to_ben(callers, *tickets))
    assert callers.ben.post(f"{path}/withdrawal").refusal == (403, "not_owner")
    taken = callers.ada.post(f"{path}/withdrawal")
    assert (taken.status, taken.json["state"]) == (200, "withdrawn")
    assert callers.ada.post(f"{path}/withdrawal").refusal == (409, "unknown")
    assert callers.ada.get(f"/v1/tickets/{tickets[0]}").json["lock"] is None


def test_gifts_are_listed_by_direction_and_page_by_page(callers: Callers, views):
    tickets = [callers.ticket(callers.ada) for _ in range(3)]
    made = [to_ben(callers, each) for each in tickets]
    ids = [each.json["offer_id"] for each in made][::-1]
    at = {"At_Least_Position": str(made[-1].position)}

    def found(who, query=""):
        told = who.get(f"/v1/gifts{query}", **at)
        assert told.status == 200, told.json
        return [gift["offer_id"] for gift in told.json["gifts"]], told.json["next"]

    assert found(callers.ben, "?direction=received")[0] == ids
    assert found(callers.ben, "?direction=sent")[0] == []
    assert found(callers.ada, "?direction=sent")[0] == ids
    assert found(callers.cleo)[0] == []
    first, further = found(callers.ben, "?limit=2")
    assert (first, found(callers.ben, f"?limit=2&before={further}")[0]) == (
        ids[:2],
        ids[2:],
    )
    assert callers.ben.get("/v1/gifts?direction=both").refusal == (422, "malformed")
    assert callers.ben.get("/v1/gifts?limit=21").refusal == (422, "malformed")


def test_what_was_read_of_a_gift_is_what_is_withdrawn(callers: Callers):
    first, second = two(callers)
    path = path_of(to_ben(callers, first, second, mode="per_line"))
    tag = callers.ada.get(path).headers["ETag"]
    callers.ben.post(f"{path}/decline", ticket_ids=[second])
    refused = callers.ada.call(
        "POST", f"{path}/withdrawal", json={}, headers={"If-Match": tag}
    )
    assert refused.refusal == (412, "precondition_failed")


def test_a_contact_is_erased_by_its_sender_or_an_operator(callers: Callers):
    made = callers.ada.post(
        "/v1/gifts",
        ticket_ids=[callers.ticket(callers.ada)],
        contact="dora@example.org",
    )
    path = f"{path_of(made)}/contact"
    assert callers.ben.delete(path).refusal == (403, "not_owner")
    done = callers.ada.delete(path)
    assert (done.status, done.position > made.position) == (204, True)
    assert callers.operator.delete(path).status == 204


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"contact": "dora@example.org", "via": "direct"},
        {"contact": "x"},
        {"contact": "dora@example.org", "message": "two\nlines"},
        {"contact": "dora@example.org", "message": ""},
        {"contact": "dora@example.org", "mode": "some"},
        {"contact": "dora@example.org", "claim": "c" * 43},
        {"contact": "dora@example.org", "ticket_ids": []},
    ],
)
def test_a_gift_without_sense_is_refused(callers: Callers, said):
    ticket = callers.ticket(callers.ada)
    position = callers.its.ledger.position()
    refused = callers.ada.post("/v1/gifts", **{"ticket_ids": [ticket]} | said)
    assert refused.refusal == (422, "malformed")
    assert callers.its.ledger.position() == position


def test_nobody_gives_what_another_owns(callers: Callers):
    refused = callers.ben.post(
        "/v1/gifts",
        ticket_ids=[callers.ticket(callers.ada)],
        to_party_id=str(callers.cleo.party_id),
    )
    assert refused.refusal == (403, "not_owner")
    assert refused.json["because"]
