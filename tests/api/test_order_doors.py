"""Orders over HTTP: my own, and an issuer's of one offering, each as it stands.

Planted and caught: another's orders in one's list; the orders of an offering told to
any issuer; an order paid though it had changed since it was read.
"""

from __future__ import annotations

from typing import Any

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers, SetClock

HELD_S = 600


def orders(who: Caller, path: str, position: int, query: str = "") -> Any:
    told = who.get(f"{path}{query}", At_Least_Position=str(position))
    assert told.status == 200, told.json
    return told.json


def test_a_buyer_sees_his_own_orders_as_they_stand(
    callers: Callers, clock: SetClock, views
):
    offering_id = callers.offering(places=["A", "B", "C", "D"])
    callers.rich(callers.ada)
    paid = callers.ada.post("/v1/orders", offering_id=offering_id, place="A").json
    callers.ada.post(f"/v1/orders/{paid['order_id']}/payment", tender="e-money")
    left = callers.ada.post("/v1/orders", offering_id=offering_id, count=2).json
    given = callers.ada.post("/v1/orders", offering_id=offering_id, place="D").json
    at = callers.ada.delete(f"/v1/orders/{given['order_id']}")
    position = int(at.headers["Ledger-Position"])
    mine = orders(callers.ada, "/v1/orders", position)["orders"]
    assert [(each["state"], each["places"], each["tickets"]) for each in mine] == [
        ("RELEASED", 1, 0),
        ("HELD", 2, 0),
        ("CONFIRMED", 1, 1),
    ]
    assert [each["price_minor"] for each in mine] == [40_00, 80_00, 40_00]
    clock.passes(seconds=HELD_S)
    mine = orders(callers.ada, "/v1/orders", position)["orders"]
    assert (mine[1]["order_id"], mine[1]["state"]) == (left["order_id"], "EXPIRED")
    assert orders(callers.ben, "/v1/orders", position) == {"orders": [], "next": None}
    newest = orders(callers.ada, "/v1/orders", position, "?limit=1")
    assert newest["orders"] == mine[:1]
    query = f"?limit=2&before={newest['next']}"
    assert orders(callers.ada, "/v1/orders", position, query) == {
        "orders": mine[1:],
        "next": None,
    }


def test_an_issuer_sees_the_orders_of_an_offering_of_his(callers: Callers, views):
    offering_id, other_id = callers.offering(), callers.offering()
    made = [
        who.post("/v1/orders", offering_id=offering_id)
        for who in (callers.ada, callers.ben)
    ]
    last = callers.cleo.post("/v1/orders", offering_id=other_id)
    path = f"/v1/offerings/{offering_id}/orders"
    for who in (callers.issuer, callers.auditor, callers.operator):
        told = orders(who, path, last.position)["orders"]
        assert [each["order_id"] for each in told] == [
            each.json["order_id"] for each in reversed(made)
        ]
    assert told[0]["buyer_id"] == str(callers.ben.party_id)
    stranger = callers.person(Role.ISSUER)
    assert stranger.get(path).refusal == (404, "unknown")
    assert callers.ada.get(path).refusal == (403, "role_missing")


def test_an_order_tells_its_places_and_what_it_costs(callers: Callers):
    offering_id = callers.offering()
    order = callers.ada.post("/v1/orders", offering_id=offering_id, count=2).json
    told = callers.ada.get(f"/v1/orders/{order['order_id']}")
    assert told.json["state"] == "HELD"
    assert told.json["offering_id"] == offering_id
    assert told.json["places"] == order["places"]
    assert told.json["held_until"] == order["held_until"]
    assert (told.json["price_minor"], told.json["currency"]) == (80_00, "EUR")
    assert told.headers["ETag"] == f'"{told.json["version"]}"'


def test_an_order_that_changed_since_it_was_read_is_not_paid(callers: Callers):
    callers.rich(callers.ada)
    order = callers.ada.post("/v1/orders", offering_id=callers.offering()).json
    path = f"/v1/orders/{order['order_id']}/payment"
    stale = callers.ada.call(
        "POST", path, json={"tender": "e-money"}, headers={"If-Match": '"7"'}
    )
    assert stale.refusal == (412, "precondition_failed")
    fresh = callers.ada.call(
        "POST", path, json={"tender": "e-money"}, headers={"If-Match": '"1"'}
    )
    assert fresh.status == 201, fresh.json
