"""Plans what a decision undoes, along gift, resale, coupon, points and money. Pure.

The rules, which docs/disputes.md tells at length:

- A title goes back one event at a time, the newest first, each reversed once.
- A purchaser in good faith keeps what came to him through escrow; the wronged party
  gets the seller's proceeds, from escrow while they are there. A recipient of a gift
  is no such purchaser.
- What was used is not taken back: its worth is paid to the wronged party at once, and
  stays as a debt with whoever took it.
- Whoever paid last is paid back. The issuer gives what it first got; what sellers
  made or lost on the way is theirs to give or to get.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from uuid import UUID

from ledger.aggregates.case import refusals as no
from ledger.aggregates.case.plan import Plan, Posting, Step, StepKind
from ledger.aggregates.case.states import Decision, DecisionKind
from ledger.aggregates.case.story import (
    SELLER,
    CaseFacts,
    Chargeback,
    Move,
    SaleFacts,
    TicketStory,
)
from ledger.vocabulary.money import split


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
        yield from _charged_back(facts.tickets, facts.chargeback)
    elif decision.kind == DecisionKind.REVERSE_TO:
        yield from _reversals(facts.tickets, decision)
    elif decision.kind == DecisionKind.COMPENSATE:
        yield from _compensation(facts.tickets, decision)
    elif decision.kind == DecisionKind.RECORD_DEBT:
        yield _debt(decision)
    elif decision.kind != DecisionKind.UPHOLD:
        of_one = _OF_ONE[decision.kind]
        for story in facts.tickets:
            yield from of_one(story)


# Titles.


def _reversals(tickets: tuple[TicketStory, ...], decision: Decision) -> Iterator[Step]:
    by_id = {str(story.ticket_id): story for story in tickets}
    for event in decision.events:
        ticket_id, _, version = event.partition("/")
        if ticket_id not in by_id:
            raise no.NotInTheCase(ticket_id=ticket_id)
        if not version.isdigit():
            raise no.NotReversible(event=event)
        yield from _reverse_to(by_id[ticket_id], int(version), decision)


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
            yield _take_back(story, move, before.to_id, worth)
            if move.sale is not None:
                yield _undo_sale(story, move.sale)
        worth = story.used_after(after[0].version, worth)
    else:
        worth -= story.used_until(after[0].version, worth)
    if worth and after[0].sale is None:
        yield _worth_of_use(story, worth, wronged=wronged, undone=after[0])


def _in_good_faith(move: Move, decision: Decision) -> bool:
    return move.sale is not None and move.to_id not in decision.bad_faith


def _take_back(story: TicketStory, move: Move, to_id: UUID, worth: int) -> Step:
    return Step(
        StepKind.REASSIGN,
        f"The title goes back to {to_id}, who had it before event {move.version}.",
        ticket_id=story.ticket_id,
        version=move.version,
        to_id=to_id,
        worth_minor=worth,
    )


def _undo_sale(story: TicketStory, sale: SaleFacts) -> Step:
    """Everybody gives back his share of the price; the purchaser gets it."""
    back = sale.taken_back(story.issuer_id, story.currency)
    back[f"tenders/{sale.sale_id}"] += sale.price_minor
    return Step(
        StepKind.UNDO_SALE,
        f"The resale is undone: its price of {sale.price_minor} goes back.",
        ticket_id=story.ticket_id,
        ref=str(sale.sale_id),
        currency=story.currency,
        postings=_postings(back),
    )


def _proceeds(
    story: TicketStory, sale: SaleFacts, wronged: UUID, *, undone: Move
) -> Iterator[Step]:
    """The title stays with the purchaser; what the seller made goes to the wronged."""
    amount = sale.shares.get(SELLER, 0)
    if not amount or wronged == sale.seller_id:
        return
    amounts = sale.from_seller(amount, story.currency)
    amounts[f"purse/{wronged}"] += amount
    yield _pay(
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
    return _pay(
        f"What was used is paid for: {worth} to {wronged}, a debt of {taker}.",
        currency=story.currency,
        amounts={_debt_of(taker, story.currency): -worth, f"purse/{wronged}": worth},
        story=story,
        version=undone.version,
    )


# Rights.


def _revocation(story: TicketStory) -> Iterator[Step]:
    if story.paper_usable:
        raise no.UsedAlready
    if not story.is_over:
        yield _revoke(story)


def _revoke(story: TicketStory) -> Step:
    return Step(
        StepKind.REVOKE,
        "The ticket is revoked; no copy of it is valid any more.",
        ticket_id=story.ticket_id,
        worth_minor=story.worth_at(story.moves[-1].version),
    )


def _reissue(story: TicketStory) -> Iterator[Step]:
    if story.life == "DISPENSED":
        kind, ref = StepKind.SURRENDER, story.serial
        says = "The paper is dead; the right is electronic again."
    elif story.is_over:
        kind, ref = StepKind.REINSTATE, None
        says = "The right is given back to its owner."
    elif story.medium_uid is not None:
        kind, ref = StepKind.RECALL, story.medium_uid
        says = "The copy on the medium is dead; the right is electronic again."
    else:
        raise no.NothingToReissue
    yield Step(kind, says, ticket_id=story.ticket_id, ref=ref)


def refund(story: TicketStory) -> Iterator[Step]:
    """End the ticket and pay whoever paid last, less what was used."""
    if story.paper_usable:
        raise no.UsedAlready
    yield from take_back_for_money(story)


def take_back_for_money(story: TicketStory) -> Iterator[Step]:
    """End the ticket, on paper or not, and pay whoever paid last."""
    if story.is_over:
        return
    sale = story.last_sale
    paid = story.paid_minor if sale is None else sale.price_minor
    unused = paid - story.used_after(0, paid)
    source = sale.sale_id if sale is not None else story.order_id
    amounts = Counter({f"tenders/{source}": unused})
    if sale is None:
        amounts[_revenue_of(story)] -= unused
    else:
        _give_back_along(story, amounts, unused)
    yield Step(
        StepKind.REFUND,
        f"The ticket ends, and its last payer gets {unused} back.",
        ticket_id=story.ticket_id,
        ref=str(source),
        currency=story.currency,
        postings=_postings(amounts),
        worth_minor=paid,
    )


def _give_back_along(story: TicketStory, amounts: Counter[str], unused: int) -> None:
    """Undo the chain of payments at once: each gives back his share, gets his price.

    In between cancels out, so that the issuer gives what it first got, and a seller
    what he made, or gets what he lost. Of a ticket used in part everybody gives the
    part that is left; rounding is the issuer's.
    """
    paid = story.paid_minor
    whole: Counter[str] = Counter({_revenue_of(story): -paid})
    for move in story.standing:
        sale = move.sale
        if sale is None:
            continue
        whole.update(sale.taken_back(story.issuer_id, story.currency))
        whole[f"purse/{sale.seller_id}"] += paid
        paid = sale.price_minor
    for account, amount in whole.items():
        amounts[account] += amount * unused // paid if paid else 0
    amounts[_revenue_of(story)] -= sum(amounts.values())


# Money alone.


def _compensation(
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
            yield _pay(
                f"{decision.payee_id} is compensated with {amount} from escrow.",
                currency=currency,
                amounts=dict(sale.from_seller(amount, currency)) | {payee: amount},
                story=story,
                ref=f"sale/{sale.sale_id}",
            )
    if left:
        account = f"purse/{payer}" if payer else f"compensation/{currency}"
        yield _pay(
            f"{decision.payee_id} is compensated with {left}.",
            currency=currency,
            amounts={account: -left, payee: left},
        )


def _debt(decision: Decision) -> Step:
    amount, currency = decision.amount_minor, str(decision.currency)
    payee = decision.payee_id
    to = f"purse/{payee}" if payee else f"compensation/{currency}"
    return _pay(
        f"{decision.payer_id} owes {amount}.",
        currency=currency,
        amounts={_debt_of(decision.payer_id, currency): -amount, to: amount},
    )


def _charged_back(
    tickets: tuple[TicketStory, ...], chargeback: Chargeback
) -> Iterator[Step]:
    """A bank took the payment back: unused tickets end, used ones become a debt."""
    weights = [story.paid_minor for story in tickets]
    parts = split(chargeback.amount_minor, weights) if any(weights) else []
    if not parts:
        parts = [chargeback.amount_minor] + [0] * (len(tickets) - 1)
    for story, part in zip(tickets, parts, strict=True):
        bought = next((m.sale for m in story.standing if m.sale is not None), None)
        used = story.used_after(0, part)
        if story.is_over or story.paper_usable:
            used = part
        if bought is not None:
            yield _owed(story, chargeback, part, sale=bought)
        elif used == part and part:
            yield _owed(story, chargeback, part, sale=None)
        else:
            if used:
                yield _owed(story, chargeback, used, sale=None)
            yield _revoke(story)
            yield _pay(
                f"The issuer bears the {part - used} that were taken back.",
                currency=chargeback.currency,
                amounts={
                    chargeback.clearing: part - used,
                    _revenue_of(story): used - part,
                },
                story=story,
            )


def _owed(
    story: TicketStory, chargeback: Chargeback, part: int, *, sale: SaleFacts | None
) -> Step:
    """The purchaser owes it: what lies in escrow for him is taken first."""
    amounts: Counter[str] = Counter({chargeback.clearing: part})
    left = part
    if sale is not None and sale.held and sale.seller_id == chargeback.purchaser_id:
        from_escrow = min(left, sale.seller_held_minor)
        amounts.update(sale.from_seller(from_escrow, chargeback.currency))
        left -= from_escrow
    amounts[_debt_of(chargeback.purchaser_id, chargeback.currency)] -= left
    return _pay(
        f"The ticket is used or sold on; {chargeback.purchaser_id} owes {part}.",
        currency=chargeback.currency,
        amounts=amounts,
        story=story,
        ref=f"sale/{sale.sale_id}" if sale is not None else None,
    )


def _pay(
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
        postings=_postings(amounts),
    )


def _postings(amounts: Mapping[str, int]) -> tuple[Posting, ...]:
    return tuple(
        Posting(account, amount)
        for account, amount in sorted(amounts.items())
        if amount
    )


def _revenue_of(story: TicketStory) -> str:
    return f"revenue/{story.issuer_id}/{story.currency}"


def _debt_of(party_id: UUID | None, currency: str) -> str:
    return f"debt/{party_id}/{currency}"


_OF_ONE: Mapping[DecisionKind, Callable[[TicketStory], Iterator[Step]]] = {
    DecisionKind.REVOKE: _revocation,
    DecisionKind.REISSUE: _reissue,
    DecisionKind.REFUND: refund,
}
