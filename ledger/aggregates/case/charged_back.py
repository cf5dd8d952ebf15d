"""Plans what follows when a bank has taken a payment back for good. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from ledger.aggregates.case.plan import Step, StepKind
from ledger.aggregates.case.steps import (
    debt_of,
    pay,
    postings,
    revenue_of,
    revoke,
    take_back,
)
from ledger.aggregates.case.story import Chargeback, SaleFacts, TicketStory
from ledger.vocabulary.money import split


def charged_back(tickets: tuple[TicketStory, ...], bank: Chargeback) -> Iterator[Step]:
    """A bank took a payment back: what it paid for ends or goes back, if unused."""
    if not tickets:
        yield _paid_back_twice(bank)
        return
    if bank.sale_id is None:
        yield _borne(tickets[0], bank)
    for story, part in zip(tickets, _parts(tickets, bank), strict=True):
        if bank.sale_id is not None:
            yield from _sale_charged_back(story, bank, part)
        else:
            yield from _purchase_charged_back(story, bank, part)


def _borne(story: TicketStory, bank: Chargeback) -> Step:
    """What the bank took is the issuer's loss first: he had the money."""
    return pay(
        f"The bank took {bank.amount_minor}, at first from the issuer.",
        currency=bank.currency,
        amounts={
            bank.clearing: bank.amount_minor,
            revenue_of(story): -bank.amount_minor,
        },
        ref=_order_of(story),
    )


def _paid_back_twice(bank: Chargeback) -> Step:
    """Nothing came of the payment, or it was given back: the purchaser has it twice."""
    debtor = debt_of(bank.purchaser_id, bank.currency)
    return pay(
        f"The payment was given back before; {bank.purchaser_id} owes what the bank"
        f" took, {bank.amount_minor}.",
        currency=bank.currency,
        amounts={bank.clearing: bank.amount_minor, debtor: -bank.amount_minor},
    )


def _parts(tickets: tuple[TicketStory, ...], bank: Chargeback) -> list[int]:
    """Divide the amount by what the tickets had cost."""
    weights = [
        story.paid_minor if sale is None else sale.price_minor
        for story in tickets
        for sale in [_sale_of(story, bank.sale_id)]
    ]
    return split(bank.amount_minor, weights if any(weights) else [1] * len(tickets))


def _sale_of(story: TicketStory, sale_id: UUID | None) -> SaleFacts | None:
    sales = [move.sale for move in story.standing if move.sale is not None]
    return next((sale for sale in sales if sale.sale_id == sale_id), None)


def _purchase_charged_back(
    story: TicketStory, bank: Chargeback, part: int
) -> Iterator[Step]:
    """Unused it is revoked, used or sold on it is a debt of the purchaser.

    What other tenders than the card have paid for a ticket that is revoked goes back.
    """
    bought = next((m.sale for m in story.standing if m.sale is not None), None)
    if bought is not None or _is_gone(story):
        yield from _owed(story, bank, part, to=revenue_of(story), sale=bought)
        return
    used = story.used_after(0, part)
    yield from _owed(story, bank, used, to=revenue_of(story), sale=None)
    yield revoke(story)
    if story.order_id is not None:
        unused = story.paid_minor - story.used_after(0, story.paid_minor)
        rest = max(0, unused - (part - used))
        yield pay(
            f"The {rest} that the card had not paid go back to {story.purchaser_id}.",
            currency=bank.currency,
            amounts={f"tenders/{story.order_id}": rest, revenue_of(story): -rest},
            story=story,
            ref=_order_of(story),
        )


def _sale_charged_back(
    story: TicketStory, bank: Chargeback, part: int
) -> Iterator[Step]:
    """Unused the title goes back to the seller, and he gives the money back."""
    last = story.standing[-1]
    sale = last.sale
    mine = sale is not None and sale.sale_id == bank.sale_id
    if sale is None or not mine or not story.is_usable or part != sale.price_minor:
        yield from _owed(story, bank, part, to=bank.clearing, sale=None)
        return
    used = story.used_after(last.version, part)
    yield take_back(story, last, sale.seller_id, sale.price_minor)
    back = sale.taken_back(story.issuer_id, story.currency)
    back[bank.clearing] += part
    yield Step(
        StepKind.UNDO_SALE,
        f"The resale is undone; its price of {part} covers what the bank took.",
        ticket_id=story.ticket_id,
        ref=f"sale/{sale.sale_id}",
        currency=story.currency,
        postings=postings(back),
    )
    if used:
        amounts = {
            debt_of(bank.purchaser_id, bank.currency): -used,
            f"purse/{sale.seller_id}": used,
        }
        yield pay(
            f"{bank.purchaser_id} owes {used} for what he used.",
            currency=bank.currency,
            amounts=amounts,
            story=story,
            version=last.version,
        )


def _is_gone(story: TicketStory) -> bool:
    return story.is_over or story.paper_usable


def _owed(
    story: TicketStory,
    bank: Chargeback,
    part: int,
    *,
    to: str,
    sale: SaleFacts | None,
) -> Iterator[Step]:
    """The purchaser owes it: what lies in escrow for him is taken first."""
    if not part:
        return
    amounts: Counter[str] = Counter({to: part})
    left, escrowed = part, sale is not None and sale.held
    if sale is not None and escrowed and sale.seller_id == bank.purchaser_id:
        from_escrow = min(left, sale.seller_held_minor)
        amounts.update(sale.from_seller(from_escrow, bank.currency))
        left -= from_escrow
    amounts[debt_of(bank.purchaser_id, bank.currency)] -= left
    yield pay(
        f"The ticket is used or sold on; {bank.purchaser_id} owes {part}.",
        currency=bank.currency,
        amounts=amounts,
        story=story,
        ref=f"sale/{sale.sale_id}" if left != part and sale is not None else None,
    )


def _order_of(story: TicketStory) -> str | None:
    return f"order/{story.order_id}" if story.order_id is not None else None
