"""Reads that answer from views: what I own, what I am told, what I have."""

import pytest

from api import positions
from tests.api.callers import Caller, Callers


def read(caller: Caller, path: str, after: int):
    answer = caller.get(path, At_Least_Position=str(after))
    assert answer.status == 200, answer.json
    return answer.json


def test_the_wallet_shows_a_ticket_as_the_ticket_itself_does(callers, views):
    ticket_id = callers.ticket(callers.ada)
    offered = callers.ada.post(
        f"/v1/tickets/{ticket_id}/gift-offers", to_party_id=str(callers.ben.party_id)
    )
    wallet = read(callers.ada, "/v1/tickets", offered.position)
    assert wallet["tickets"] == [callers.ada.get(f"/v1/tickets/{ticket_id}").json]
    assert read(callers.ben, "/v1/tickets", offered.position) == {"tickets": []}


def test_a_recipient_is_told_of_a_gift_and_the_sender_of_its_acceptance(callers, views):
    ticket_id = callers.ticket(callers.ada)
    gifts = f"/v1/tickets/{ticket_id}/gift-offers"
    made = callers.ada.post(gifts, to_party_id=str(callers.ben.party_id))
    (notice,) = read(callers.ben, "/v1/me/notices", made.position)["notices"]
    assert notice["kind"] == "gift_offered"
    assert notice["ticket_id"] == ticket_id
    moved = callers.ben.post(
        f"{gifts}/{made.json['offer_id']}/acceptance",
        terms_hash=made.json["terms_hash"],
    )
    notices = read(callers.ada, "/v1/me/notices", moved.position)["notices"]
    assert "gift_accepted" in [notice["kind"] for notice in notices]


def test_the_owners_of_a_ticket_are_told_with_their_times(callers, views, clock):
    ticket_id = callers.ticket(callers.ada)
    clock.passes(hours=1)
    listings = f"/v1/tickets/{ticket_id}/listings"
    listed = callers.ada.post(listings, price_minor=10_00)
    callers.rich(callers.ben)
    sold = callers.ben.post(f"{listings}/{listed.json['listing_id']}/purchase")
    path = f"/v1/tickets/{ticket_id}/owners"
    owners = read(callers.ben, path, sold.position)["owners"]
    assert [owner["owner_id"] for owner in owners] == [
        str(callers.ada.party_id),
        str(callers.ben.party_id),
    ]
    assert [owner["event"] for owner in owners] == ["Issued", "Resold"]
    assert owners[0]["until"] == owners[1]["since"] == "2026-11-22T13:00:00Z"
    assert owners[1]["until"] is None


def test_money_is_where_it_should_be(callers, views, installation):
    callers.ticket(callers.ada)
    after = installation.ledger.position()
    (purse,) = read(callers.ada, "/v1/me/accounts", after)["accounts"]
    assert (purse["currency"], purse["balance_minor"]) == ("EUR", 60_00)
    (revenue,) = read(callers.issuer, "/v1/me/accounts", after)["accounts"]
    assert revenue["balance_minor"] == 40_00


def test_a_view_that_does_not_come_along_is_said_to_be_behind(
    callers: Callers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(positions, "WAIT_MAX_S", 0.05)
    answer = callers.ada.get("/v1/tickets", At_Least_Position="1")
    assert answer.refusal == (503, "projection_behind")
    assert answer.json["facts"] == {"wanted": 1, "reached": 0}
    assert answer.headers["Retry-After"] == "1"
    assert callers.ada.get("/v1/tickets").json == {"tickets": []}


@pytest.mark.parametrize("wrong", ["", "-1", "x", "1.5", "9" * 19, "٣"])
def test_a_position_is_a_whole_number(callers: Callers, wrong: str):
    answer = callers.ada.get("/v1/tickets", At_Least_Position=wrong)
    assert answer.refusal == (422, "malformed")


def test_operators_and_auditors_see_how_far_the_views_are(callers, views, installation):
    views.wait_for("wallet", installation.ledger.position(), 5.0)
    for caller in (callers.operator, callers.auditor):
        told = caller.get("/v1/projections").json["projections"]
        (wallet,) = [each for each in told if each["name"] == "wallet"]
        assert (wallet["state"], wallet["lag_events"]) == ("following", 0)
