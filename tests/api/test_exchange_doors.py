"""Exchanges over HTTP: what they cost, kept for ten minutes, confirmed or given up.

Planted and caught: an exchange told to another; what is due not asked of the purse; an
exchange over its time told as open; a ticket that stays locked after its exchange was
given up.
"""

from __future__ import annotations

from typing import Any

from tests.api.callers import Callers, SetClock
from tests.api.test_refund_doors import purse

HELD_S = 600
TERMS = {"exchangeable": True}


def begin(callers: Callers, price_minor: int = 55_00, query: str = "", **more: Any):
    """Ada asks to exchange a ticket of 40.00 for one of another price."""
    ticket_id = callers.ticket(callers.ada, terms=TERMS)
    offering_id = callers.offering(price_minor=price_minor, places=["Box 1", "Box 2"])
    asked = {"ticket_ids": [ticket_id], "offering_id": offering_id} | more
    return ticket_id, callers.ada.call("POST", f"/v1/exchanges{query}", json=asked)


def test_an_exchange_for_more_is_quoted_and_paid_from_the_purse(callers: Callers):
    old, quoted = begin(callers)
    assert quoted.status == 201, quoted.json
    assert quoted.json["residual_minor"] == 40_00
    assert quoted.json["due_minor"] == 15_00
    assert [each["place"] for each in quoted.json["places"]] == ["Box 1"]
    path = f"/v1/exchanges/{quoted.json['exchange_id']}"
    now = callers.ada.get(path)
    assert (now.json["state"], now.json["ticket_ids"]) == ("HELD", [old])
    assert now.headers["ETag"] == f'"{now.json["version"]}"'
    for act in (
        callers.ben.get(path),
        callers.ben.post(f"{path}/confirmation"),
        callers.ben.delete(path),
    ):
        assert act.refusal == (404, "unknown")
    before = purse(callers.ada)
    done = callers.ada.post(f"{path}/confirmation")
    assert (done.status, done.json["paid_minor"]) == (201, 15_00), done.json
    assert purse(callers.ada) == before - 15_00
    (new,) = done.json["ticket_ids"]
    assert callers.ada.get(f"/v1/tickets/{new}").json["right"] == "Box 1"
    assert callers.ada.get(f"/v1/tickets/{old}").json["life"] == "EXCHANGED"
    told = callers.ada.get(path).json
    assert (told["state"], told["successors"]) == ("CONFIRMED", [new])
    assert told["residual_minor"] is None
    again = callers.ada.post(f"{path}/confirmation")
    assert again.refusal == (409, "already_sold")


def test_the_surplus_of_an_exchange_for_less_comes_back(callers: Callers):
    _, quoted = begin(callers, price_minor=25_00)
    assert quoted.json["due_minor"] == -15_00
    path = f"/v1/exchanges/{quoted.json['exchange_id']}/confirmation"
    before = purse(callers.ada)
    assert callers.ada.post(path).json["paid_minor"] == -15_00
    assert purse(callers.ada) == before + 15_00


def test_what_is_due_is_the_price_quoted_and_no_other_tender(callers: Callers):
    _, quoted = begin(callers)
    offering_id = callers.ada.get(f"/v1/exchanges/{quoted.json['exchange_id']}").json[
        "offering_id"
    ]
    callers.issuer.put(f"/v1/offerings/{offering_id}/price", price_minor=90_00)
    path = f"/v1/exchanges/{quoted.json['exchange_id']}/confirmation"
    card = {"tender": "card", "amount_minor": 15_00, "instrument": "tok-ok"}
    assert callers.ada.post(path, tenders=[card]).refusal == (422, "malformed")
    cheap = {"tender": "e-money", "amount_minor": 14_99}
    assert callers.ada.post(path, tenders=[cheap]).refusal == (422, "malformed")
    right = {"tender": "e-money", "amount_minor": 15_00}
    assert callers.ada.post(path, tenders=[right]).status == 201


def test_an_exchange_is_tried_dry_without_keeping_anything(callers: Callers):
    ticket_id, tried = begin(callers, query="?dry_run=true")
    assert (tried.status, tried.json["due_minor"]) == (200, 15_00)
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert told["lock"] is None
    gone = callers.ada.get(f"/v1/exchanges/{tried.json['exchange_id']}")
    assert gone.refusal == (404, "unknown")


def test_an_exchange_given_up_or_over_leaves_all_as_before(
    callers: Callers, clock: SetClock
):
    old, quoted = begin(callers)
    path = f"/v1/exchanges/{quoted.json['exchange_id']}"
    assert callers.ada.get(f"/v1/tickets/{old}").json["lock"]["kind"] == "EXCHANGE"
    assert callers.ada.delete(path).status == 204
    assert callers.ada.get(path).json["state"] == "RELEASED"
    assert callers.ada.get(f"/v1/tickets/{old}").json["lock"] is None
    _, quoted = begin(callers)
    path = f"/v1/exchanges/{quoted.json['exchange_id']}"
    clock.passes(seconds=HELD_S)
    assert callers.ada.get(path).json["state"] == "EXPIRED"
    assert callers.ada.post(f"{path}/confirmation").refusal == (409, "expired")


def test_what_the_terms_or_the_stock_forbid_is_refused(callers: Callers):
    fixed = callers.ticket(callers.ada)
    asked = {"ticket_ids": [fixed], "offering_id": callers.offering()}
    refused = callers.ada.post("/v1/exchanges", **asked)
    assert refused.status == 409
    assert refused.json["because"]
    assert callers.ben.post("/v1/exchanges", **asked).refusal == (404, "unknown")
    _, gone = begin(callers, place="Box 9")
    assert gone.refusal == (422, "unknown")
    order = callers.ada.post("/v1/orders", offering_id=callers.offering()).json
    other = callers.ada.get(f"/v1/exchanges/{order['order_id']}")
    assert other.refusal == (404, "unknown")
