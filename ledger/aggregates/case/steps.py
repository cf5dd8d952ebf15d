"""Steps that several planners make, and how they name accounts."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from ledger.aggregates.case.plan import Posting, Step, StepKind
from ledger.aggregates.case.story import Move, SaleFacts, TicketStory


def take_back(story: TicketStory, move: Move, to_id: UUID, worth: int) -> Step:
    return Step(
        StepKind.REASSIGN,
        f"The title goes back to {to_id}, who had it before event {move.version}.",
        ticket_id=story.ticket_id,
        version=move.version,
        to_id=to_id,
        worth_minor=worth,
    )


def undo_sale(story: TicketStory, sale: SaleFacts) -> Step:
    """Everybody gives back his share of the price; the purchaser gets it."""
    back = sale.taken_back(story.issuer_id, story.currency)
    back[f"tenders/{sale.sale_id}"] += sale.price_minor
    return Step(
        StepKind.UNDO_SALE,
        f"The resale is undone: its price of {sale.price_minor} goes back.",
        ticket_id=story.ticket_id,
        ref=f"sale/{sale.sale_id}",
        currency=story.currency,
        postings=postings(back),
    )


def revoke(story: TicketStory) -> Step:
    return Step(
        StepKind.REVOKE,
        "The ticket is revoked; no copy of it is valid any more.",
        ticket_id=story.ticket_id,
        worth_minor=story.worth_at(story.moves[-1].version),
    )


def pay(
    says: str,
    *,
    currency: str,
    amounts: Mapping[str, int],
    story: TicketStory | None = None,
    version: int | None = None,
    ref: str | None = None,
) -> Step:
    return Step(
        StepKind.PAY,
        says,
        ticket_id=story.ticket_id if story else None,
        version=version,
        ref=ref,
        currency=currency,
        postings=postings(amounts),
    )


def postings(amounts: Mapping[str, int]) -> tuple[Posting, ...]:
    return tuple(
        Posting(account, amount)
        for account, amount in sorted(amounts.items())
        if amount
    )


def revenue_of(story: TicketStory) -> str:
    return f"revenue/{story.issuer_id}/{story.currency}"


def debt_of(party_id: UUID | None, currency: str) -> str:
    return f"debt/{party_id}/{currency}"
