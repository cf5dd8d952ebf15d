"""The doors of paying by card: the buyer's, the operator's, and the provider's own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.ports import NewsKind, PaymentNews, ProviderUnreachable
from ledger.usecases.checkout import FENCE_S
from ledger.vocabulary.ids import payment_id
from tests.api.callers import Caller, Callers, Said, SetClock


def card(amount_minor: int = 40_00, token: str = "tok-ok") -> dict[str, Any]:
    return {"tender": "card", "amount_minor": amount_minor, "instrument": token}


def reserved(callers: Callers) -> str:
    order = callers.ada.post("/v1/orders", offering_id=callers.offering())
    return f"/v1/orders/{order.json['order_id']}"


def pay(caller: Caller, order: str, *tenders: dict[str, Any]) -> Said:
    return caller.post(f"{order}/payment", tenders=list(tenders))


@contextmanager
def away(callers: Callers):
    """The provider does not answer in here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callers.its.provider, "authorise", unreachable)
        patch.setattr(callers.its.provider, "look_up", unreachable)
        yield


def unreachable(**_):
    raise ProviderUnreachable


def call_back(callers: Callers, order: str, kind: NewsKind, **changed: str) -> Said:
    """Call as the provider does; `changed` replaces what it sends."""
    provider = callers.its.provider
    assert isinstance(provider, SandboxPayments)
    paying = payment_id(UUID(order.rpartition("/")[2]))
    news = PaymentNews(paying, kind, f"sandbox_{paying.hex}", "dp_1", "", 40_00)
    body, signature = provider.callback(news, at=callers.its.clock.now())
    return callers.nobody.call(
        "POST",
        "/v1/payments/callbacks",
        data=changed.get("body", body),
        headers={"Payment-Signature": changed.get("signature", signature)},
    )


def test_a_card_and_a_purse_pay_together(callers: Callers):
    callers.rich(callers.ada, 10_00)
    order = reserved(callers)
    purse = {"tender": "e-money", "amount_minor": 10_00}
    paid = pay(callers.ada, order, card(30_00), purse)
    assert (paid.status, paid.json["state"]) == (201, "CONFIRMED")
    assert paid.json["ticket_ids"] == [paid.json["ticket_id"]]
    told = callers.ada.get(order).json
    assert told | paid.json == told


def test_a_declined_card_is_said_plainly_and_another_way_is_open(callers: Callers):
    order = reserved(callers)
    refused = pay(callers.ada, order, card(token="tok-declines"))
    assert refused.refusal == (409, "insufficient_funds")
    assert "declined" in refused.json["detail"]
    assert pay(callers.ada, order, card()).json["state"] == "CONFIRMED"


def test_a_payment_without_an_answer_waits_and_can_be_asked_again(callers: Callers):
    order = reserved(callers)
    with away(callers):
        waits = pay(callers.ada, order, card())
        assert (waits.status, waits.json["state"]) == (201, "PAYMENT_IN_FLIGHT")
        assert waits.json["ticket_id"] is None
        assert pay(callers.ada, order, card()).refusal == (409, "sold_pending")
    checked = callers.ada.post(f"{order}/payment/check")
    assert (checked.status, checked.json["state"]) == (200, "CONFIRMED")


def test_an_operator_gives_a_payment_in_doubt_up(callers: Callers, clock: SetClock):
    order = reserved(callers)
    with away(callers):
        pay(callers.ada, order, card())
    decision = f"{order}/payment/decision"
    assert callers.ada.post(decision, give_up=True).status == 403
    too_early = callers.operator.post(decision, give_up=True)
    assert too_early.refusal == (409, "sold_pending")
    clock.passes(seconds=FENCE_S)
    assert callers.ada.get(order).json["in_doubt"]
    assert callers.operator.post(decision, give_up=True).json["state"] == "EXPIRED"


def test_an_order_is_its_buyers_alone(callers: Callers):
    order = reserved(callers)
    assert callers.ben.get(order).refusal == (404, "unknown")
    assert pay(callers.ben, order, card()).refusal == (404, "unknown")
    assert callers.ben.post(f"{order}/payment/check").refusal == (404, "unknown")


@pytest.mark.parametrize(
    "tenders",
    [
        [card(token="4111 1111 1111 1111")],
        [card(39_99)],
        [card(), card()],
        [{"tender": "cheque", "amount_minor": 40_00}],
        [{"tender": "card", "amount_minor": "40.00", "instrument": "tok-ok"}],
    ],
    ids=["a card number", "too little", "twice", "unknown", "no whole number"],
)
def test_tenders_that_make_no_sense_are_refused(callers: Callers, tenders):
    assert pay(callers.ada, reserved(callers), *tenders).refusal == (422, "malformed")


def test_a_callback_is_heard_once_however_often_it_comes(callers: Callers):
    order = reserved(callers)
    with away(callers):
        pay(callers.ada, order, card())
        heard = call_back(callers, order, NewsKind.CAPTURED)
    assert heard.status == 200
    assert callers.ada.get(order).json["state"] == "CONFIRMED"
    again = call_back(callers, order, NewsKind.CAPTURED)
    assert (again.status, again.json) == (200, heard.json)


def test_a_dispute_that_is_called_in_freezes_the_ticket(callers: Callers):
    order = reserved(callers)
    ticket_id = pay(callers.ada, order, card()).json["ticket_id"]
    assert call_back(callers, order, NewsKind.DISPUTE_OPENED).status == 200
    offered = callers.ada.post(
        f"/v1/tickets/{ticket_id}/gift-offers",
        to_party_id=str(callers.ben.party_id),
        until="2026-11-22T18:00:00Z",
    )
    assert offered.refusal == (409, "frozen")


@pytest.mark.parametrize(
    "changed",
    [{"signature": ""}, {"signature": f"t=1,v1={'0' * 64}"}, {"body": "{}"}],
    ids=["no signature", "somebody else's", "another body"],
)
def test_a_callback_that_is_not_the_providers_is_refused(callers: Callers, changed):
    order = reserved(callers)
    before = callers.its.ledger.position()
    refused = call_back(callers, order, NewsKind.CAPTURED, **changed)
    assert refused.refusal == (403, "counterfeit")
    assert callers.its.ledger.position() == before
