"""Machines over HTTP: listed, told, given rights; and what they did without the line.

Planted and caught: another's machine told; a keeper who gives more than he has; a
narrowed right that the list does not know; a stranger who reports in a machine's name;
a fact taken in twice; a key used up by the first of many facts; a found card that stays
on the deny list; news of the deny list left out at a page's end.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from ledger.usecases.offline import FACTS_MAX
from ledger.vocabulary.codes import Role
from ledger.vocabulary.medium_record import SlotStatus
from tests.api.callers import Caller, Callers
from tests.api.cards import Card, personalised
from tests.api.test_cards import on_card
from tests.projections.following import catch_up

NO_LIMITS = {
    "issuers": None,
    "offerings": None,
    "offline": False,
    "serial_prefix": None,
}


@pytest.fixture
def terminal(callers: Callers) -> Caller:
    return callers.device("terminal", Role.TERMINAL, by=callers.ada)


@pytest.fixture
def dispenser(callers: Callers) -> Caller:
    """One that may work without the line."""
    machine = callers.device("dispenser", Role.DISPENSER)
    given = callers.operator.put(
        f"/v1/devices/{machine.device_id}/rights", offline=True, serial_prefix="D-"
    )
    assert given.status == 200, given.json
    return machine


def listed(callers: Callers, who: Caller, path: str) -> list[str]:
    catch_up(callers.its.ledger, "devices")
    told = who.get(f"/v1/{path}")
    assert told.status == 200, told.json
    return [each["device_id"] for each in told.json["devices"]]


def test_machines_are_listed_for_their_keeper_and_all_of_them_for_operators(
    callers: Callers, terminal: Caller, dispenser: Caller
):
    till = callers.device("point_of_sale", Role.SHOP)
    mine, theirs, tills = (str(x.device_id) for x in (terminal, dispenser, till))
    assert listed(callers, callers.ada, "devices") == [mine]
    assert listed(callers, callers.ben, "devices") == []
    for who in (callers.operator, callers.auditor):
        assert listed(callers, who, "devices") == [tills, theirs, mine]
        assert listed(callers, who, "devices?kind=dispenser") == [theirs]
        assert listed(callers, who, "dispensers") == [theirs]
        assert listed(callers, who, "terminals") == [mine]
        assert listed(callers, who, "points-of-sale") == [tills]
    first = callers.operator.get("/v1/devices?limit=2").json
    rest = callers.operator.get(f"/v1/devices?limit=2&before={first['next']}").json
    assert [each["device_id"] for each in rest["devices"]] == [mine]
    assert rest["next"] is None
    assert callers.ada.get("/v1/devices?kind=toaster").refusal == (422, "malformed")


def test_a_machine_is_told_to_itself_and_its_keeper(callers: Callers, terminal: Caller):
    path = f"/v1/devices/{terminal.device_id}"
    told = callers.ada.get(path)
    assert told.json | {"enrolled_at": None, "public_key": None} == {
        "device_id": str(terminal.device_id),
        "kind": "terminal",
        "keeper_id": str(callers.ada.party_id),
        "label": "Foyer",
        "public_key": None,
        "enrolled_at": None,
        "revoked": False,
        "rights": NO_LIMITS,
        "version": 1,
    }
    assert told.headers["ETag"] == '"1"'
    assert terminal.get(path).json == callers.auditor.get(path).json == told.json
    assert callers.ben.get(path).refusal == (404, "unknown")
    assert callers.ada.delete(path).status == 204
    assert callers.ada.get(path).json["revoked"] is True
    catch_up(callers.its.ledger, "devices")
    (line,) = callers.ada.get("/v1/devices").json["devices"]
    assert line["revoked_at"] == "2026-11-22T12:00:00Z"


def test_a_keeper_gives_a_machine_less_and_an_operator_gives_it_more(
    callers: Callers, terminal: Caller
):
    path, issuer_id = f"/v1/devices/{terminal.device_id}", str(callers.issuer.party_id)
    narrowed = callers.ada.put(f"{path}/rights", issuers=[issuer_id])
    assert narrowed.json["rights"] == NO_LIMITS | {"issuers": [issuer_id]}
    for more in ({}, {"issuers": [issuer_id], "offline": True}):
        refused = callers.ada.put(f"{path}/rights", **more)
        assert refused.refusal == (403, "device_not_authorised")
    assert callers.ben.put(f"{path}/rights").refusal == (404, "unknown")
    widened = callers.operator.put(f"{path}/rights", offline=True)
    assert widened.json["rights"] == NO_LIMITS | {"offline": True}
    catch_up(callers.its.ledger, "devices")
    assert callers.ada.get("/v1/devices").json["devices"][0]["offline"] is True
    for wrong in ({"serial_prefix": "d-"}, {"issuers": ["x"]}, {"offline": "yes"}):
        assert callers.operator.put(f"{path}/rights", **wrong).refusal == (
            422,
            "malformed",
        )


def test_rights_are_changed_only_of_the_machine_that_was_read(
    callers: Callers, terminal: Caller
):
    path = f"/v1/devices/{terminal.device_id}"
    read = callers.ada.get(path).headers["ETag"]
    assert callers.operator.put(f"{path}/rights", offline=True).status == 200
    for method, where in (("PUT", f"{path}/rights"), ("DELETE", path)):
        body = {"offline": False} if method == "PUT" else None
        late = callers.ada.call(method, where, json=body, headers={"If-Match": read})
        assert late.refusal == (412, "precondition_failed")


def test_an_operator_enrols_a_till_for_the_shop_that_answers_for_it(callers: Callers):
    shop = callers.person(Role.SHOP)
    said: dict[str, Any] = {
        "kind": "point_of_sale",
        "public_key": "09" + "00" * 31,
        "label": "Till 1",
        "keeper_id": str(shop.party_id),
    }
    made = callers.operator.post("/v1/devices", **said)
    assert made.status == 201, made.json
    assert listed(callers, shop, "points-of-sale") == [made.json["device_id"]]
    mine = said | {"kind": "terminal"}
    refused = callers.ada.post("/v1/devices", **mine)
    assert refused.refusal == (403, "device_not_authorised")
    nobody = said | {"keeper_id": str(uuid4())}
    assert callers.operator.post("/v1/devices", **nobody).refusal == (404, "unknown")


# Without the line.


def printed(ticket_id: str, card: Card, *, number: int = 1, **more: Any) -> Any:
    """What a dispenser reports that has marked the card and printed."""
    return {
        "device_seq": number,
        "device_time": "2026-11-22T11:00:00Z",
        "known_position": 1,
        "ticket_id": ticket_id,
        "serial": f"D-{number:04}",
        "epoch": 2,
        "mark": {"uid": card.uid.hex(), "slot": 0, "seq": card_seq(card) + 1},
    } | more


def card_seq(card: Card) -> int:
    return 1 if card.tmc else 0


def test_what_was_printed_without_the_line_is_recorded_once(
    callers: Callers, terminal: Caller, dispenser: Caller
):
    ticket_id, card = on_card(callers, terminal)
    path = f"/v1/dispensers/{dispenser.device_id}/facts"
    fact = printed(ticket_id, card)
    told = dispenser.post(path, facts=[fact])
    assert told.status == 200, told.json
    (outcome,) = told.json["outcomes"]
    assert (outcome["device_seq"], outcome["agrees"], outcome["case_ids"]) == (
        1,
        True,
        [],
    )
    assert told.position == outcome["position"]
    ticket = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert (ticket["life"], ticket["form"]["serial"]) == ("DISPENSED", "D-0001")
    position = callers.its.ledger.position()
    again = dispenser.post(path, facts=[fact])
    assert (again.json["outcomes"][0]["agrees"], again.status) == (True, 200)
    assert callers.its.ledger.position() == position
    slot = callers.ada.get(f"/v1/media/{card.uid.hex()}").json["slots"][0]
    assert slot["status"] == SlotStatus.DISPENSED.name
    catch_up(callers.its.ledger, "devices")
    (line,) = callers.auditor.get(path).json["facts"]
    assert (line["ticket_id"], line["kind"], line["said"]["serial"]) == (
        ticket_id,
        "dispensed",
        "D-0001",
    )
    assert dispenser.get(path).json["facts"] == [line]


def test_an_upload_under_a_key_is_told_again_and_made_again_if_that_was_lost(
    callers: Callers, terminal: Caller, dispenser: Caller
):
    ticket_id, card = on_card(callers, terminal)
    path = f"/v1/dispensers/{dispenser.device_id}/facts"
    facts = [
        printed(ticket_id, card),
        printed(str(uuid4()), card, number=2),
    ]
    sent = {"json": {"facts": facts}, "headers": {"Idempotency-Key": "night-1"}}
    told, again = (dispenser.call("POST", path, **sent) for _ in range(2))
    assert told.status == 200, told.json
    assert [each["agrees"] for each in told.json["outcomes"]] == [True, False]
    assert len(told.json["outcomes"][1]["case_ids"]) == 1
    assert (again.json, again.headers["Idempotent-Replayed"]) == (told.json, "true")
    position = callers.its.ledger.position()
    with callers.its.datastore.transaction(commit=True) as cursor:
        cursor.execute("DELETE FROM stored_answers")  # The answer was lost.
    anew = dispenser.call("POST", path, **sent)
    assert anew.status == 200, anew.json
    assert [each["agrees"] for each in anew.json["outcomes"]] == [True, False]
    assert callers.its.ledger.position() == position


def test_nobody_reports_in_the_name_of_another_machine(
    callers: Callers, terminal: Caller, dispenser: Caller
):
    ticket_id, card = on_card(callers, terminal)
    path = f"/v1/dispensers/{dispenser.device_id}/facts"
    fact = printed(ticket_id, card)
    other = callers.device("dispenser", Role.DISPENSER)
    assert other.post(path, facts=[fact]).refusal == (404, "unknown")
    assert other.get(path).refusal == (404, "unknown")
    as_till = f"/v1/points-of-sale/{dispenser.device_id}/facts"
    assert callers.operator.get(as_till).refusal == (404, "unknown")
    too_many = [fact] * (FACTS_MAX + 1)
    for facts in ([], too_many, [fact | {"serial": "\n"}], [fact | {"epoch": -1}]):
        assert dispenser.post(path, facts=facts).refusal == (422, "malformed")


def test_what_a_revoked_machine_kept_is_brought_in_by_an_operator_and_looked_at(
    callers: Callers, terminal: Caller, dispenser: Caller
):
    ticket_id, card = on_card(callers, terminal)
    callers.operator.delete(f"/v1/devices/{dispenser.device_id}")
    path = f"/v1/dispensers/{dispenser.device_id}/facts"
    fact = printed(ticket_id, card)
    assert dispenser.post(path, facts=[fact]).refusal == (401, "unauthenticated")
    told = callers.operator.post(path, facts=[fact])
    (outcome,) = told.json["outcomes"]
    assert (outcome["agrees"], len(outcome["case_ids"]) > 0) == (False, True)
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").json["life"] == "OWNED"


def test_a_till_reports_the_coupons_it_took_without_the_line(
    callers: Callers, terminal: Caller
):
    till = callers.device("point_of_sale", Role.SHOP)
    rights = f"/v1/devices/{till.device_id}/rights"
    assert callers.operator.put(rights, offline=True).status == 200
    coupon, card = on_card(callers, terminal, kind="coupon")
    fact = printed(coupon, card)
    for name in ("serial", "epoch"):
        del fact[name]
    fact |= {"session_id": str(uuid4()), "receipt": "R-1", "amount": 1}
    told = till.post(f"/v1/points-of-sale/{till.device_id}/facts", facts=[fact])
    assert told.status == 200, told.json
    assert told.json["outcomes"][0]["agrees"] is True
    assert callers.ada.get(f"/v1/tickets/{coupon}").json["uses"]["redeemed"] == 1


def denied(callers: Callers, who: Caller, query: str = "") -> Any:
    catch_up(callers.its.ledger, "media")
    told = who.get(f"/v1/deny-list{query}")
    assert told.status == 200, told.json
    return told.json


def test_the_deny_list_tells_a_machine_what_is_new_about_cards_to_refuse(
    callers: Callers, dispenser: Caller
):
    uids = [f"0411223344550{n}" for n in range(3)]
    for uid in uids:
        personalised(callers, callers.ada, uid=uid)
    assert denied(callers, dispenser) == {"media": [], "position": 0, "more": False}
    callers.ada.post(f"/v1/media/{uids[0]}/loss")
    callers.ada.post(f"/v1/media/{uids[1]}/block", reason="stolen")
    whole = denied(callers, dispenser)
    assert [(each["uid"], each["denied"]) for each in whole["media"]] == [
        (uids[0], True),
        (uids[1], True),
    ]
    first = denied(callers, dispenser, "?limit=1")
    assert (first["media"], first["more"]) == (whole["media"][:1], True)
    rest = denied(callers, dispenser, f"?limit=1&after={first['position']}")
    assert (rest["media"], rest["more"]) == (whole["media"][1:], False)
    callers.ada.delete(f"/v1/media/{uids[0]}/loss")
    news = denied(callers, dispenser, f"?after={whole['position']}")
    assert [(each["uid"], each["denied"]) for each in news["media"]] == [
        (uids[0], False)
    ]
    quiet = denied(callers, dispenser, f"?after={news['position']}")
    assert quiet == {"media": [], "position": news["position"], "more": False}


@pytest.mark.parametrize("point", ["00" * 32, "01" + "00" * 31], ids=["zero", "one"])
def test_a_key_with_which_all_share_zeros_is_refused(callers, point):
    """Nothing can be sealed to a point of low order (RFC 7748, section 6.1)."""
    said = callers.operator.post(
        "/v1/devices", kind="dispenser", public_key=point, label="Foyer"
    )
    assert said.refusal == (422, "malformed")
