"""A refusal names the events that decided it: of terms, validity, title and uses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import ETicket, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.errors import Refusal
from tests.domain.examples import (
    ALICE,
    BOB,
    DISPENSER,
    HOUR,
    ISSUER,
    NOON,
    TICKET,
    TILL,
    UID,
    a_ticket,
)

SOME = UUID(int=700)


def on_a_card(**given: Any) -> ETicket:
    ticket = a_ticket(**given)
    place: dict[str, Any] = {
        "write_id": SOME,
        "medium_uid": UID.hex(),
        "slot": 0,
        "at": NOON,
    }
    ticket.prepare_write(seq=1, by=ALICE, **place)
    ticket.confirm_write(epoch=2, **place)
    return ticket


def offer(ticket: ETicket, *, to=BOB, at=NOON) -> None:
    ticket.offer_gift(offer_id=SOME, by=ALICE, to=to, until=at + HOUR, at=at)


def lists(ticket: ETicket, *, to=None) -> None:
    sale: dict[str, Any] = {"listing_id": SOME, "price_minor": 1, "until": NOON + HOUR}
    ticket.list_for_resale(**sale, by=ALICE, to=to, at=NOON)


def lease(ticket: ETicket, *, at=NOON) -> None:
    ticket.start_dispense(
        job_id=SOME,
        write_id=SOME,
        device_id=DISPENSER,
        expected_epoch=ticket.epoch,
        medium_uid=UID.hex(),
        slot=0,
        until=at + HOUR,
        at=at,
    )


def redeem(ticket: ETicket, amount: int, session: int = 1) -> None:
    said: dict[str, Any] = {
        "session_id": UUID(int=session),
        "write_id": SOME,
        "device_id": TILL,
    }
    ticket.start_redemption(
        **said,
        expected_epoch=ticket.epoch,
        medium_uid=UID.hex(),
        slot=0,
        receipt="R-1",
        purchase_minor=900,
        currency="EUR",
        until=NOON + HOUR,
        amount=amount,
        at=NOON,
    )
    ticket.redeem(**said, at=NOON)


def redeem_twice(ticket: ETicket) -> None:
    redeem(ticket, 2)
    redeem(ticket, 2, session=2)


def postponed(by: timedelta, **given: Any) -> ETicket:
    """Return a ticket on a card whose validity the issuer changed, as event 4."""
    ticket = on_a_card(**given)
    changes = {
        "not_before": (ticket.not_before + by).isoformat(),
        "not_after": (ticket.not_after + by).isoformat(),
    }
    ticket.modify(by=ISSUER, changes=changes, reason="rain", at=NOON)
    return ticket


LATER = NOON + 200 * HOUR


@pytest.mark.parametrize(
    ("ticket", "move", "code", "versions"),
    [
        (a_ticket(), lambda it: offer(it, at=LATER), "no_longer_valid", (1,)),
        (
            postponed(-HOUR),
            lambda it: offer(it, at=NOON + 99 * HOUR),
            "no_longer_valid",
            (4,),
        ),
        (postponed(9 * HOUR), lease, "not_yet_valid", (4,)),
        (
            postponed(9 * HOUR, terms=Terms(gift_until_s=9 * 3600)),
            offer,
            "not_transferable",
            (1, 4),
        ),
        (a_ticket(), lambda it: it.expire(at=NOON), "not_yet_valid", (1,)),
        (a_ticket(terms=Terms(giftable=False)), offer, "not_transferable", (1,)),
        (a_ticket(), lambda it: offer(it, to=ALICE), "not_transferable", (1,)),
        (a_ticket(terms=Terms(resellable=False)), lists, "not_transferable", (1,)),
        (on_a_card(kind="coupon"), lease, "unknown", (1,)),
        (on_a_card(), lambda it: redeem(it, 1), "unknown", (1,)),
        (on_a_card(kind="coupon", uses_limit=3), redeem_twice, "limit", (1, 5)),
    ],
)
def test_a_refusal_names_what_decided_it(ticket, move, code, versions):
    with pytest.raises(Refusal) as refused:
        move(ticket)
    assert refused.value.code == code
    assert tuple(refused.value.because) == tuple(f"{TICKET}/{n}" for n in versions)


def test_who_is_the_owner_by_a_later_title_is_told_by_which():
    ticket = a_ticket()
    offer(ticket)
    said: dict[str, Any] = {"terms_hash": ticket.terms_hash, "check_sealed": None}
    ticket.accept_gift(offer_id=SOME, by=BOB, **said, at=NOON)
    with pytest.raises(no.NotTransferable) as refused:
        ticket.reassign(
            to=BOB,
            decision_id=SOME,
            reverses_version=None,
            check_sealed=None,
            at=NOON,
        )
    assert tuple(refused.value.because) == (f"{TICKET}/3",)
