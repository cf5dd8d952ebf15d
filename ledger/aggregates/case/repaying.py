"""Plans who is paid, and by whom: refunds, compensation, debts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.aggregates.case.plan import Step, StepKind
from ledger.aggregates.case.states import Decision
from ledger.aggregates.case.steps import debt_of, pay, postings, revenue_of, undo_sale
from ledger.aggregates.case.story import TicketStory


def take_back_for_money(story: TicketStory) -> Iterator[Step]:
    """End the ticket, on paper or not, and pay whoever paid last.

    Its resales are undone, the newest first, and then the purchase: so the last
    purchaser gets his price from the one who sold to him, who gets his, and so on.
    """
    if story.is_over:
        return
    sales = [move.sale for move in story.standing if move.sale is not None]
    for sale in reversed(sales):
        yield undo_sale(story, sale)
    worth = story.worth_at(story.moves[-1].version)
    used = story.used_after(0, worth)
    due = story.paid_minor if sales else story.paid_minor - used
    due = due if story.paid_here else 0
    payee = sales[0].seller_id if sales else story.purchaser_id
    tendered = story.order_id is not None and payee == story.purchaser_id
    account = f"tenders/{story.order_id}" if tendered else f"purse/{payee}"
    yield Step(
        StepKind.REFUND,
        f"The ticket ends, and its issuer gives {due} back to {payee}.",
        ticket_id=story.ticket_id,
        ref=f"order/{story.order_id}" if tendered else None,
        currency=story.currency,
        postings=postings({account: due, revenue_of(story): -due}),
        worth_minor=worth,
    )
    if used and sales:
        last = sales[-1].buyer_id
        yield pay(
            f"{last} keeps nothing for what was used, {used}.",
            currency=story.currency,
            amounts={f"purse/{last}": -used, revenue_of(story): used},
            story=story,
        )


def compensation(
    tickets: tuple[TicketStory, ...], decision: Decision
) -> Iterator[Step]:
    """Pay the wronged party: from what escrow still owes a seller before his purse."""
    left, currency = decision.amount_minor, str(decision.currency)
    payer, payee = decision.payer_id, f"purse/{decision.payee_id}"
    for story in tickets:
        sale = story.last_sale
        if sale is None or sale.seller_id != payer or story.currency != currency:
            continue
        amount = min(left, sale.seller_held_minor if sale.held else 0)
        if amount:
            left -= amount
            yield pay(
                f"{decision.payee_id} is compensated with {amount} from escrow.",
                currency=currency,
                amounts=dict(sale.from_seller(amount, currency)) | {payee: amount},
                story=story,
                ref=f"sale/{sale.sale_id}",
            )
    if left:
        account = f"purse/{payer}" if payer else f"compensation/{currency}"
        yield pay(
            f"{decision.payee_id} is compensated with {left}.",
            currency=currency,
            amounts={account: -left, payee: left},
        )


def debt(decision: Decision) -> Step:
    amount, currency = decision.amount_minor, str(decision.currency)
    payee = decision.payee_id
    to = f"purse/{payee}" if payee else f"compensation/{currency}"
    return pay(
        f"{decision.payer_id} owes {amount}.",
        currency=currency,
        amounts={debt_of(decision.payer_id, currency): -amount, to: amount},
    )
