"""The doors of the story's first half: bought, given, resold, changed."""

from tests.api.callers import Callers, SetClock, offering_body


def test_a_reserved_and_paid_place_makes_the_buyer_owner(callers: Callers):
    callers.rich(callers.ada)
    offering_id = callers.offering()
    order = callers.ada.post(
        "/v1/orders", offering_id=offering_id, place="Row 4 seat 13"
    )
    assert order.status == 201
    assert order.json["place"] == "Row 4 seat 13"
    assert order.json["held_until"] == "2026-11-22T12:10:00Z"
    told = callers.ada.get(f"/v1/offerings/{offering_id}").json
    assert (told["available"], told["held"], told["sold"]) == (1, 1, 0)

    paid = callers.ada.post(
        f"/v1/orders/{order.json['order_id']}/payment", tender="e-money"
    )
    assert paid.status == 201
    ticket = callers.ada.get(f"/v1/tickets/{paid.json['ticket_id']}").json
    assert ticket["owner_id"] == str(callers.ada.party_id)
    assert ticket["title"] == "Hamlet, opening night"
    assert ticket["form"]["kind"] == "electronic"
    assert (ticket["uses"]["limit"], ticket["uses"]["redeemed"]) == (1, 0)
    assert ticket["lock"] is None
    assert ticket["not_after"] == "2026-11-23T09:00:00Z"
    told = callers.issuer.get(f"/v1/offerings/{offering_id}").json
    assert (told["available"], told["held"], told["sold"]) == (1, 0, 1)


def test_a_released_reservation_frees_its_place(callers: Callers):
    offering_id = callers.offering(places=["A1"])
    order = callers.ada.post("/v1/orders", offering_id=offering_id)
    sold_out = callers.ben.post("/v1/orders", offering_id=offering_id)
    assert sold_out.refusal == (409, "sold_out")
    gone = callers.ada.delete(f"/v1/orders/{order.json['order_id']}")
    assert (gone.status, gone.json) == (204, None)
    assert callers.ben.post("/v1/orders", offering_id=offering_id).status == 201


def test_a_hold_whose_time_is_over_counts_as_available(
    callers: Callers, clock: SetClock
):
    offering_id = callers.offering(places=["A1"])
    callers.ada.post("/v1/orders", offering_id=offering_id)
    clock.passes(minutes=11)
    assert callers.ben.get(f"/v1/offerings/{offering_id}").json["available"] == 1


def test_a_gift_is_offered_seen_and_accepted(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    gifts = f"/v1/tickets/{ticket_id}/gift-offers"
    made = callers.ada.post(gifts, to_party_id=str(callers.ben.party_id))
    assert made.status == 201
    offer = f"{gifts}/{made.json['offer_id']}"
    seen = callers.ben.get(offer).json
    assert seen["state"] == "open"
    assert seen["right"] == "Row 4 seat 12"
    assert callers.cleo.get(offer).refusal == (404, "unknown")
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").json["lock"]["kind"] == "GIFT"

    moved = callers.ben.post(f"{offer}/acceptance", terms_hash=seen["terms_hash"])
    assert (moved.status, moved.json) == (200, {"epoch": 2, "exposed_until": None})
    assert callers.ada.get(offer).json["state"] == "accepted"
    assert callers.ben.get(f"/v1/tickets/{ticket_id}").status == 200
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").refusal == (404, "unknown")


def test_a_gift_can_be_declined_or_withdrawn(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    gifts = f"/v1/tickets/{ticket_id}/gift-offers"
    for caller, way, state in (
        (callers.ben, "decline", "declined"),
        (callers.ada, "withdrawal", "withdrawn"),
    ):
        made = callers.ada.post(gifts, to_party_id=str(callers.ben.party_id))
        offer = f"{gifts}/{made.json['offer_id']}"
        assert caller.call("POST", f"{offer}/{way}").status == 200
        assert callers.ben.get(offer).json["state"] == state


def test_a_listed_ticket_is_sold_on_and_the_money_is_split(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    callers.rich(callers.ben)
    listings = f"/v1/tickets/{ticket_id}/listings"
    too_dear = callers.ada.post(listings, price_minor=48_01)
    assert too_dear.refusal == (409, "cap")
    assert too_dear.json["facts"] == {"price_minor": 4801, "cap_minor": 4800}
    listed = callers.ada.post(listings, price_minor=45_00)
    assert (listed.status, listed.json["cap_minor"]) == (201, 4800)
    sold = callers.ben.post(f"{listings}/{listed.json['listing_id']}/purchase")
    assert sold.status == 201
    assert sold.json["split"] == {"seller_minor": 4050, "royalty_minor": 450}
    told = callers.ben.get(f"/v1/tickets/{ticket_id}").json
    assert told["owner_id"] == str(callers.ben.party_id)


def test_a_listing_can_be_taken_down(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    listings = f"/v1/tickets/{ticket_id}/listings"
    listed = callers.ada.post(listings, price_minor=1).json["listing_id"]
    assert callers.ada.delete(f"{listings}/{listed}").status == 204
    gone = callers.ben.post(f"{listings}/{listed}/purchase")
    assert gone.refusal == (409, "unknown")


def test_the_issuer_changes_a_ticket_and_everybody_concerned_sees_it(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    changed = callers.issuer.post(
        f"/v1/tickets/{ticket_id}/modifications", right="Row 5 seat 1", reason="stage"
    )
    assert (changed.status, changed.json) == (201, {"epoch": 2})
    told = callers.ada.get(f"/v1/tickets/{ticket_id}").json
    assert told["right"] == "Row 5 seat 1"
    events = callers.auditor.get(f"/v1/tickets/{ticket_id}/history").json["events"]
    assert [event["event"] for event in events] == ["Issued", "Modified"]
    assert events[1]["by"] == str(callers.issuer.party_id)
    assert events[1]["facts"]["reason"] == "stage"


def test_an_offering_with_a_question_needs_the_answer_at_purchase(callers: Callers):
    callers.rich(callers.ada)
    order = callers.ada.post("/v1/orders", offering_id=callers.offering(question=1))
    payment = f"/v1/orders/{order.json['order_id']}/payment"
    refused = callers.ada.post(payment, tender="e-money")
    assert refused.refusal == (409, "incomplete")
    paid = callers.ada.post(payment, tender="e-money", answer="12.03.1990")
    assert paid.status == 201
    history = callers.auditor.get(f"/v1/tickets/{paid.json['ticket_id']}/history")
    assert "1990" not in str(history.json)
    (issued,) = [each for each in history.json["events"] if each["version"] == 1]
    # That something is sealed is told, and not what stands there.
    assert issued["facts"]["check_sealed"] == "sealed"


def test_a_stadium_of_places_is_opened_in_one_call(callers: Callers):
    places = [f"Block {block} seat {n}" for block in range(20) for n in range(1000)]
    body = offering_body() | {"places": places}
    assert callers.issuer.post("/v1/offerings", **body).status == 201
