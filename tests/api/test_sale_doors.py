"""Selling on over HTTP: the market, buying with several tenders, and who is paid.

Planted and caught: a card's sale tried dry that keeps the ticket; a stranger who gives
a sale up once its time is over; a seller told in the market; the market of everybody
shown where one's own is asked; a sale told to a third; a payout listed for its buyer.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from ledger.aggregates.e_ticket import Terms
from ledger.application import Cause
from ledger.clock import new_id
from ledger.ports import ProviderUnreachable
from ledger.usecases import catalogue
from ledger.usecases.sale_payments import FENCE_S
from ledger.vocabulary.money import Money
from tests.api.callers import NOON, Caller, Callers, Said, SetClock

PRICE = 40_00
START = NOON + timedelta(hours=8)


def listed(callers: Callers, *, to: Caller | None = None) -> Any:
    """Ada lists a ticket; return how it is bought, and the answer to it."""
    return listing_of(callers, callers.ticket(callers.ada), to)


def listing_of(callers: Callers, ticket_id: str, to: Caller | None = None) -> Any:
    made = callers.ada.post(
        f"/v1/tickets/{ticket_id}/listings",
        price_minor=PRICE,
        to_party_id=str(to.party_id) if to else None,
    )
    assert made.status == 201, made.json
    wanted = {"ticket_id": ticket_id, "listing_id": made.json["listing_id"]}
    return wanted, made


def where(wanted: dict[str, str]) -> str:
    return f"/v1/tickets/{wanted['ticket_id']}/listings/{wanted['listing_id']}"


def card(amount_minor: int = PRICE, token: str = "tok-ok") -> dict[str, Any]:
    return {"tender": "card", "amount_minor": amount_minor, "instrument": token}


def buy(who: Caller, *wanted: dict[str, str], **more: Any) -> Said:
    return who.post("/v1/sales", listings=list(wanted), **more)


def owner(callers: Callers, wanted: dict[str, str]) -> str:
    ticket = callers.auditor.get(f"/v1/tickets/{wanted['ticket_id']}")
    return str(ticket.json["owner_id"])


def offered(who: Caller, query: str, position: int) -> list[str]:
    told = who.get(f"/v1/listings{query}", At_Least_Position=str(position))
    assert told.status == 200, told.json
    return [line["listing_id"] for line in told.json["listings"]]


@contextmanager
def away(callers: Callers):
    """The provider does not answer in here."""

    def unreachable(**_: Any) -> None:
        raise ProviderUnreachable

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers.its.provider, "authorise", unreachable)
        patch.setattr(callers.its.provider, "look_up", unreachable)
        yield


# The market.


def test_the_market_shows_what_one_could_buy(callers: Callers, views):
    everybodys, _ = listed(callers)
    bens, made = listed(callers, to=callers.ben)
    ids = [bens["listing_id"], everybodys["listing_id"]]
    at = made.position
    assert offered(callers.ben, "", at) == ids
    assert offered(callers.ben, "?of=named", at) == ids[:1]
    assert offered(callers.cleo, "", at) == ids[1:]
    assert offered(callers.ada, "", at) == []
    assert offered(callers.ada, "?of=mine", at) == ids
    assert offered(callers.ben, "?of=mine", at) == []
    offering = callers.auditor.get(f"/v1/tickets/{bens['ticket_id']}").json
    found = offered(callers.ben, f"?offering_id={offering['offering_id']}", at)
    assert found == ids[:1]
    (line,) = callers.cleo.get("/v1/listings").json["listings"]
    assert (line["price_minor"], line["right"], line["state"]) == (
        PRICE,
        "Row 4 seat 12",
        "ACTIVE",
    )
    assert str(callers.ada.party_id) not in str(line)
    assert callers.cleo.get("/v1/listings?of=ada").refusal == (422, "malformed")


def test_a_listing_is_repriced_under_its_cap_and_read_by_who_may_buy_it(
    callers: Callers,
):
    wanted, _ = listed(callers, to=callers.ben)
    price = f"{where(wanted)}/price"
    asked = callers.ada.put(price, price_minor=35_00)
    assert (asked.status, asked.json["cap_minor"]) == (200, 48_00)
    assert callers.ada.put(price, price_minor=48_01).refusal == (409, "cap")
    assert callers.ben.put(price, price_minor=1).refusal == (403, "not_owner")
    assert callers.ada.put(price, price_minor=-1).refusal == (422, "malformed")
    seen = callers.ben.get(where(wanted))
    assert (seen.json["price_minor"], seen.json["state"]) == (35_00, "ACTIVE")
    assert callers.cleo.get(where(wanted)).refusal == (404, "unknown")
    # What he saw is what he buys, or nothing.
    callers.ada.put(price, price_minor=36_00)
    callers.rich(callers.ben)
    late = callers.ben.call(
        "POST",
        f"{where(wanted)}/purchase",
        json={},
        headers={"If-Match": seen.headers["ETag"]},
    )
    assert late.refusal == (412, "precondition_failed")


# Buying.


def test_a_purse_and_a_card_buy_several_tickets_together(callers: Callers):
    (first, _), (second, _) = listed(callers), listed(callers)
    callers.rich(callers.cleo, 10_00)
    purse = {"tender": "e-money", "amount_minor": 10_00}
    sale = buy(callers.cleo, first, second, tenders=[purse, card(70_00)])
    assert (sale.status, sale.json["state"]) == (201, "PAID_OUT"), sale.json
    assert sum(sale.json["split"].values()) == 80_00
    assert sale.json["split"]["royalty_minor"] == 8_00
    assert {owner(callers, each) for each in (first, second)} == {
        str(callers.cleo.party_id)
    }
    told = callers.cleo.get(f"/v1/sales/{sale.json['sale_id']}")
    assert (told.json["price_minor"], len(told.json["lines"])) == (80_00, 2)
    assert told.headers["ETag"] == f'"{told.json["version"]}"'
    path = f"/v1/sales/{sale.json['sale_id']}"
    assert callers.ada.get(path).json == told.json
    assert callers.auditor.get(path).json == told.json
    assert callers.ben.get(path).refusal == (404, "unknown")


def test_without_tenders_the_purse_pays_or_says_that_it_cannot(callers: Callers):
    wanted, _ = listed(callers)
    refused = buy(callers.cleo, wanted)
    assert refused.refusal == (409, "insufficient_funds")
    assert owner(callers, wanted) == str(callers.ada.party_id)
    callers.rich(callers.cleo)
    assert buy(callers.cleo, wanted).status == 201
    again = buy(callers.cleo, wanted)
    assert again.status in {403, 409}
    assert again.json["because"] is not None


@pytest.mark.parametrize("tenders", [[], [card()]], ids=["purse", "card"])
def test_a_purchase_is_tried_dry_without_keeping_anything(callers: Callers, tenders):
    wanted, _ = listed(callers)
    callers.rich(callers.cleo)
    position = callers.its.ledger.position()
    tried = callers.cleo.call(
        "POST",
        "/v1/sales?dry_run=true",
        json={"listings": [wanted], "tenders": tenders},
    )
    assert (tried.status, tried.headers["Dry-Run"]) == (200, "?1"), tried.json
    assert sum(tried.json["split"].values()) == PRICE
    assert callers.its.ledger.position() == position
    assert callers.ben.get(where(wanted)).json["state"] == "ACTIVE"


def test_a_card_that_is_declined_ends_the_sale_and_the_listing_stands(
    callers: Callers,
):
    wanted, _ = listed(callers)
    declined = buy(callers.cleo, wanted, tenders=[card(token="tok-declines")])
    assert (declined.status, declined.json["state"]) == (201, "ABORTED")
    assert callers.ben.get(where(wanted)).json["state"] == "ACTIVE"


def test_while_a_card_does_not_answer_the_sale_waits_and_is_asked_again(
    callers: Callers, views
):
    wanted, _ = listed(callers)
    with away(callers):
        sale = buy(callers.cleo, wanted, tenders=[card()])
        assert sale.json["state"] == "INITIATED"
        path = f"/v1/sales/{sale.json['sale_id']}"
        assert callers.ada.get(where(wanted)).json["state"] == "MATCHED"
        assert offered(callers.ben, "", sale.position) == []
        assert buy(callers.ben, wanted, tenders=[card()]).refusal == (
            409,
            "sold_pending",
        )
    assert callers.ben.post(f"{path}/check").refusal == (404, "unknown")
    checked = callers.cleo.post(f"{path}/check")
    assert (checked.status, checked.json["state"]) == (200, "PAID_OUT")
    assert owner(callers, wanted) == str(callers.cleo.party_id)


def test_a_sale_that_waits_is_its_buyers_to_give_up(callers: Callers, clock: SetClock):
    wanted, _ = listed(callers)
    with away(callers):
        sale = buy(callers.cleo, wanted, tenders=[card()])
        path = f"/v1/sales/{sale.json['sale_id']}"
        for who in (callers.ada, callers.ben, callers.operator):
            assert who.delete(path).refusal == (403, "not_owner")
        clock.passes(seconds=FENCE_S)
        for who in (callers.ada, callers.ben):
            assert who.delete(path).refusal == (403, "not_owner")
        assert callers.operator.delete(path).status == 204
    assert callers.cleo.get(path).json["state"] == "ABORTED"
    assert callers.cleo.delete(path).refusal == (409, "already_sold")
    assert callers.ben.get(where(wanted)).json["state"] == "ACTIVE"


# The money.


def paid_after_its_start(callers: Callers) -> str:
    """Let Ada buy a ticket whose sale is paid out once it is valid."""
    its, offering_id, issuer_id = callers.its, new_id(), callers.issuer.party_id
    assert issuer_id is not None
    said: dict[str, Any] = {"at": NOON, "cause": Cause(actor="test")}
    catalogue.open_offering(
        its.ledger,
        offering_id=offering_id,
        issuer_id=issuer_id,
        title="The Tempest",
        kind="admission",
        price=Money(PRICE, "EUR"),
        places=["A1"],
        sale_from=NOON,
        sale_until=START,
        valid_from=START,
        valid_until=START + timedelta(hours=8),
        purchase_limit=4,
        uses_limit=1,
        question=None,
        terms=Terms(royalty_percent=10, payout="after_start"),
        **said,
    )
    callers.rich(callers.ada)
    order = callers.ada.post("/v1/orders", offering_id=str(offering_id)).json
    paid = callers.ada.post(f"/v1/orders/{order['order_id']}/payment", tender="e-money")
    return str(paid.json["ticket_id"])


def test_a_seller_is_told_what_he_was_paid_once_it_is_due(
    callers: Callers, clock: SetClock, views
):
    wanted, _ = listing_of(callers, paid_after_its_start(callers))
    callers.rich(callers.cleo)
    sale = buy(callers.cleo, wanted)
    assert sale.json["state"] == "TITLE_MOVED"
    path = f"/v1/sales/{sale.json['sale_id']}"
    early = callers.operator.post(f"{path}/payout")
    assert early.refusal == (409, "not_yet_valid")
    assert early.json["because"]
    assert callers.ada.post(f"{path}/payout").refusal == (403, "role_missing")
    clock.passes(hours=8)
    paid = callers.operator.post(f"{path}/payout")
    assert (paid.status, paid.json["split"]["seller_minor"]) == (201, 36_00)
    assert callers.operator.post(f"{path}/payout").refusal == (409, "already_sold")

    def list_of(who, path):
        return who.get(path, At_Least_Position=str(paid.position)).json

    (mine,) = list_of(callers.ada, "/v1/me/payouts")["payouts"]
    assert (mine["sale_id"], mine["amount_minor"]) == (sale.json["sale_id"], 36_00)
    assert list_of(callers.cleo, "/v1/me/payouts") == {"payouts": [], "next": None}
    (sold,) = list_of(callers.ada, "/v1/sales?of=sold")["sales"]
    (bought,) = list_of(callers.cleo, "/v1/sales")["sales"]
    assert sold == bought
    assert (sold["state"], sold["price_minor"]) == ("PAID_OUT", PRICE)
    assert list_of(callers.ben, "/v1/sales?of=sold")["sales"] == []


@pytest.mark.parametrize(
    "said",
    [
        {"listings": []},
        {"tenders": [card(PRICE - 1)]},
        {"tenders": [card(token="4242 4242 4242 4242")]},
        {"tenders": [{"tender": "cash", "amount_minor": PRICE}]},
        {"price_minor": 1},
        {"listings": [{"ticket_id": "1", "listing_id": "1"}]},
    ],
)
def test_a_purchase_without_sense_is_refused(callers: Callers, said):
    wanted, _ = listed(callers)
    callers.rich(callers.cleo)
    position = callers.its.ledger.position()
    refused = callers.cleo.post("/v1/sales", **{"listings": [wanted]} | said)
    assert refused.refusal == (422, "malformed")
    assert callers.its.ledger.position() == position
