"""Offerings over HTTP: opened with categories, listed, changed, counted, waited for.

Planted and caught: a cancelled offering listed as on sale; every issuer's offerings
where one's are asked for; a seat that is held or sold shown as free; a page of seats
that repeats the last one; a portion of repayments that leaves a ticket out; a look at
the line that serves it; what is so now told for what was so at a moment.
"""

from __future__ import annotations

from typing import Any

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers, SetClock, offering_body

HELD_S = 600
PROMISE_S = 1_800
ON_SALE = "on_sale_at=2026-11-22T12:00:00Z"


def theatre(**changes: Any) -> dict[str, Any]:
    """Stalls with names and a balcony that is counted."""
    body = offering_body() | {
        "categories": [
            {"name": "Stalls", "price_minor": 60_00, "fees_minor": 2_00},
            {"name": "Balcony", "price_minor": 25_00},
        ],
        "blocks": [
            {"category": "Stalls", "names": ["A1", "A2", "A3"]},
            {"category": "Balcony", "count": 250},
        ],
    }
    del body["price_minor"], body["places"]
    return body | changes


def opened(callers: Callers, who: Caller | None = None, **body: Any) -> str:
    made = (who or callers.issuer).post("/v1/offerings", **(body or theatre()))
    assert made.status == 201, made.json
    return f"/v1/offerings/{made.json['offering_id']}"


def listed(who: Caller, query: str, position: int) -> list[str]:
    told = who.get(f"/v1/offerings{query}", At_Least_Position=str(position))
    assert told.status == 200, told.json
    return [line["title"] for line in told.json["offerings"]]


def reserve(who: Caller, path: str, **asked: Any):
    return who.post("/v1/orders", offering_id=path.rsplit("/", 1)[1], **asked)


# Opening and listing.


def test_an_offering_has_categories_with_prices_of_their_own(callers: Callers):
    told = callers.ada.get(opened(callers))
    assert told.headers["ETag"] == f'"{told.json["version"]}"'
    assert [each["price_minor"] for each in told.json["categories"]] == [60_00, 25_00]
    assert (told.json["available"], told.json["sold"]) == (253, 0)
    assert told.json["terms"]["refund_percent"] == 100
    assert told.json["cancelled_because"] is None


def test_an_offering_without_sense_is_refused(callers: Callers):
    for wrong in (
        theatre(price_minor=1, places=["A1"]),
        theatre(blocks=[]),
        theatre(categories=[], blocks=[]),
        theatre(blocks=[{"category": "Gods", "count": 1}]),
        theatre(terms={"royalty_percent": 60, "tax_percent": 60}),
        theatre(terms={"modifiable": ["owner_id"]}),
        theatre(presale_from="2026-12-01T00:00:00Z"),
    ):
        made = callers.issuer.post("/v1/offerings", **wrong)
        assert made.refusal == (422, "malformed"), wrong


def test_offerings_are_listed_by_issuer_and_by_when_they_are_on_sale(
    callers: Callers, views
):
    other = callers.person(Role.ISSUER)
    opened(callers)
    later = {
        "title": "Macbeth",
        "sale_from": "2026-11-25T00:00:00Z",
        "valid_until": "2026-12-23T00:00:00Z",
    }
    opened(callers, **theatre(**later))
    gone = opened(callers, other, **theatre(title="Othello"))
    ended = other.post(f"{gone}/cancellation", reason="flooded")
    at, hamlet = ended.position, "Hamlet, opening night"
    assert listed(callers.ada, "", at) == ["Othello", "Macbeth", hamlet]
    assert listed(callers.ada, f"?{ON_SALE}", at) == [hamlet]
    in_three_days = "?on_sale_at=2026-11-26T00:00:00Z"
    assert listed(callers.ada, in_three_days, at) == ["Macbeth"]
    assert listed(callers.ada, f"?issuer_id={other.party_id}", at) == ["Othello"]
    first = callers.ada.get("/v1/offerings?limit=2").json
    assert len(first["offerings"]) == 2
    rest = listed(callers.ada, f"?limit=2&before={first['next']}", at)
    assert rest == [hamlet]
    assert callers.ada.get("/v1/offerings?on_sale_at=noon").refusal[0] == 422


# Changing.


def test_a_new_price_is_for_what_is_reserved_from_now_on(callers: Callers, views):
    path = opened(callers)
    before = reserve(callers.ada, path, category="Stalls")
    seen = callers.issuer.get(path)
    said = {"category": "Stalls", "price_minor": 70_00, "fees_minor": 1_00}
    done = callers.issuer.call(
        "PUT", f"{path}/price", json=said, headers={"If-Match": seen.headers["ETag"]}
    )
    assert done.status == 200, done.json
    assert done.json["version"] == seen.json["version"] + 1
    held = callers.ada.get(f"/v1/orders/{before.json['order_id']}").json
    assert held["price_minor"] == 62_00
    after = reserve(callers.ben, path, category="Stalls").json
    assert after["price_minor"] == 71_00
    again = callers.issuer.call(
        "PUT", f"{path}/price", json=said, headers={"If-Match": seen.headers["ETag"]}
    )
    assert again.refusal == (412, "precondition_failed")
    (line,) = callers.ada.get(
        "/v1/offerings", At_Least_Position=str(done.position)
    ).json["offerings"]
    assert [each["price_minor"] for each in line["categories"]] == [70_00, 25_00]
    unknown = callers.issuer.put(f"{path}/price", category="Gods", price_minor=1)
    assert unknown.refusal == (422, "unknown")


def test_more_places_are_opened_and_sold(callers: Callers, views):
    path = opened(callers)
    more = [{"category": "Stalls", "names": ["B1", "B2"]}]
    done = callers.issuer.post(f"{path}/places", blocks=more)
    assert (done.status, done.json["capacity"]) == (201, 255), done.json
    assert reserve(callers.ada, path, place="B2").json["place"] == "B2"
    again = callers.issuer.post(f"{path}/places", blocks=more)
    assert again.refusal == (422, "malformed")
    (line,) = callers.ada.get(
        "/v1/offerings", At_Least_Position=str(done.position)
    ).json["offerings"]
    assert line["capacity"] == 255


def test_a_cancelled_offering_is_paid_back_in_portions_and_closed(callers: Callers):
    path = opened(callers)
    tickets = []
    for who in (callers.ada, callers.ben, callers.cleo):
        callers.rich(who)
        order = reserve(who, path, category="Balcony").json
        paid = who.post(f"/v1/orders/{order['order_id']}/payment", tender="e-money")
        tickets.append(paid.json["ticket_id"])
    position = callers.its.ledger.position()
    tried = callers.issuer.call(
        "POST", f"{path}/cancellation?dry_run=true", json={"reason": "flooded"}
    )
    assert (tried.status, tried.headers["Dry-Run"]) == (200, "?1")
    assert callers.its.ledger.position() == position
    done = callers.issuer.post(f"{path}/cancellation", reason="flooded")
    assert done.status == 201, done.json
    again = callers.issuer.post(f"{path}/cancellation", reason="flooded again")
    assert again.json == done.json
    assert reserve(callers.ada, path, category="Balcony").refusal == (409, "revoked")
    early = callers.operator.post(f"{path}/cancellation/closure")
    assert early.refusal == (409, "frozen")
    first = callers.issuer.post(f"{path}/cancellation/repayments", limit=2).json
    assert (first["paid_back"], first["kept"]) == (2, [])
    rest = callers.operator.post(
        f"{path}/cancellation/repayments", begin=first["next"]
    ).json
    assert (rest["paid_back"], rest["passed_over"], rest["next"]) == (1, 0, None)
    lives = {
        callers.auditor.get(f"/v1/tickets/{each}").json["life"] for each in tickets
    }
    assert lives == {"REFUNDED"}
    closed = callers.operator.post(f"{path}/cancellation/closure")
    assert (closed.status, closed.json) == (201, done.json)
    nowhere = callers.operator.post(f"/v1/offerings/{tickets[0]}/cancellation/closure")
    assert nowhere.refusal == (404, "unknown")


# What is left.


def test_stock_is_counted_by_category_and_seats_are_shown_as_they_are(
    callers: Callers, clock: SetClock
):
    path = opened(callers)
    callers.rich(callers.ada)
    order = reserve(callers.ada, path, place="A2").json
    callers.ada.post(f"/v1/orders/{order['order_id']}/payment", tender="e-money")
    reserve(callers.ben, path, place="A3")
    counted = {
        each["category"]: each
        for each in callers.cleo.get(f"{path}/stock").json["categories"]
    }
    stalls = counted["Stalls"]
    assert (stalls["free"], stalls["held"], stalls["sold"]) == (1, 1, 1)
    assert (stalls["price_minor"], stalls["fees_minor"]) == (60_00, 2_00)
    assert counted["Balcony"]["free"] == counted["Balcony"]["capacity"] == 250

    def seats() -> dict[str, str]:
        told = callers.cleo.get(f"{path}/seats?category=Stalls").json
        return {each["place"]: each["state"] for each in told["seats"]}

    assert seats() == {"A1": "free", "A2": "sold", "A3": "held"}
    clock.passes(seconds=HELD_S)
    assert seats()["A3"] == "free"
    # Who looks for places puts down what became of those that were held.
    reserve(callers.cleo, path, place="A1")
    assert seats() == {"A1": "held", "A2": "sold", "A3": "free"}


def test_seats_come_page_by_page_each_once(callers: Callers):
    path = opened(callers)
    position = callers.its.ledger.position()
    found: list[tuple[str, str]] = []
    pages = 0
    after: int | None = 0
    while after is not None:
        told = callers.ada.get(f"{path}/seats?after={after}").json
        found += [(each["category"], each["place"]) for each in told["seats"]]
        pages, after = pages + 1, told["next"]
    assert len(found) == len(set(found)) == 253
    assert found[:4] == [("Stalls", f"A{n}") for n in (1, 2, 3)] + [("Balcony", "1")]
    assert pages == 2
    assert callers.its.ledger.position() == position
    assert callers.ada.get(f"{path}/seats?category=Gods").refusal == (422, "unknown")


# The line.


def test_who_waits_is_promised_what_comes_free_and_sees_it(
    callers: Callers, clock: SetClock
):
    path = opened(callers, **(offering_body() | {"places": ["Row 4 seat 12"]}))
    order = reserve(callers.ada, path)
    joined = callers.ben.post(f"{path}/waiting")
    assert (joined.status, joined.json) == (201, {"before": 0, "promises": []})
    assert callers.cleo.post(f"{path}/waiting", count=1).json["before"] == 1
    callers.ada.delete(f"/v1/orders/{order.json['order_id']}")
    told = callers.ben.get(f"{path}/waiting").json
    (promise,) = told["promises"]
    assert (told["before"], promise["places"]) == (None, ["Row 4 seat 12"])
    assert callers.cleo.get(f"{path}/waiting").json == {"before": 0, "promises": []}
    assert reserve(callers.ada, path).refusal == (409, "sold_out")
    # His time over, a look alone gives it to nobody; leaving does.
    clock.passes(seconds=PROMISE_S)
    position = callers.its.ledger.position()
    assert callers.cleo.get(f"{path}/waiting").json["promises"] == []
    assert callers.its.ledger.position() == position
    assert reserve(callers.cleo, path).json["place"] == "Row 4 seat 12"


def test_who_leaves_the_line_is_told_so_once(callers: Callers):
    path = opened(callers, **offering_body())
    reserve(callers.ada, path, count=2)
    callers.ben.post(f"{path}/waiting", count=2)
    assert callers.ben.post(f"{path}/waiting").json["before"] == 0
    assert callers.ben.delete(f"{path}/waiting").status == 204
    assert callers.ben.delete(f"{path}/waiting").refusal == (404, "unknown")
    assert callers.ben.get(f"{path}/waiting").json["before"] is None
    greedy = callers.ben.post(f"{path}/waiting", count=5)
    assert greedy.refusal == (409, "limit")


# As of a moment.


def test_an_offering_and_its_seats_are_told_as_they_were(
    callers: Callers, clock: SetClock
):
    path = opened(callers)
    callers.rich(callers.ada)
    order = reserve(callers.ada, path, place="A2")
    noon = clock.at
    clock.passes(seconds=60)
    paid = callers.ada.post(
        f"/v1/orders/{order.json['order_id']}/payment", tender="e-money"
    )
    clock.passes(seconds=HELD_S)
    reserve(callers.cleo, path, place="A1")
    done = callers.issuer.put(f"{path}/price", category="Stalls", price_minor=1_00)

    def then(when: object) -> dict[str, str]:
        told = callers.auditor.get(f"{path}/seats?category=Stalls&as_of={when}").json
        return {each["place"]: each["state"] for each in told["seats"]}

    assert then(order.position) == {"A1": "free", "A2": "held", "A3": "free"}
    assert then(order.position - 2)["A2"] == "free"
    assert then(noon.isoformat().replace("+00:00", "Z"))["A2"] == "held"
    assert then(paid.position) == {"A1": "free", "A2": "sold", "A3": "free"}
    assert then(done.position) == {"A1": "held", "A2": "sold", "A3": "free"}
    before = callers.ada.get(f"{path}?as_of={paid.position}").json
    assert before["categories"][0]["price_minor"] == 60_00
    assert "available" not in before
    after = callers.ada.get(f"{path}?as_of={done.position}").json
    assert (after["categories"][0]["price_minor"], after["version"]) == (1_00, 2)
    assert callers.ada.get(f"{path}?as_of=1").refusal == (404, "unknown")
    assert callers.ada.get(f"{path}?as_of=then").refusal == (422, "malformed")
    mine = f"/v1/orders/{order.json['order_id']}"
    assert callers.ada.get(f"{mine}?as_of={order.position}").json["state"] == "HELD"
    assert callers.ben.get(f"{mine}?as_of={order.position}").status == 404
