"""Money back over HTTP: by policy, by the issuer, a sale undone, a right taken away.

Planted and caught: a stranger told what a ticket is worth; a refund that cannot be
tried dry; a sale undone by another issuer.
"""

from __future__ import annotations

from uuid import UUID

from ledger.usecases.accounts import E_MONEY
from ledger.usecases.refunds import VOID_S
from ledger.vocabulary.codes import Role
from ledger.vocabulary.ids import account_id
from tests.api.callers import Caller, Callers, SetClock

REFUNDABLE = {"refundable": True, "refund_percent": 80}


def purse(who: Caller) -> int:
    assert who.party_id is not None
    number = account_id(who.party_id, E_MONEY, "EUR")
    return int(who.get(f"/v1/accounts/{number}").json["available_minor"])


def order_of(callers: Callers, ticket_id: str) -> str:
    order_id = callers.its.ledger.ticket(UUID(ticket_id)).order_id
    return f"/v1/orders/{order_id}"


def test_a_purchaser_is_told_what_goes_back_and_gets_it(callers: Callers, views):
    ticket_id = callers.ticket(callers.ada, terms=REFUNDABLE)
    path = f"/v1/tickets/{ticket_id}"
    assert callers.ada.get(f"{path}/refund").json == {
        "amount_minor": 32_00,
        "currency": "EUR",
    }
    position = callers.its.ledger.position()
    tried = callers.ada.call(
        "POST", "/v1/refunds?dry_run=true", json={"ticket_ids": [ticket_id]}
    )
    assert (tried.status, tried.json["total_minor"]) == (200, 32_00)
    assert callers.its.ledger.position() == position
    assert purse(callers.ada) == 60_00
    done = callers.ada.post("/v1/refunds", ticket_ids=[ticket_id])
    assert done.status == 201, done.json
    assert done.json == {
        "amounts": [{"ticket_id": ticket_id, "amount_minor": 32_00}],
        "total_minor": 32_00,
        "currency": "EUR",
    }
    assert purse(callers.ada) == 92_00
    assert callers.auditor.get(path).json["life"] == "REFUNDED"
    order = order_of(callers, ticket_id)
    assert callers.ada.get(order).json["refunded_minor"] == 32_00
    (listed,) = callers.ada.get(
        "/v1/orders", At_Least_Position=str(done.position)
    ).json["orders"]
    assert listed["refunded_minor"] == 32_00
    offering = callers.ada.get(f"/v1/offerings/{listed['offering_id']}").json
    assert (offering["available"], offering["sold"]) == (2, 0)
    assert callers.ada.get(f"{path}/refund").status == 409


def test_the_issuer_gives_the_whole_price_and_no_other_issuer_anything(
    callers: Callers,
):
    ticket_id = callers.ticket(callers.ada)
    path = f"/v1/tickets/{ticket_id}/refund"
    refused = callers.ada.get(path)
    assert refused.refusal == (409, "not_refundable")
    assert callers.issuer.get(path).json["amount_minor"] == 40_00
    for stranger in (callers.ben, callers.person(Role.ISSUER)):
        assert stranger.get(path).refusal == (404, "unknown")
        asked = stranger.post("/v1/refunds", ticket_ids=[ticket_id])
        assert asked.refusal == (404, "unknown")
    done = callers.issuer.post("/v1/refunds", ticket_ids=[ticket_id])
    assert done.json["total_minor"] == 40_00


def test_of_several_tickets_all_go_back_or_none(callers: Callers):
    good = callers.ticket(callers.ada, terms=REFUNDABLE)
    fixed = callers.ticket(callers.ada)
    position = callers.its.ledger.position()
    refused = callers.ada.post("/v1/refunds", ticket_ids=[good, fixed])
    assert refused.refusal == (409, "not_refundable")
    assert callers.its.ledger.position() == position
    again = [callers.ticket(callers.ada, terms=REFUNDABLE), good]
    assert (
        callers.ada.post("/v1/refunds", ticket_ids=again).json["total_minor"] == 64_00
    )


def test_a_refund_without_sense_is_refused(callers: Callers):
    for ids in ([], ["x"], None, [str(UUID(int=1))] * 51):
        refused = callers.ada.post("/v1/refunds", ticket_ids=ids)
        assert refused.refusal == (422, "malformed"), ids


def test_a_sale_is_undone_soon_after_it_by_its_issuer_alone(
    callers: Callers, clock: SetClock
):
    early, late = (callers.ticket(callers.ada) for _ in range(2))
    voiding = f"{order_of(callers, early)}/voiding"
    stranger = callers.person(Role.ISSUER)
    assert stranger.post(voiding, reason="no").refusal == (404, "unknown")
    clock.passes(seconds=VOID_S - 1)
    before = purse(callers.ada)
    done = callers.issuer.post(voiding, reason="wrong price")
    assert (done.status, done.json["total_minor"]) == (201, 40_00), done.json
    assert purse(callers.ada) == before + 40_00
    life = callers.auditor.get(f"/v1/tickets/{early}").json["life"]
    assert life == "VOIDED"
    clock.passes(seconds=1)
    too_late = callers.issuer.post(f"{order_of(callers, late)}/voiding", reason="no")
    assert too_late.refusal == (409, "expired")
    assert too_late.json["because"]


def test_a_right_is_taken_away_by_its_issuer_with_a_reason(callers: Callers):
    ticket_id = callers.ticket(callers.ada)
    path = f"/v1/tickets/{ticket_id}/revocation"
    assert callers.issuer.post(path).refusal == (422, "malformed")
    tried = callers.issuer.call(
        "POST", f"{path}?dry_run=true", json={"reason": "forged proof of age"}
    )
    assert (tried.status, tried.headers["Dry-Run"]) == (200, "?1")
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").json["life"] == "OWNED"
    done = callers.issuer.post(path, reason="forged proof of age")
    assert (done.status, done.json) == (201, {"life": "REVOKED"})
    assert callers.ada.get(f"/v1/tickets/{ticket_id}").json["life"] == "REVOKED"
    assert callers.issuer.post(path, reason="again").status == 409
