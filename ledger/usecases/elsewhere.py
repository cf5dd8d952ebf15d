"""Sold elsewhere: a seller with a shop of its own tells the centre of a purchase.

  mandate by the issuer ──► register(reference) ──► e-tickets for the purchaser
                                  └── cancel, while nothing was used ──► returned

The seller has the purchaser's money. What he owes the issuer stands on
`receivable/{seller}`, what he may keep on `commission/{issuer}`; both are named in one
entry with the issuer's revenue, made in the commit that takes the places and issues
the tickets. The purchaser receives them as any owner does: sealed for his terminal.

One reference is one sale. Told again in the same words it is answered again and
nothing else happens; in other words it is refused (`idempotency`). The answers of a
holder are not compared: their hash would tell them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.offering import Offering
from ledger.aggregates.party import Party
from ledger.aggregates.registered_sale import (
    REFERENCE_PATTERN,
    BadReference,
    RegisteredSale,
    RegisteredSaleState,
    RegisteredSaleUnknown,
)
from ledger.application import Cause, Ledger, Work
from ledger.errors import Malformed, Unknown
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import (
    accounts,
    allowances,
    issuing,
    mandates,
    paying_back,
    stock,
    waiting,
)
from ledger.usecases.accounts import Leg
from ledger.vocabulary.ids import elsewhere_id
from ledger.vocabulary.money import Money, split


class PriceDiffers(Malformed):
    code = "malformed"
    says = "The seller took {taken_minor}, the issuer's price is {price_minor}."


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to a registration; the same again when it is told again."""

    sale_id: UUID
    ticket_ids: tuple[UUID, ...]
    price_minor: int
    commission_minor: int
    currency: str
    position: int


def register(
    ledger: Ledger,
    desk: StockDesk,
    personal: PersonalData,
    *,
    seller_id: UUID,
    reference: str,
    offering_id: UUID,
    purchaser_id: UUID,
    ticket_ids: Sequence[UUID],
    entry_id: UUID,
    taken: Money,
    at: datetime,
    cause: Cause,
    category: str | None = None,
    place: str | None = None,
    together: bool = False,
    answers: Sequence[str | None] = (),
) -> Registered:
    """Register a sale and issue its tickets to the purchaser, all in one commit.

    `taken` is what the seller took for all of them, fees included: the issuer's price,
    or it is refused. `ticket_ids` and `entry_id` are for a sale not told before; one
    that was keeps its own. Raises `NotMandated`, `ReferenceReused`, `PriceDiffers`,
    `LimitReached`, `SoldOut` and what refuses a sale that is not open.
    """
    if not REFERENCE_PATTERN.fullmatch(reference):
        raise BadReference
    digest = _digest(
        str(offering_id),
        str(purchaser_id),
        len(ticket_ids),
        category,
        place,
        together,
        taken.amount_minor,
        taken.currency,
    )
    work = ledger.work()
    sale_id = elsewhere_id(seller_id, reference)
    told = work.find(RegisteredSale, sale_id)
    if told is not None:
        told.require_same(digest)
        told.require_standing()
        return _answer(told, ledger.position())
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    percent = mandates.commission_percent(work, offering, seller_id)
    work.get(Party, purchaser_id, Unknown(what="party"))
    offering.require_on_sale(at=at)
    allowances.taken(
        work,
        offering_id=offering_id,
        party_id=purchaser_id,
        order_id=sale_id,
        count=len(ticket_ids),
        limit=offering.purchase_limit,
        until=at,
        at=at,
    )
    places = stock.take(
        work,
        desk,
        offering=offering,
        count=len(ticket_ids),
        category=category,
        place=place,
        together=together,
        ticket_ids=ticket_ids,
        at=at,
    )
    price = Money(
        sum(held.price_minor + held.fees_minor for held in places), offering.currency
    )
    if taken != price:
        raise PriceDiffers(taken_minor=taken, price_minor=price)
    kept_minor = split(price.amount_minor, [percent, 100 - percent])[0]
    entry = accounts.move(
        work,
        entry_id=entry_id,
        legs=_legs(offering.issuer_id, seller_id, price, kept_minor),
        reason="sold elsewhere",
        reference=f"elsewhere/{sale_id}",
        at=at,
    )
    sale = work.add(
        RegisteredSale.register(
            sale_id=sale_id,
            seller_id=seller_id,
            reference=reference,
            digest=digest,
            issuer_id=offering.issuer_id,
            offering_id=offering_id,
            purchaser_id=purchaser_id,
            ticket_ids=ticket_ids,
            price_minor=price.amount_minor,
            commission_minor=kept_minor,
            currency=price.currency,
            entry_id=entry.id if entry else None,
            at=at,
        )
    )
    issuing.issue(
        work,
        personal,
        offering=offering,
        places=places,
        ticket_ids=ticket_ids,
        owner_id=purchaser_id,
        source="elsewhere",
        group_id=sale_id,
        answers=answers,
        at=at,
    )
    allowances.bought(
        work,
        offering_id=offering_id,
        party_id=purchaser_id,
        order_id=sale_id,
        ticket_ids=ticket_ids,
        at=at,
    )
    return _answer(sale, work.record(cause))


def cancel(
    ledger: Ledger,
    desk: StockDesk,
    *,
    seller_id: UUID,
    reference: str,
    reason: str,
    entry_id: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Take a registered sale back as its seller, who returns the money himself.

    All its tickets end, if none was used, passed on, frozen or is in use; those that
    ended unused with a cancelled offering have ended already. Said again, nothing
    changes. Raises `NotOnePiece` and what refuses to void a ticket.
    """
    work = ledger.work()
    sale = work.get(
        RegisteredSale, elsewhere_id(seller_id, reference), RegisteredSaleUnknown()
    )
    if sale.state == RegisteredSaleState.CANCELLED:
        return ledger.position()
    price = Money(-sale.price_minor, sale.currency)
    entry = accounts.move(
        work,
        entry_id=entry_id,
        legs=_legs(sale.issuer_id, seller_id, price, -sale.commission_minor),
        reason="elsewhere returned",
        reference=f"elsewhere/{sale.id}",
        at=at,
    )
    sale.cancel(reason=reason, entry_id=entry.id if entry else None, at=at)
    for ticket_id in sale.ticket_ids:
        ticket = work.ticket(ticket_id)
        if not _was_called_off(work, ticket):
            paying_back.require_surrendered(ticket)
            ticket.void(reason=reason, at=at)
            paying_back.free(work, ticket, at=at)
    position = work.record(cause)
    waiting.serve(ledger, desk, offering_id=sale.offering_id, at=at, cause=cause)
    return position


@dataclass(frozen=True, slots=True)
class RegisteredNow:
    """A registered sale as it is; its tickets are the purchaser's."""

    sale_id: UUID
    seller_id: UUID
    issuer_id: UUID
    offering_id: UUID
    purchaser_id: UUID
    reference: str
    ticket_ids: tuple[UUID, ...]
    price_minor: int
    commission_minor: int
    currency: str
    state: str
    version: int


def look_at(ledger: Ledger, *, sale_id: UUID, by: UUID | None) -> RegisteredNow:
    """Tell a registered sale to its seller or the issuer, or to an auditor (None).

    To others it is not there: raises `RegisteredSaleUnknown`.
    """
    sale = ledger.find(RegisteredSale, sale_id)
    if sale is None or by not in (None, sale.seller_id, sale.issuer_id):
        raise RegisteredSaleUnknown
    return RegisteredNow(
        sale_id=sale.id,
        seller_id=sale.seller_id,
        issuer_id=sale.issuer_id,
        offering_id=sale.offering_id,
        purchaser_id=sale.purchaser_id,
        reference=sale.reference,
        ticket_ids=sale.ticket_ids,
        price_minor=sale.price_minor,
        commission_minor=sale.commission_minor,
        currency=sale.currency,
        state=sale.state,
        version=sale.version,
    )


# Below.


def _legs(
    issuer_id: UUID, seller_id: UUID, price: Money, commission_minor: int
) -> list[Leg]:
    """The seller owes the price without his commission; negative when it is undone."""
    currency = price.currency
    owed_minor = price.amount_minor - commission_minor
    return [
        Leg(accounts.revenue_of(issuer_id, currency), price),
        Leg(commission_of(issuer_id, currency), Money(-commission_minor, currency)),
        Leg(receivable_of(seller_id, currency), Money(-owed_minor, currency)),
    ]


def _was_called_off(work: Work, ticket: ETicket) -> bool:
    """Whether a cancelled offering has taken the ticket back, unused."""
    offering = work.get(Offering, ticket.offering_id, Unknown(what="offering"))
    unused = ticket.uses.redeemed == ticket.uses.reversed
    ended = ticket.life == Life.REFUNDED
    return bool(offering.cancelled_version) and ended and unused


def receivable_of(seller_id: UUID, currency: str) -> str:
    """Name what a seller has taken and owes; what he owes is negative."""
    return f"receivable/{seller_id}/{currency}"


def commission_of(issuer_id: UUID, currency: str) -> str:
    """Name what an issuer's sellers may keep."""
    return f"commission/{issuer_id}/{currency}"


def _digest(*said: str | int | None) -> str:
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _answer(sale: RegisteredSale, position: int) -> Registered:
    return Registered(
        sale.id,
        sale.ticket_ids,
        sale.price_minor,
        sale.commission_minor,
        sale.currency,
        position,
    )
