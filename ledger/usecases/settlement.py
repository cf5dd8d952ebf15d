"""The steps of a sale, inside the caller's commit: begun, settled, or given up.

Escrow posting and titles are one step, so that neither is ever recorded without the
other. A sale whose fence is over is given up by the next command that meets it: no
money can have been taken for it, for a card is captured only after the titles moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket, HoldEffect, LockKind, Terms
from ledger.aggregates.offering import Offering
from ledger.aggregates.sale import (
    LINES_MAX,
    Line,
    NotOneSale,
    Sale,
    SaleState,
    SaleUnknown,
)
from ledger.application import Work
from ledger.errors import Conflict, Unknown
from ledger.ports import PersonalData
from ledger.usecases import allowances, groups, tenders
from ledger.usecases.accounts import E_MONEY, Leg, escrow_of
from ledger.usecases.answers import seal_answer
from ledger.usecases.tenders import BY_POINTS, Tender
from ledger.vocabulary.money import Money, split

SHARES = ("seller", "royalty", "platform", "tax")


class ListingVoid(Conflict):
    code = "epoch_stale"
    says = "The ticket was changed since it was listed; its owner has to list it anew."


@dataclass(frozen=True, slots=True)
class Wanted:
    """A listed ticket that somebody would buy, and his answer if it asks one."""

    ticket_id: UUID
    listing_id: UUID
    answer: str | None = None


def begin(
    work: Work,
    personal: PersonalData,
    *,
    sale_id: UUID,
    by: UUID,
    wanted: Sequence[Wanted],
    offered: Sequence[Tender] | None,
    until: datetime | None,
    at: datetime,
) -> Sale:
    """Begin a sale of listed tickets of one seller in one currency.

    `offered` are the tenders; without them the purchaser's purse pays. `until` is the
    fence of a payment that takes time.
    """
    if not 1 <= len({each.ticket_id for each in wanted}) == len(wanted) <= LINES_MAX:
        raise NotOneSale(what="seller", lines_max=LINES_MAX)
    lines = [_line(work, personal, each, by, at) for each in wanted]
    tickets = [work.ticket(line.ticket_id) for line in lines]
    first = tickets[0]
    if any(ticket.owner_id != first.owner_id for ticket in tickets):
        raise NotOneSale(what="seller", lines_max=LINES_MAX)
    if any(ticket.currency != first.currency for ticket in tickets):
        raise NotOneSale(what="currency", lines_max=LINES_MAX)
    price = Money(sum(line.price_minor for line in lines), first.currency)
    if offered is None:
        offered = [Tender(E_MONEY, price.amount_minor)] if price.amount_minor else []
    chosen = tenders.in_order(offered, price)
    _require_points(work, tickets, chosen, price)
    late = any(ticket.terms.payout == "after_start" for ticket in tickets)
    return work.add(
        Sale.initiate(
            sale_id=sale_id,
            buyer_id=by,
            seller_id=first.owner_id,
            currency=first.currency,
            lines=lines,
            tenders=[_stored(tender) for tender in chosen],
            payout="after_start" if late else "at_sale",
            until=until,
            at=at,
        )
    )


def _line(
    work: Work, personal: PersonalData, wanted: Wanted, by: UUID, at: datetime
) -> Line:
    ticket = ticket_of(work, wanted.ticket_id, at)
    _require_not_void(work, ticket, wanted.listing_id)
    listing = ticket.require_listing(wanted.listing_id, by, at)
    ticket.require_no_hold(HoldEffect.NO_TITLE)
    return Line(
        ticket_id=ticket.id,
        listing_id=listing.listing_id,
        offering_id=ticket.offering_id,
        issuer_id=ticket.issuer_id,
        price_minor=listing.price_minor,
        split_minor=shares_of(ticket.terms, listing.price_minor),
        # After the listing was asked: strangers do not learn the question.
        check_sealed=seal_answer(
            personal, holder_id=by, question=ticket.question, answer=wanted.answer
        ),
    )


def shares_of(terms: Terms, price_minor: int) -> dict[str, int]:
    """Divide a price among seller, issuer, platform and tax; the sum is exact."""
    fees = (terms.royalty_percent, terms.platform_percent, terms.tax_percent)
    parts = split(price_minor, [100 - sum(fees), *fees])
    return dict(zip(SHARES, parts, strict=True))


def settle(work: Work, sale: Sale, *, entry_id: UUID, at: datetime) -> None:
    """Put the money in escrow and move the titles: one step, one commit (R2)."""
    price, posted, paid = sale.price, None, []
    if price.amount_minor:
        posted = entry_id
        paid = tenders.capture(
            work,
            purpose_id=sale.id,
            payer_id=sale.buyer_id,
            tenders=tenders_of(sale),
            currency=sale.currency,
            programme_id=programme_of(sale),
            entry_id=entry_id,
            credits=[Leg(escrow_of(sale.id, sale.currency), price)],
            reason="resale",
            reference=f"sale/{sale.id}",
            held=sale.until is not None and not is_over(sale.until, at),
            at=at,
        )
    sold = {line.ticket_id for line in sale.lines}
    versions = {}
    for line in sale.lines:
        ticket = work.ticket(line.ticket_id)
        ticket.resell(
            listing_id=line.listing_id,
            sale_id=sale.id,
            entry_id=posted,
            by=sale.buyer_id,
            split_minor=line.split_minor,
            check_sealed=line.check_sealed,
            at=at,
            group=groups.moving_with(work, ticket, sold),
        )
        versions[line.ticket_id] = ticket.version
        allowances.moved(
            work,
            offering_id=ticket.offering_id,
            ticket_id=ticket.id,
            from_id=sale.seller_id,
            to_id=sale.buyer_id,
            at=at,
            resold=True,
            limit=allowances.limit_of(work, ticket.offering_id),
        )
    sale.escrow(
        entry_id=posted,
        paid=[each.as_dict() for each in paid],
        title_versions=versions,
        at=at,
    )


def abort(work: Work, sale: Sale, *, reason: str, at: datetime) -> None:
    """Give up an open sale: listings stand again, tenders are their owner's again."""
    sale.abort(reason=reason, at=at)
    for line in sale.lines:
        ticket = work.ticket(line.ticket_id)
        if (ticket.lock.kind, ticket.lock.ref) == (LockKind.SETTLEMENT, sale.id):
            ticket.abort_sale(sale_id=sale.id, reason=reason, at=at)
    tenders.undo(
        work,
        purpose_id=sale.id,
        payer_id=sale.buyer_id,
        tenders=tenders_of(sale),
        currency=sale.currency,
        programme_id=programme_of(sale),
        reason=reason,
        at=at,
    )


def ticket_of(work: Work, ticket_id: UUID, at: datetime) -> ETicket:
    """Return a ticket; a sale of it whose fence is over is given up with this."""
    ticket = work.ticket(ticket_id)
    if ticket.lock.kind == LockKind.SETTLEMENT and ticket.lock.ref is not None:
        sale = sale_of(work, ticket.lock.ref)
        if is_fence_over(work, sale, at):
            abort(work, sale, reason="the payment took too long", at=at)
    return ticket


def is_fence_over(work: Work, sale: Sale, at: datetime) -> bool:
    """Whether the tickets need not wait for the payment any longer.

    While a case keeps the titles from moving, a sale whose funds are held waits.
    """
    if sale.until is None or not is_over(sale.until, at):
        return False
    return sale.state == SaleState.INITIATED or not is_frozen(work, sale)


def is_frozen(work: Work, sale: Sale) -> bool:
    """Whether a hold keeps a title of this sale from moving."""
    return any(
        HoldEffect.NO_TITLE in hold.effects
        for line in sale.lines
        for hold in work.ticket(line.ticket_id).holds
    )


def sale_of(work: Work, sale_id: UUID) -> Sale:
    """Return a sale. Raises `SaleUnknown`."""
    return work.get(Sale, sale_id, SaleUnknown())


def tenders_of(sale: Sale) -> list[Tender]:
    """Return what the purchaser pays with, in the order in which it is held."""
    return [Tender.from_dict(tender) for tender in sale.tenders]


def programme_of(sale: Sale) -> UUID:
    """Points are of the programme of the issuer whose tickets are sold."""
    return sale.lines[0].issuer_id


def _stored(tender: Tender) -> dict[str, Any]:
    """Leave the card's token to the payment, which alone needs it."""
    kept = tender.as_dict()
    del kept["instrument"]
    return kept


def _require_points(
    work: Work, tickets: Sequence[ETicket], chosen: Sequence[Tender], price: Money
) -> None:
    """Points pay for one issuer's tickets, as the offering says at the moment."""
    if all(tender.kind != BY_POINTS for tender in chosen):
        return
    if len({ticket.issuer_id for ticket in tickets}) > 1:
        raise NotOneSale(what="issuer, if points pay", lines_max=LINES_MAX)
    for offering_id in {ticket.offering_id for ticket in tickets}:
        offering = work.get(Offering, offering_id, Unknown(what="offering"))
        tenders.require_points(
            chosen,
            price,
            point_value_minor=offering.point_value_minor,
            max_points_percent=offering.max_points_percent,
        )


def _require_not_void(work: Work, ticket: ETicket, listing_id: UUID) -> None:
    """Say of a listing that a modification took down what became of it (R6)."""
    if ticket.listing is not None and ticket.listing.listing_id == listing_id:
        return
    for _, event in work.ledger.events_of(ticket.id):
        if (
            isinstance(event, ETicket.Unlisted)
            and event.listing_id == listing_id
            and event.reason == "modified"
        ):
            raise ListingVoid(because=ticket.names(event.originator_version))
