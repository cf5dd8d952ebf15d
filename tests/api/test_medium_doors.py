"""Cards as a list, a card's history, and its suspicious taps with what was shown.

Planted and caught: another's cards listed; a status that the list does not follow; a
history that begins anew at a page's end; a suspicious tap told to the card's holder.
"""

from __future__ import annotations

import pytest

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers
from tests.api.cards import personalised
from tests.api.test_cards import load, on_card
from tests.projections.following import catch_up


@pytest.fixture
def terminal(callers: Callers) -> Caller:
    return callers.device("terminal", Role.TERMINAL, by=callers.ada)


def listed(callers: Callers, who: Caller, query: str = "") -> list[tuple[str, str]]:
    catch_up(callers.its.ledger, "media")
    told = who.get(f"/v1/media{query}")
    assert told.status == 200, told.json
    return [(each["uid"], each["status"]) for each in told.json["media"]]


def test_cards_are_listed_for_their_holder_and_all_of_them_for_operators(
    callers: Callers, terminal: Caller
):
    _, card = on_card(callers, terminal)
    bens = personalised(callers, callers.ben, uid="04998877665544")
    mine, his = (card.uid.hex(), "ACTIVE"), (bens.uid.hex(), "PERSONALISED")
    assert listed(callers, callers.ada) == [mine]
    assert listed(callers, callers.ben) == [his]
    assert listed(callers, callers.ada, f"?holder_id={callers.ben.party_id}") == [mine]
    for who in (callers.operator, callers.auditor):
        assert listed(callers, who) == [his, mine]
        assert listed(callers, who, f"?holder_id={callers.ben.party_id}") == [his]
        assert listed(callers, who, "?status=ACTIVE") == [mine]
    callers.ben.post(f"/v1/media/{bens.uid.hex()}/loss")
    assert listed(callers, callers.ben) == [(bens.uid.hex(), "SUSPENDED")]
    callers.ben.delete(f"/v1/media/{bens.uid.hex()}/loss")
    assert listed(callers, callers.ben) == [his]


def test_a_cards_history_is_told_page_by_page_newest_first(
    callers: Callers, terminal: Caller
):
    _, card = on_card(callers, terminal)
    path = f"/v1/media/{card.uid.hex()}"
    callers.ada.post(f"{path}/loss")
    whole = callers.ada.get(f"{path}/history").json
    assert [each["event"] for each in whole["events"]] == [
        "Suspended",
        "Written",
        "WritePrepared",
        "Personalised",
    ]
    assert whole["events"][0]["by"] == str(callers.ada.party_id)
    assert whole["next"] is None
    first = callers.ada.get(f"{path}/history?limit=3").json
    rest = callers.ada.get(f"{path}/history?limit=3&before={first['next']}").json
    assert [*first["events"], *rest["events"]] == whole["events"]
    assert callers.auditor.get(f"{path}/history").json == whole
    assert callers.ben.get(f"{path}/history").refusal == (404, "unknown")


def test_a_suspicious_tap_is_told_with_what_was_shown_and_the_case(
    callers: Callers, terminal: Caller
):
    _, card = on_card(callers, terminal)
    old = card.reading()
    load(callers, card, terminal, callers.ticket(callers.ada))
    dispenser = callers.device("dispenser", Role.DISPENSER)
    catch_up(callers.its.ledger, "freshness", "wallet")
    tapped = dispenser.post("/v1/taps", **old)
    assert tapped.json["verdict"] == "ROLLBACK", tapped.json
    path = f"/v1/media/{card.uid.hex()}"
    assert listed(callers, callers.operator) == [(card.uid.hex(), "SUSPECT")]
    (tap,) = callers.operator.get(f"{path}/taps").json["taps"]
    assert tap["verdict"] == "ROLLBACK"
    assert old["stamp"] in str(tap["seen"])
    case = callers.operator.get(f"/v1/cases/{tap['case_id']}")
    assert (case.status, case.json["type"]) == (200, "cloned_medium")
    assert callers.ada.get(f"{path}/taps").refusal == (403, "role_missing")
    before = f"{path}/taps?before={tap['position']}"
    assert callers.auditor.get(before).json == {"taps": [], "next": None}
    nowhere = callers.operator.get("/v1/media/04000000000099/taps")
    assert nowhere.refusal == (404, "unknown")
