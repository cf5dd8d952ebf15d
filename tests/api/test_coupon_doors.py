"""Coupons over HTTP: handed out, their uses listed, taken back, and settled.

Planted and caught: coupons handed out in the name of another issuer; another shop's
uses told to a shop; what may still be taken back settled; a till of another shop that
takes a use back; an issuer who is shown all totals.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ledger.usecases.coupons import REVERSAL_S
from ledger.vocabulary.codes import Role
from tests.api.callers import NOON, Caller, Callers, SetClock
from tests.api.test_cards import on_card

USES = {"uses_limit": 3, "valid_until": "2027-06-01T00:00:00Z"}


@pytest.fixture
def terminal(callers: Callers) -> Caller:
    return callers.device("terminal", Role.TERMINAL, by=callers.ada)


@pytest.fixture
def shop(callers: Callers) -> Caller:
    return callers.device("point_of_sale", Role.SHOP)


def use(shop: Caller, ticket_id: str, card: Any, receipt: str = "R-1") -> str:
    """Redeem one use of a coupon on a card; return the session."""
    redemptions = f"/v1/tickets/{ticket_id}/redemptions"
    session = shop.post(
        redemptions,
        reading=card.reading(),
        slot=0,
        epoch=2,
        receipt=receipt,
        purchase={"amount_minor": 350, "currency": "EUR"},
    )
    assert session.status == 201, session.json
    path = f"{redemptions}/{session.json['session_id']}"
    used = shop.put(path, **card.commit(session.json["write"]))
    assert used.status == 200, used.json
    return str(session.json["session_id"])


def coupons_for(callers: Callers, **named: Any) -> Any:
    offering = callers.offering(kind="coupon", places=["One coffee", "Another"])
    return callers.issuer.post("/v1/coupons", offering_id=offering, **named)


def parties(*people: Caller) -> list[str]:
    return [str(who.party_id) for who in people]


def total(who: Caller, since: Any, until: Any) -> Any:
    moments = [each.isoformat().replace("+00:00", "Z") for each in (since, until)]
    query = "?since={}&until={}".format(*moments)
    return who.get(f"/v1/coupon-settlements{query}")


def test_coupons_go_to_parties_all_or_none(callers: Callers):
    done = coupons_for(callers, party_ids=parties(callers.ada, callers.ben))
    assert (done.status, done.position > 0) == (201, True)
    first, second = done.json["coupons"]
    assert [first["party_id"], second["party_id"]] == parties(callers.ada, callers.ben)
    assert {first["right"], second["right"]} == {"One coffee", "Another"}
    told = callers.ben.get(f"/v1/tickets/{second['coupon_id']}").json
    assert (told["kind"], told["owner_id"]) == ("coupon", str(callers.ben.party_id))
    position = callers.its.ledger.position()
    three = parties(callers.ada, callers.ben, callers.cleo)
    offering = told["offering_id"]
    sold_out = callers.issuer.post("/v1/coupons", offering_id=offering, party_ids=three)
    assert sold_out.refusal == (409, "sold_out")
    assert callers.its.ledger.position() == position


def test_coupons_come_with_tickets_to_who_holds_them(callers: Callers):
    ticket = callers.ticket(callers.ada)
    done = coupons_for(callers, ticket_ids=[ticket])
    (coupon,) = done.json["coupons"]
    assert (coupon["party_id"], coupon["for_ticket_id"]) == (
        str(callers.ada.party_id),
        ticket,
    )
    granted = f"/v1/grants/{coupon['grant_id']}"
    assert callers.ada.get(granted).json["ticket_ids"] == [coupon["coupon_id"]]
    assert callers.ben.get(granted).refusal == (404, "unknown")


def test_a_coupon_that_is_tried_dry_is_nobodys(callers: Callers):
    offering = callers.offering(kind="coupon")
    position = callers.its.ledger.position()
    tried = callers.issuer.call(
        "POST",
        "/v1/coupons?dry_run=true",
        json={"offering_id": offering, "party_ids": parties(callers.ada)},
    )
    assert (tried.status, len(tried.json["coupons"])) == (200, 1)
    assert callers.its.ledger.position() == position


def test_only_the_issuer_hands_out_and_only_coupons(callers: Callers):
    ada, other = parties(callers.ada), callers.person(Role.ISSUER)
    admission, coupon = callers.offering(), callers.offering(kind="coupon")
    his = other.post("/v1/coupons", offering_id=coupon, party_ids=ada)
    assert his.refusal == (403, "not_owner")
    assert his.json["because"] == [f"{coupon}/1"]
    ticket = callers.ticket(callers.ada)
    offering = other.post("/v1/offerings", **_coupons_of_his())
    foreign = other.post(
        "/v1/coupons", offering_id=offering.json["offering_id"], ticket_ids=[ticket]
    )
    assert foreign.refusal == (403, "not_owner")
    for said in (
        {"offering_id": admission, "party_ids": ada},
        {"offering_id": coupon},
        {"offering_id": coupon, "party_ids": ada * 2},
        {"offering_id": coupon, "party_ids": ["ada"]},
    ):
        refused = callers.issuer.post("/v1/coupons", **said)
        assert refused.refusal == (422, "malformed")


def _coupons_of_his() -> dict[str, Any]:
    return {
        "title": "A coffee",
        "kind": "coupon",
        "currency": "EUR",
        "price_minor": 350,
        "places": ["One coffee"],
        "sale_from": "2026-11-01T00:00:00Z",
        "sale_until": "2026-11-30T00:00:00Z",
        "valid_from": "2026-11-22T10:00:00Z",
        "valid_until": "2026-11-23T10:00:00Z",
        "purchase_limit": 4,
    }


def test_a_use_is_taken_back_by_its_shop_alone(callers, terminal, shop):
    ticket_id, card = on_card(callers, terminal, kind="coupon", **USES)
    session = use(shop, ticket_id, card)
    path = f"/v1/tickets/{ticket_id}/redemptions/{session}/reversal"
    other = callers.device("point_of_sale", Role.SHOP, by=callers.operator)
    assert other.post(path, reason="mine").status == 201  # A till of the same keeper.
    again = shop.post(path, reason="returned")
    assert again.refusal[0] == 409
    assert again.json["because"]
    assert shop.post(path, amount=0, reason="x").refusal == (422, "malformed")
    assert callers.ada.post(path, reason="mine").refusal == (403, "role_missing")


def test_the_uses_of_a_coupon_are_listed_for_owner_issuer_and_shop(
    callers, terminal, shop, views
):
    ticket_id, card = on_card(callers, terminal, kind="coupon", **USES)
    session = use(shop, ticket_id, card)
    uses = f"/v1/tickets/{ticket_id}/redemptions"
    back = shop.post(f"{uses}/{session}/reversal", reason="returned")
    assert (back.status, back.json["uses_left"]) == (201, 3)

    def told(who):
        said = who.get(uses, At_Least_Position=str(back.position))
        assert said.status == 200, said.json
        return said.json["redemptions"]

    for who in (callers.ada, callers.issuer, callers.auditor, shop):
        (line,) = told(who)
        assert (line["session_id"], line["receipt"]) == (session, "R-1")
        assert (line["amount"], line["reversed"], line["unit"]) == (1, 1, "uses")
    other = callers.person(Role.SHOP)
    assert told(other) == []
    assert callers.ben.get(uses).refusal == (404, "unknown")


def test_what_is_final_is_settled_by_till_for_both_sides(
    callers, terminal, shop, views, clock: SetClock
):
    ticket_id, card = on_card(callers, terminal, kind="coupon", **USES)
    use(shop, ticket_id, card)
    begin, final = NOON, NOON + timedelta(seconds=REVERSAL_S)
    assert total(callers.issuer, begin, final).refusal == (422, "malformed")
    clock.at = final + timedelta(days=1)
    issuer = callers.caller(Role.ISSUER, party_id=callers.issuer.party_id)
    till = callers.caller(Role.SHOP, device_id=shop.device_id)
    keeper = callers.caller(Role.SHOP, party_id=callers.operator.party_id)
    auditor = callers.caller(Role.AUDITOR, party_id=callers.auditor.party_id)
    stranger = callers.person(Role.ISSUER)
    views.wait_for("redemptions", callers.its.ledger.position(), 5)
    for who in (issuer, till, keeper, auditor):
        told = total(who, begin, final).json
        (line,) = told["totals"]
        assert (line["redemptions"], line["amount"], line["unit"]) == (1, 1, "uses")
        assert line["device_id"] == str(shop.device_id)
        assert told["position"] == callers.its.ledger.position()
    assert total(stranger, begin, final).json["totals"] == []
    early = final - timedelta(seconds=1)
    assert total(issuer, begin, early).json["totals"] == []
    assert total(issuer, final, begin).refusal == (422, "malformed")
    assert issuer.get("/v1/coupon-settlements").refusal == (422, "malformed")
