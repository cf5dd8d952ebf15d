"""Sellers with shops of their own, over HTTP, and tickets given without a sale.

Planted and caught: a sale told without a mandate; a seller who reads another's sale;
one who takes another's back; a mandate listed for a third; a grant told to a stranger.
"""

from __future__ import annotations

from typing import Any

import pytest

from ledger.vocabulary.codes import Role
from tests.api.callers import Caller, Callers, Said

TAKEN = {"amount_minor": 40_00, "currency": "EUR"}


@pytest.fixture
def seller(callers: Callers) -> Caller:
    return callers.person(Role.SHOP)


@pytest.fixture
def mandated(callers: Callers, seller: Caller) -> Caller:
    """A seller who keeps five per cent."""
    given = callers.issuer.put(f"/v1/mandates/{seller.party_id}", commission_percent=5)
    assert (given.status, given.position > 0) == (200, True)
    return seller


def tell(callers: Callers, who: Caller, **changes: Any) -> Said:
    said = {
        "reference": "S-1",
        "offering_id": changes.pop("offering_id", None) or callers.offering(),
        "purchaser_id": str(callers.ada.party_id),
        "taken": TAKEN,
    }
    return who.post("/v1/registered-sales", **said | changes)


def mandates(who: Caller, query: str, position: int) -> list[tuple[str, int, bool]]:
    told = who.get(f"/v1/mandates{query}", At_Least_Position=str(position))
    assert told.status == 200, told.json
    return [
        (line["seller_id"], line["commission_percent"], line["in_force"])
        for line in told.json["mandates"]
    ]


def test_a_mandate_is_given_changed_withdrawn_and_listed_for_both(
    callers: Callers, mandated: Caller, views
):
    path, seller_id = f"/v1/mandates/{mandated.party_id}", str(mandated.party_id)
    changed = callers.issuer.put(path, commission_percent=7)
    assert mandates(callers.issuer, "", changed.position) == [(seller_id, 7, True)]
    gone = callers.issuer.delete(path)
    assert gone.status == 204
    assert mandates(mandated, "?of=received", gone.position) == [(seller_id, 7, False)]
    assert mandates(callers.person(Role.ISSUER), "", gone.position) == []
    assert callers.issuer.delete(path).refusal == (409, "unknown")
    for percent in (-1, 101, "5", None):
        refused = callers.issuer.put(path, commission_percent=percent)
        assert refused.refusal == (422, "malformed")


def test_nobody_sells_for_an_issuer_without_his_word(callers: Callers, seller: Caller):
    refused = tell(callers, seller)
    assert refused.refusal == (403, "not_owner")
    assert refused.json["because"]
    assert callers.person(Role.ISSUER).delete(
        f"/v1/mandates/{seller.party_id}"
    ).refusal == (404, "unknown")


def test_what_is_sold_elsewhere_is_the_purchasers_and_told_twice_is_one_sale(
    callers: Callers, mandated: Caller
):
    offering = callers.offering()
    first = tell(callers, mandated, offering_id=offering)
    assert (first.status, first.position > 0) == (201, True), first.json
    assert (first.json["price_minor"], first.json["commission_minor"]) == (40_00, 2_00)
    (ticket_id,) = first.json["ticket_ids"]
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").status == 200
    assert tell(callers, mandated, offering_id=offering).json == first.json
    other = tell(
        callers,
        mandated,
        offering_id=offering,
        purchaser_id=str(callers.ben.party_id),
    )
    assert other.refusal[1] == "idempotency"
    told = mandated.get(f"/v1/registered-sales/{first.json['sale_id']}")
    assert (told.json["state"], told.json["reference"]) == ("REGISTERED", "S-1")
    assert told.headers["ETag"] == '"1"'


def test_a_registered_sale_is_tried_dry(callers: Callers, mandated: Caller):
    offering, position = callers.offering(), callers.its.ledger.position()
    tried = mandated.call(
        "POST",
        "/v1/registered-sales?dry_run=true",
        json={
            "reference": "S-1",
            "offering_id": offering,
            "purchaser_id": str(callers.ada.party_id),
            "taken": TAKEN,
        },
    )
    assert (tried.status, tried.json["price_minor"]) == (200, 40_00)
    assert callers.its.ledger.position() == position


def test_its_seller_takes_a_sale_back_and_both_sides_see_it(
    callers: Callers, mandated: Caller, views
):
    sale = tell(callers, mandated).json
    path = f"/v1/registered-sales/{sale['sale_id']}"
    other = callers.person(Role.SHOP)
    assert other.get(path).refusal == (404, "unknown")
    for who in (other, callers.caller(Role.SHOP, party_id=callers.issuer.party_id)):
        taken = who.post(f"{path}/cancellation", reason="mine now")
        assert taken.refusal == (404, "unknown")
    back = mandated.post(f"{path}/cancellation", reason="returned")
    assert (back.status, back.json["state"]) == (200, "CANCELLED")
    ticket = callers.ada.get(f"/v1/tickets/{sale['ticket_ids'][0]}").json
    assert ticket["life"] == "VOIDED"
    again = mandated.post(f"{path}/cancellation", reason="returned")
    assert (again.status, again.json["state"]) == (200, "CANCELLED")

    def listed(who, query):
        position = str(back.position)
        told = who.get(f"/v1/registered-sales{query}", At_Least_Position=position)
        return [(line["sale_id"], line["state"]) for line in told.json["sales"]]

    one = [(sale["sale_id"], "CANCELLED")]
    assert listed(mandated, "") == listed(callers.issuer, "?of=issuer") == one
    assert listed(other, "") == listed(callers.issuer, "") == []


@pytest.mark.parametrize(
    "said",
    [
        {"reference": "no spaces"},
        {"reference": ""},
        {"taken": TAKEN | {"amount_minor": 39_99}},
        {"taken": TAKEN | {"currency": "eur"}},
        {"count": 0},
        {"price_minor": 1},
    ],
)
def test_a_sale_told_without_sense_is_refused(callers, mandated, said):
    offering = callers.offering()
    position = callers.its.ledger.position()
    refused = tell(callers, mandated, offering_id=offering, **said)
    assert refused.refusal == (422, "malformed")
    assert callers.its.ledger.position() == position


# Grants.


def test_an_issuer_gives_places_to_a_guest(callers: Callers):
    ben = str(callers.ben.party_id)
    given = callers.issuer.post(
        "/v1/grants",
        offering_id=callers.offering(),
        to_party_id=ben,
        count=2,
        together=True,
    )
    assert (given.status, given.position > 0) == (201, True), given.json
    assert sorted(given.json["places"]) == ["Row 4 seat 12", "Row 4 seat 13"]
    for ticket_id in given.json["ticket_ids"]:
        assert callers.ben.get(f"/v1/tickets/{ticket_id}").json["owner_id"] == ben
    path = f"/v1/grants/{given.json['grant_id']}"
    told = callers.issuer.get(path)
    assert told.json["to_party_id"] == ben
    assert callers.ben.get(path).json == callers.auditor.get(path).json == told.json
    assert callers.ada.get(path).refusal == (404, "unknown")


def test_a_grant_takes_places_and_only_its_issuers(callers: Callers):
    offering, ben = callers.offering(), str(callers.ben.party_id)
    said: dict[str, Any] = {"offering_id": offering, "to_party_id": ben}
    position = callers.its.ledger.position()
    tried = callers.issuer.call("POST", "/v1/grants?dry_run=true", json=said)
    assert (tried.status, callers.its.ledger.position()) == (200, position)
    stranger = callers.person(Role.ISSUER)
    assert stranger.post("/v1/grants", **said).refusal == (403, "not_owner")
    too_many = callers.issuer.post("/v1/grants", **said, count=3)
    assert too_many.refusal == (409, "sold_out")
    for wrong in ({"count": 0}, {"to_party_id": "ben"}, {"price_minor": 0}):
        refused = callers.issuer.post("/v1/grants", **said | wrong)
        assert refused.refusal == (422, "malformed")
