"""What a resale's events need: paid in once, out once, and back no more than it was.

INITIATED ─► FUNDS_HELD ─► ESCROWED ─► TITLE_MOVED ─► PAID_OUT ─► CLOSED
"""

from __future__ import annotations

from ledger.aggregates.rules.kernel import (
    check,
    check_distinct,
    in_state,
    require_state,
    rule,
)
from ledger.aggregates.sale import LINES_MAX, OPEN, PAID_OUT, Sale, SaleState


@rule(Sale.Initiated)
def initiated(_: None, event: Sale.Initiated) -> None:
    check_distinct([line["ticket_id"] for line in event.lines], "tickets")
    check(len(event.lines) <= LINES_MAX, "it is of too many tickets")
    check(event.buyer_id != event.seller_id, "who sells it buys it")
    check(
        event.payout in ("at_sale", "after_start"), "it is not said when it is paid out"
    )
    for line in event.lines:
        price, shares = line["price_minor"], line["split_minor"]
        check(price >= 0 and sum(shares.values()) == price, "shares do not sum up")


rule(Sale.FundsHeld)(in_state(SaleState.INITIATED))
rule(Sale.Aborted)(in_state(*OPEN))
rule(Sale.Closed)(in_state(SaleState.PAID_OUT))
rule(Sale.Reversed, Sale.DebtRecorded)(in_state(SaleState.TITLE_MOVED))


@rule(Sale.Escrowed)
def escrowed(sale: Sale, event: Sale.Escrowed) -> None:
    """R2: what is paid in is the price, by an entry unless it is nothing."""
    require_state(sale, *OPEN)
    price = sale.price.amount_minor
    check(event.amount_minor == price, "it is not the price")
    check((event.entry_id is None) == (price == 0), "no entry moves the price")
    paid = sum(each["amount_minor"] for each in event.paid)
    check(paid == price, "the tenders do not sum up to the price")


@rule(Sale.TitleMoved)
def title_moved(sale: Sale, event: Sale.TitleMoved) -> None:
    require_state(sale, SaleState.ESCROWED)
    moved = [each["ticket_id"] for each in event.moved]
    check_distinct(moved, "tickets")
    sold = {line.ticket_id for line in sale.lines}
    check(set(moved) == sold, "other tickets were sold")


@rule(Sale.PaidOut)
def paid_out(sale: Sale, event: Sale.PaidOut) -> None:
    """R3: once, and what is left in escrow."""
    require_state(sale, SaleState.TITLE_MOVED)
    left = sum(line.price_minor for line in sale.left) - sale.compensated_minor
    check(sum(event.split_minor.values()) == left, "it is not what escrow holds")


@rule(Sale.Refunded, Sale.ClawedBack)
def given_back(sale: Sale, event: Sale._GivenBack) -> None:
    in_escrow = isinstance(event, Sale.Refunded)
    require_state(sale, *((SaleState.TITLE_MOVED,) if in_escrow else PAID_OUT))
    check_distinct(event.ticket_ids, "tickets")
    price = sum(sale.line(each).price_minor for each in event.ticket_ids)
    check(event.amount_minor == price, "it is not what was paid for them")
    check(event.debt_minor == min(price, sale.owed_minor), "the debt is another")
    missing = sale.missing_minor(event.ticket_ids) if in_escrow else 0
    check(event.made_up_minor == missing, "escrow lacks another amount")


@rule(Sale.Compensated)
def compensated(sale: Sale, event: Sale.Compensated) -> None:
    require_state(sale, SaleState.TITLE_MOVED, *PAID_OUT)
    held = sale.state == SaleState.TITLE_MOVED
    left = sale.seller_left_minor if held else 0
    amount = min(event.amount_minor, left)
    check(0 <= event.from_escrow_minor <= amount, "escrow does not owe him so much")
