"""Plans what a decision undoes, along gift, resale, coupon, points and money. Pure.

The rules, which docs/disputes.md tells at length:

- A title goes back one event at a time, the newest first, each reversed once.
- A purchaser in good faith keeps what came to him through escrow; the wronged party
  gets the seller's proceeds, from escrow while they are there. A recipient of a gift
  is no such purchaser.
- What was used is not taken back: its worth is paid to the wronged party at once, and
  stays as a debt with whoever took it.
- Whoever paid last is paid back: by the one who sold to him, who is paid back in turn,
  and the first of them by the issuer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from uuid import UUID

from ledger.aggregates.case import refusals as no
from ledger.aggregates.case.charged_back import charged_back
from ledger.aggregates.case.plan import Plan, Step, StepKind
from ledger.aggregates.case.repaying import (
    compensation,
    debt,
    take_back_for_money,
)
from ledger.aggregates.case.states import Decision, DecisionKind
from ledger.aggregates.case.steps import debt_of, pay, revoke, take_back, undo_sale
from ledger.aggregates.case.story import (
    SELLER,
    CaseFacts,
    Move,
    SaleFacts,
    TicketStory,
)


def plan(facts: CaseFacts) -> Plan:
    """Plan the execution of a decision.

    Raises `NotReversible`, `NothingToReissue`, `UsedAlready`, `NotInTheCase`.
    """
    steps = tuple(_steps(facts))
    marks = (facts.mark, *(story.mark() for story in facts.tickets))
    return Plan(steps, marks)


def _steps(facts: CaseFacts) -> Iterator[Step]:
    decision = facts.decision
    if facts.chargeback is not None and decision.kind == DecisionKind.REVOKE:
        yield from charged_back(facts.tickets, facts.chargeback)
    elif decision.kind == DecisionKind.REVERSE_TO:
        yield from _reversals(facts.tickets, decision)
    elif decision.kind == DecisionKind.COMPENSATE:
        yield from compensation(facts.tickets, decision)
    elif decision.kind == DecisionKind.RECORD_DEBT:
        yield debt(decision)
    elif decision.kind != DecisionKind.UPHOLD:
        of_one = _OF_ONE[decision.kind]
        for story in facts.tickets:
            yield from of_one(story)


# Titles.


def _reversals(tickets: tuple[TicketStory, ...], decision: Decision) -> Iterator[Step]:
    left = {str(story.ticket_id): story for story in tickets}
    for event in decision.events:
        ticket_id, _, version = event.partition("/")
        story = left.pop(ticket_id, None)  # One event for each ticket.
        if story is None:
            raise no.NotInTheCase(ticket_id=ticket_id)
        if not version.isdigit():
            raise no.NotReversible(event=event)
        yield from _reverse_to(story, int(version), decision)


def _reverse_to(story: TicketStory, version: int, decision: Decision) -> Iterator[Step]:
    """Give the title back to whom it belonged after this event."""
    chain = story.standing
    place = next((i for i, move in enumerate(chain) if move.version == version), None)
    if place is None or place == len(chain) - 1:
        raise no.NotReversible(event=f"{story.ticket_id}/{version}")
    wronged, after = chain[place].to_id, chain[place + 1 :]
    if after[0].version in story.compensated_versions:
        raise no.NotReversible(event=f"{story.ticket_id}/{after[0].version}")
    kept = next((move.sale for move in after if _in_good_faith(move, decision)), None)
    if kept is not None:
        yield from _proceeds(story, kept, wronged, undone=after[0])
        return
    worth = story.worth_at(version)
    if story.is_usable:
        for move, before in zip(
            reversed(after), reversed(chain[place : len(chain) - 1]), strict=True
        ):
            yield take_back(story, move, before.to_id, worth)
            if move.sale is not None:
                yield undo_sale(story, move.sale)
        worth = story.used_after(after[0].version, worth)
    else:
        worth -= story.used_until(after[0].version, worth)
    if worth and not (after[0].sale is not None and after[0].sale.price_minor):
        yield _worth_of_use(story, worth, wronged=wronged, undone=after[0])


def _in_good_faith(move: Move, decision: Decision) -> bool:
    paid = move.sale is not None and move.sale.was_paid
    return paid and move.to_id not in decision.bad_faith


def _proceeds(
    story: TicketStory, sale: SaleFacts, wronged: UUID, *, undone: Move
) -> Iterator[Step]:
    """The title stays with the purchaser; what the seller made goes to the wronged."""
    amount = sale.shares.get(SELLER, 0)
    if not amount or wronged == sale.seller_id:
        return
    amounts = sale.from_seller(amount, story.currency)
    amounts[f"purse/{wronged}"] += amount
    yield pay(
        f"{sale.buyer_id} bought in good faith and keeps the title; the seller's"
        f" {amount} go to {wronged}.",
        currency=story.currency,
        amounts=amounts,
        story=story,
        version=undone.version,
        ref=f"sale/{sale.sale_id}",
    )


def _worth_of_use(
    story: TicketStory, worth: int, *, wronged: UUID, undone: Move
) -> Step:
    taker = undone.to_id
    return pay(
        f"What was used is paid for: {worth} to {wronged}, a debt of {taker}.",
        currency=story.currency,
        amounts={debt_of(taker, story.currency): -worth, f"purse/{wronged}": worth},
        story=story,
        version=undone.version,
    )


# Rights.


def _revocation(story: TicketStory) -> Iterator[Step]:
    if story.paper_usable:
        raise no.UsedAlready
    if not story.is_over:
        yield revoke(story)


def _reissue(story: TicketStory) -> Iterator[Step]:
    if story.life == "DISPENSED":
        kind, ref = StepKind.SURRENDER, story.serial
        says = "The paper is dead; the right is electronic again."
    elif story.life == "SPENT":
        kind, ref = StepKind.REINSTATE, None
        says = "The last use is taken back, and the rest is its owner's again."
    elif story.life in ("REVOKED", "EXPIRED"):
        kind, ref = StepKind.REINSTATE, None
        says = "The right is given back to its owner."
    elif story.is_usable and story.medium_uid is not None:
        kind, ref = StepKind.RECALL, story.medium_uid
        says = "The copy on the medium is dead; the right is electronic again."
    else:
        raise no.NothingToReissue
    yield Step(kind, says, ticket_id=story.ticket_id, ref=ref)


def _refund(story: TicketStory) -> Iterator[Step]:
    """End the ticket and pay whoever paid last, less what was used."""
    if story.paper_usable:
        raise no.UsedAlready
    yield from take_back_for_money(story)


_OF_ONE: Mapping[DecisionKind, Callable[[TicketStory], Iterator[Step]]] = {
    DecisionKind.REVOKE: _revocation,
    DecisionKind.REISSUE: _reissue,
    DecisionKind.REFUND: _refund,
}
