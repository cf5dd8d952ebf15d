"""Papers over HTTP: listed, shown at the door, taken back, replaced when spoilt.

Planted and caught: a wrong code told apart from an unknown serial; a paper taken back
without its code; another machine that replaces a paper; a stranger who lists papers.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers
from tests.api.test_cards import on_card

SERIAL = "D1-000001"


@pytest.fixture
def dispenser(callers: Callers) -> Caller:
    return callers.device("dispenser", Role.DISPENSER)


@pytest.fixture
def printed(callers: Callers, dispenser: Caller) -> Any:
    """A ticket of Ada's on paper: its id, and what the paper says."""
    terminal = callers.device("terminal", Role.TERMINAL, by=callers.ada)
    ticket_id, card = on_card(callers, terminal)
    dispenses = f"/v1/tickets/{ticket_id}/dispenses"
    lease = dispenser.post(
        dispenses, reading=card.reading(), slot=0, epoch=2, answered=True
    ).json
    job = f"{dispenses}/{lease['job_id']}"
    mark = dispenser.put(f"{job}/mark", **card.commit(lease["write"]), serial=SERIAL)
    assert dispenser.put(f"{job}/printed", serial=SERIAL).status == 200
    return ticket_id, shown(mark.json["print"])


def shown(paper: dict[str, str]) -> dict[str, str]:
    return {name: paper[name] for name in ("serial", "code")}


def states(who: Caller, ticket_id: str) -> list[tuple[str, str, str | None]]:
    told = who.get(f"/v1/tickets/{ticket_id}/papers")
    assert told.status == 200, told.json
    papers = told.json["papers"]
    return [(each["serial"], each["state"], each["code"]) for each in papers]


def test_a_paper_is_checked_at_the_door(callers: Callers, dispenser, printed):
    ticket_id, paper = printed
    position = callers.its.ledger.position()
    for who in (dispenser, callers.issuer, callers.operator):
        told = who.post("/v1/papers/checks", **paper)
        assert (told.status, told.json["state"]) == (200, "valid")
        assert (told.json["ticket_id"], told.json["code"]) == (ticket_id, None)
    wrong = dispenser.post("/v1/papers/checks", **paper | {"code": "ETL1:x"})
    unknown = dispenser.post("/v1/papers/checks", **paper | {"serial": "D9-1"})
    assert wrong.json == unknown.json
    assert (wrong.json["state"], wrong.json["title"]) == ("unknown", "")
    assert callers.ada.post("/v1/papers/checks", **paper).status == 403
    assert dispenser.post("/v1/papers/checks", serial=SERIAL).refusal[0] == 422
    assert callers.its.ledger.position() == position


def test_a_paper_that_is_taken_back_is_dead_and_the_right_electronic(
    callers: Callers, dispenser, printed
):
    ticket_id, paper = printed
    assert states(callers.ada, ticket_id) == [(SERIAL, "valid", None)]
    wrong = dispenser.post("/v1/papers/surrenders", **paper | {"code": "ETL1:x"})
    assert wrong.refusal == (409, "counterfeit")
    assert wrong.json["because"]
    taken = callers.operator.post("/v1/papers/surrenders", **paper)
    assert (taken.status, taken.position > 0) == (201, True)
    for who in (callers.ada, callers.issuer, callers.auditor):
        assert states(who, ticket_id) == [(SERIAL, "dead", "already_dispensed")]
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert (told["life"], told["form"]["kind"]) == ("OWNED", "electronic")
    assert dispenser.post("/v1/papers/surrenders", **paper).status == 409
    nobodys = dispenser.post("/v1/papers/surrenders", **paper | {"serial": "D9-1"})
    assert nobodys.refusal == (404, "unknown")
    assert callers.ben.get(f"/v1/tickets/{ticket_id}/papers").refusal == (
        404,
        "unknown",
    )


def test_a_spoilt_paper_is_replaced_by_its_machine_once(
    callers: Callers, dispenser, printed
):
    ticket_id, paper = printed
    path = f"/v1/papers/replacements/{uuid4()}"
    said = {"serial": SERIAL, "new_serial": "D1-000002", "reason": "it jammed"}
    other = callers.device("dispenser", Role.DISPENSER)
    assert other.put(path, **said).refusal == (409, "already_dispensed")
    done = [dispenser.put(path, **said) for _ in "12"]
    assert [each.status for each in done] == [200, 200], done[0].json
    assert done[0].json == done[1].json
    assert states(callers.ada, ticket_id) == [
        (SERIAL, "dead", "already_dispensed"),
        ("D1-000002", "valid", None),
    ]
    assert dispenser.post("/v1/papers/checks", **paper).json["state"] == "dead"
    new = shown(done[0].json["print"])
    assert dispenser.post("/v1/papers/checks", **new).json["state"] == "valid"
    assert callers.operator.put(path, **said).refusal == (403, "role_missing")
    for wrong in ({"reason": ""}, {"new_serial": "x" * 33}, {"code": "x"}):
        assert dispenser.put(path, **said | wrong).refusal == (422, "malformed")
