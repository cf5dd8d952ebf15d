"""Plans who is paid, and by whom: refunds, compensation, debts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ledger.aggregates.case.plan import Step, StepKind
from ledger.aggregates.case.states import Decision
from ledger.aggregates.case.steps import debt_of, pay, postings, revenue_of
from ledger.aggregates.case.story import TicketStory


def take_back_for_money(story: TicketStory) -> Iterator[Step]:
    """End the ticket, on paper or not, and pay whoever paid last."""
    if story.is_over:
        return
    sale = story.last_sale
    paid = story.paid_minor if sale is None else sale.price_minor
    unused = paid - story.used_after(0, paid)
    source = sale.sale_id if sale is not None else story.order_id
    payer = f"tenders/{source}" if source else f"purse/{story.purchaser_id}"
    amounts = Counter({payer: unused})
    if sale is None:
        amounts[revenue_of(story)] -= unused
    else:
        _give_back_along(story, amounts, unused)
    yield Step(
        StepKind.REFUND,
        f"The ticket ends, and its last payer gets {unused} back.",
        ticket_id=story.ticket_id,
        ref=str(source) if source else None,
        currency=story.currency,
        postings=postings(amounts),
        undone_sales=tuple(
            move.sale.sale_id for move in story.standing if move.sale is not None
        ),
        worth_minor=paid,
    )


def _give_back_along(story: TicketStory, amounts: Counter[str], unused: int) -> None:
    """Undo the chain of payments at once: each gives back his share, gets his price.

    In between cancels out, so that the issuer gives what it first got, and a seller
    what he made, or gets what he lost. Escrows are emptied. Of a ticket used in part
    everybody gives the part that is left; rounding is the issuer's.
    """
    paid = story.paid_minor
    whole: Counter[str] = Counter({revenue_of(story): -paid})
    for move in story.standing:
        sale = move.sale
        if sale is None:
            continue
        amounts.update(sale.released(story.issuer_id, story.currency))
        paid_out = replace(sale, held=False)
        whole.update(paid_out.taken_back(story.issuer_id, story.currency))
        whole[f"purse/{sale.seller_id}"] += paid
        paid = sale.price_minor
    for account, amount in whole.items():
        amounts[account] += amount * unused // paid if paid else 0
    amounts[revenue_of(story)] -= sum(amounts.values())


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
