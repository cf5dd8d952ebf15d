"""Disputes over HTTP: from a complaint to its end, and who may see what of them.

Planted and caught: another party's case shown; evidence of another case read by its id;
a page that repeats its last row; a list that shows everybody's cases; a plan executed
that was not shown.
"""

import base64
import hashlib

import pytest

from ledger.vocabulary.codes import Role

PICTURE = b"\x89PNG\r\n" + bytes(range(256)) * 400


@pytest.fixture
def ticket_id(callers):
    """Ada gave it to Ben, by mistake as she says."""
    ticket_id = callers.ticket(callers.ada)
    offers = f"/v1/tickets/{ticket_id}/gift-offers"
    offered = callers.ada.post(offers, to_party_id=str(callers.ben.party_id))
    accepted = callers.ben.post(
        f"{offers}/{offered.json['offer_id']}/acceptance",
        terms_hash=offered.json["terms_hash"],
    )
    assert accepted.status == 200
    return ticket_id


def complain(callers, ticket_id, by=None, case_type="wrong_recipient"):
    opened = (by or callers.ada).post(
        "/v1/cases", case_type=case_type, ticket_ids=[ticket_id]
    )
    assert opened.status == 201, opened.json
    return f"/v1/cases/{opened.json['case_id']}"


def test_a_gift_that_went_astray_goes_back(callers, ticket_id):
    case = complain(callers, ticket_id)
    assert callers.ben.post(
        f"/v1/tickets/{ticket_id}/listings", price_minor=40_00
    ).refusal == (409, "frozen")
    assert callers.operator.post(f"{case}/review").json == {"state": "REVIEW"}
    decision = {
        "kind": "REVERSE_TO",
        "events": [f"{ticket_id}/1"],
        "grounds": "The address was Ada's own second one.",
    }
    decided = callers.operator.post(f"{case}/decision", **decision)
    assert (decided.status, decided.json) == (200, {"state": "DECIDED"})
    plan = callers.operator.get(f"{case}/plan")
    assert plan.status == 200, plan.json
    assert [step["kind"] for step in plan.json["steps"]] == ["reassign"]
    assert "Ada's own" not in str(plan.json)
    other = callers.operator.post(f"{case}/execution", plan_hash="0" * 64)
    assert other.status == 409
    done = callers.operator.post(f"{case}/execution", plan_hash=plan.json["plan_hash"])
    assert (done.status, done.json) == (200, plan.json)
    assert callers.operator.post(f"{case}/closure").json == {"state": "CLOSED"}
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert told["owner_id"] == str(callers.ada.party_id)
    assert callers.ada.get(case).json["plan_hash"] == plan.json["plan_hash"]


def test_evidence_is_kept_sealed_and_its_hash_recorded(callers, ticket_id):
    case = complain(callers, ticket_id)
    given = callers.ben.post(
        f"{case}/evidence",
        description="Her mail, with my name in it",
        content=base64.b64encode(PICTURE).decode(),
        media_type="image/png",
    )
    assert given.status == 201, given.json
    assert given.json["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    (told,) = callers.ada.get(case).json["evidence"]
    assert told["description"] == "Her mail, with my name in it"
    assert told["size"] == len(PICTURE)
    address = f"{case}/evidence/{given.json['evidence_id']}"
    answer = callers.client.get(
        address, headers={"Authorization": f"Bearer {callers.operator.token}"}
    )
    assert answer.data == PICTURE
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with callers.its.datastore.get_connection() as connection:
        (row,) = connection.execute("SELECT sealed FROM case_evidence").fetchall()
    assert base64.b64encode(PICTURE[:30]).decode() not in row["sealed"]

    callers.its.personal.destroy(callers.ben.party_id)
    assert callers.operator.get(address).refusal == (404, "unknown")
    (left,) = callers.ada.get(case).json["evidence"]
    assert (left["description"], left["sha256"]) == (None, given.json["sha256"])


def test_a_case_is_nobody_elses_to_know_of(callers, ticket_id):
    case = complain(callers, ticket_id)
    evidence = callers.ada.post(
        f"{case}/evidence", description="x", content="AAAA", media_type="text/plain"
    ).json["evidence_id"]
    stranger = callers.cleo
    assert stranger.get(case).refusal == (404, "unknown")
    assert stranger.get(f"{case}/evidence/{evidence}").refusal == (404, "unknown")
    for command, body in {
        "evidence": {"description": "x", "content": "AAAA", "media_type": "a/b"},
        "appeal": {"reason": "x"},
        "withdrawal": {"reason": "x"},
    }.items():
        assert stranger.post(f"{case}/{command}", **body).refusal == (404, "unknown")
    # Evidence is read through its own case alone.
    other = complain(callers, callers.ticket(callers.cleo), by=callers.cleo)
    assert callers.cleo.get(f"{other}/evidence/{evidence}").refusal == (404, "unknown")


def test_only_operators_judge(callers, ticket_id):
    case = complain(callers, ticket_id)
    for who in (callers.ada, callers.issuer, callers.auditor):
        assert who.post(f"{case}/review").refusal == (403, "role_missing")
        assert who.post(f"{case}/closure").refusal == (403, "role_missing")
    assert callers.ada.get(f"{case}/plan").refusal == (403, "role_missing")
    assert callers.auditor.get(f"{case}/plan").refusal == (409, "case_state")


def test_the_opener_withdraws_and_the_ticket_is_free(callers, ticket_id):
    case = complain(callers, ticket_id)
    withdrawn = callers.ada.post(f"{case}/withdrawal", reason="found it")
    assert withdrawn.json == {"state": "WITHDRAWN"}
    assert (
        callers.ben.post(f"/v1/tickets/{ticket_id}/listings", price_minor=40_00).status
        == 201
    )


def test_a_party_appeals_to_another_operator(callers, ticket_id):
    case = complain(callers, ticket_id)
    second = callers.person(Role.OPERATOR)
    callers.operator.post(f"{case}/review")
    callers.operator.post(f"{case}/decision", kind="UPHOLD", grounds="It was hers.")
    appealed = callers.ada.post(f"{case}/appeal", reason="It was not.")
    assert appealed.json == {"state": "APPEALED"}
    assert callers.operator.post(f"{case}/review").refusal == (403, "same_operator")
    assert second.post(f"{case}/review").json == {"state": "REVIEW"}


def test_one_case_goes_on_with_another(callers, ticket_id):
    first = complain(callers, ticket_id)
    second = complain(callers, ticket_id, by=callers.ben, case_type="not_received")
    merged = callers.operator.post(
        f"{second}/merger", into_case_id=first.rsplit("/", maxsplit=1)[1]
    )
    assert merged.json == {"state": "MERGED"}
    assert callers.operator.get(second).json["merged_into"] in first


def test_papers_found_unused_are_noted(callers, ticket_id):
    case = complain(callers, ticket_id)
    noted = callers.operator.post(f"{case}/unused-papers", serials=["S-1"])
    assert (noted.status, noted.json) == (201, {"state": "OPENED"})
    assert "S-1" in str(callers.operator.get(case).json["facts"])


def test_what_was_read_is_what_is_judged(callers, ticket_id):
    case = complain(callers, ticket_id)
    tag = callers.operator.get(case).headers["ETag"]
    callers.ada.post(
        f"{case}/evidence", description="x", content="AAAA", media_type="a/b"
    )
    refused = callers.operator.call("POST", f"{case}/review", headers={"If-Match": tag})
    assert refused.refusal == (412, "precondition_failed")


@pytest.mark.usefixtures("views")
def test_operators_see_what_there_is_to_do_page_by_page(callers):
    tickets = [callers.ticket(callers.ada) for _ in range(5)]
    cases = [complain(callers, ticket_id) for ticket_id in tickets]
    position = str(callers.its.ledger.position())

    def listed(who, query=""):
        told = who.get(f"/v1/cases{query}", At_Least_Position=position)
        assert told.status == 200, told.json
        return told.json

    newest = [each.rsplit("/", maxsplit=1)[1] for each in reversed(cases)]
    shown, before = [], ""
    while True:
        part = listed(callers.operator, f"?limit=2{before}")
        shown += [each["case_id"] for each in part["cases"]]
        if part["next"] is None:
            break
        before = f"&before={part['next']}"
    assert shown == newest
    assert [each["case_id"] for each in listed(callers.ada)["cases"]] == newest
    assert listed(callers.ben)["cases"] == []
    assert listed(callers.operator, "?state=REVIEW")["cases"] == []
    (one,) = listed(callers.auditor, f"?ticket_id={tickets[2]}")["cases"]
    assert one["ticket_ids"] == [tickets[2]]
    callers.operator.post(f"{cases[0]}/review")
    position = str(callers.its.ledger.position())
    (reviewed,) = listed(callers.operator, "?state=REVIEW")["cases"]
    assert reviewed["reviewer"] == str(callers.operator.party_id)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=5_0", "before=-1", "state=NONE", "more=1"]
)
def test_a_page_that_makes_no_sense_is_refused(callers, query):
    assert callers.operator.get(f"/v1/cases?{query}").refusal == (422, "malformed")
