"""A sale: every way through it, and that its money leaves escrow once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.sale import (
    LINES_MAX,
    Line,
    LineReturned,
    NotOneSale,
    Sale,
    SaleStands,
    SaleState,
    SaleUnknown,
    ShareExceeded,
)
from ledger.errors import Refusal
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON, OFFERING

SALE, ENTRY, DECISION = UUID(int=301), UUID(int=302), UUID(int=303)
TICKETS = [UUID(int=400 + n) for n in range(3)]


def a_line(ticket_id: UUID, price_minor: int = 1_000) -> Line:
    royalty = price_minor // 20
    return Line(
        ticket_id=ticket_id,
        listing_id=UUID(int=ticket_id.int + 100),
        offering_id=OFFERING,
        issuer_id=ISSUER,
        price_minor=price_minor,
        split_minor={
            "seller": price_minor - royalty,
            "royalty": royalty,
            "platform": 0,
            "tax": 0,
        },
    )


def a_sale(tickets=TICKETS[:1], **given):
    said: dict[str, Any] = {
        "sale_id": SALE,
        "buyer_id": CAROL,
        "seller_id": ALICE,
        "currency": "EUR",
        "lines": [a_line(ticket_id) for ticket_id in tickets],
        "tenders": [],
        "payout": "at_sale",
        "until": NOON + HOUR,
        "at": NOON,
    }
    return Sale.initiate(**(said | given))


def escrowed(sale: Sale) -> Sale:
    sale.escrow(
        entry_id=ENTRY,
        paid=[],
        title_versions={line.ticket_id: 3 for line in sale.lines},
        at=NOON,
    )
    return sale


def give_back(sale: Sale, *tickets: UUID) -> None:
    sale.give_back(ticket_ids=tickets, entry_id=ENTRY, decision_id=DECISION, at=NOON)


def test_a_sale_goes_from_held_funds_to_its_payout_and_is_closed():
    sale = a_sale()
    assert sale.state == SaleState.INITIATED
    sale.hold_funds(at=NOON)
    assert sale.state == SaleState.FUNDS_HELD
    escrowed(sale)
    assert sale.state == SaleState.TITLE_MOVED
    assert [line.title_version for line in sale.lines] == [3]
    sale.pay_out(entry_id=ENTRY, split_minor={"seller": 950}, at=NOON)
    assert sale.state == SaleState.PAID_OUT
    sale.close(at=NOON)
    assert sale.state == SaleState.CLOSED


def test_the_escrow_posting_and_the_titles_are_never_apart():
    sale = escrowed(a_sale())
    first, second, third = sale.collect_events()
    assert isinstance(first, Sale.Initiated)
    assert isinstance(second, Sale.Escrowed)
    assert isinstance(third, Sale.TitleMoved)


def test_it_is_paid_out_once_and_not_before_the_titles_moved():
    sale = a_sale()
    with pytest.raises(SaleStands):
        sale.pay_out(entry_id=ENTRY, split_minor={}, at=NOON)
    escrowed(sale).pay_out(entry_id=ENTRY, split_minor={}, at=NOON)
    with pytest.raises(SaleStands, match="paid_out") as refused:
        sale.pay_out(entry_id=ENTRY, split_minor={}, at=NOON)
    assert refused.value.because == (f"{SALE}/{sale.version}",)


def test_it_is_given_up_only_before_anything_moved():
    sale = a_sale()
    sale.hold_funds(at=NOON)
    sale.abort(reason="declined", at=NOON)
    assert sale.state == SaleState.ABORTED
    with pytest.raises(SaleStands):
        escrowed(sale)
    with pytest.raises(SaleStands):
        escrowed(a_sale()).abort(reason="too late", at=NOON)


def test_a_payment_that_never_came_reverses_it_before_the_payout():
    sale = escrowed(a_sale())
    sale.reverse(reason="not captured", entry_id=ENTRY, at=NOON)
    assert sale.state == SaleState.REVERSED
    with pytest.raises(SaleStands):
        sale.pay_out(entry_id=ENTRY, split_minor={}, at=NOON)


def test_a_debt_of_the_buyers_goes_before_anything_is_refunded():
    sale = escrowed(a_sale(TICKETS[:2]))
    sale.record_debt(paid=[], amount_minor=1_500, entry_id=ENTRY, at=NOON)
    give_back(sale, TICKETS[0])
    assert (sale.owed_minor, sale.refunded_minor) == (500, 0)
    give_back(sale, TICKETS[1])
    assert (sale.owed_minor, sale.refunded_minor) == (0, 500)


def test_a_decision_gives_lines_back_one_by_one_and_each_once():
    sale = escrowed(a_sale(TICKETS))
    give_back(sale, TICKETS[0])
    assert sale.state == SaleState.TITLE_MOVED
    assert sale.seller_left_minor == 2 * 950
    with pytest.raises(LineReturned):
        give_back(sale, TICKETS[0])
    with pytest.raises(SaleUnknown):
        give_back(sale, UUID(int=999))
    give_back(sale, *TICKETS[1:])
    assert (sale.state, sale.refunded_minor) == (SaleState.REFUNDED, 3_000)


def test_what_was_paid_out_already_is_clawed_back():
    sale = escrowed(a_sale())
    sale.pay_out(entry_id=ENTRY, split_minor={}, at=NOON)
    sale.close(at=NOON)
    give_back(sale, *TICKETS[:1])
    assert sale.state == SaleState.CLAWBACK
    assert isinstance(list(sale.collect_events())[-1], Sale.ClawedBack)


def test_a_compensation_takes_no_more_out_of_escrow_than_the_sellers_share():
    sale = escrowed(a_sale())
    said: dict[str, Any] = {
        "party_id": BOB,
        "amount_minor": 1_000,
        "entry_id": ENTRY,
        "decision_id": DECISION,
        "at": NOON,
    }
    with pytest.raises(ShareExceeded):
        sale.compensate(**said, from_escrow_minor=951)
    sale.compensate(**said, from_escrow_minor=950)
    assert sale.seller_left_minor == 0
    with pytest.raises(ShareExceeded):
        sale.compensate(**said, from_escrow_minor=1)


@pytest.mark.parametrize(
    "tickets",
    [[], [TICKETS[0]] * 2, [UUID(int=n) for n in range(LINES_MAX + 1)]],
    ids=["none", "one twice", "too many"],
)
def test_a_sale_is_of_some_different_tickets(tickets):
    with pytest.raises(NotOneSale):
        a_sale(tickets)


def test_what_compensation_took_out_of_escrow_the_seller_makes_up_for_the_buyer():
    sale = escrowed(a_sale(TICKETS[:2]))
    said: dict[str, Any] = {"entry_id": ENTRY, "decision_id": DECISION, "at": NOON}
    sale.compensate(party_id=BOB, amount_minor=1_500, from_escrow_minor=1_500, **said)
    assert sale.missing_minor(TICKETS[:1]) == 550
    sale.give_back(ticket_ids=TICKETS[:1], **said)
    assert (sale.seller_left_minor, sale.missing_minor(TICKETS[1:2])) == (0, 950)
    sale.give_back(ticket_ids=TICKETS[1:2], **said)
    assert sale.state == SaleState.REFUNDED


MOVES: dict[str, dict[str, Any]] = {
    "hold_funds": {},
    "escrow": {
        "entry_id": ENTRY,
        "paid": [],
        "title_versions": dict.fromkeys(TICKETS, 3),
    },
    "pay_out": {"entry_id": ENTRY, "split_minor": {}},
    "close": {},
    "abort": {"reason": "given up"},
    "reverse": {"reason": "not captured", "entry_id": ENTRY},
    "give_back": {
        "ticket_ids": TICKETS[:1],
        "entry_id": ENTRY,
        "decision_id": DECISION,
    },
    "compensate": {
        "party_id": BOB,
        "amount_minor": 400,
        "from_escrow_minor": 400,
        "entry_id": ENTRY,
        "decision_id": DECISION,
    },
}


def _in_escrow(sale: Sale) -> int | None:
    """What should be in escrow now; None outside the time in which it holds."""
    if sale.state != SaleState.TITLE_MOVED:
        return None
    return sum(line.price_minor for line in sale.left) - sale.compensated_minor


@given(st.booleans(), st.lists(st.sampled_from(sorted(MOVES)), max_size=15))
def test_whatever_is_tried_escrow_is_left_once_and_replay_tells_the_same(paid, names):
    sale = escrowed(a_sale(TICKETS[:2])) if paid else a_sale(TICKETS[:2])
    for name in names:
        before = sale.version
        try:
            getattr(sale, name)(**MOVES[name], at=NOON)
        except Refusal:
            assert sale.version == before
        held = _in_escrow(sale)
        if held is not None:
            fees = sum(line.split_minor["royalty"] for line in sale.left)
            assert held == sale.seller_left_minor + fees
            assert 0 <= sale.seller_left_minor <= held <= sale.price.amount_minor

    replayed = None
    for event in sale.collect_events():
        replayed = event.mutate(replayed)
    assert replayed == sale
