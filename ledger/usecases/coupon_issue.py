"""Coupons that an issuer hands out: to parties, or to who holds tickets of his.

Each coupon is a grant of its own, so that it can be looked up; all of them, and the
places they take, are one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import Life
from ledger.aggregates.offering import NotTheIssuer, Offering
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Malformed, Unknown
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import grants, stock

HOLDERS_MAX = 50


class NoCoupons(Malformed):
    code = "malformed"
    says = "The offering is of kind {kind}; only coupons are handed out like this."


class BadHolders(Malformed):
    code = "malformed"
    says = "Coupons go to 1 to {holders_max} parties or tickets, each named once."


@dataclass(frozen=True, slots=True)
class Holder:
    """Who gets a coupon: a party, or whoever holds a ticket; under which fresh ids."""

    coupon_id: UUID
    grant_id: UUID
    party_id: UUID | None = None
    ticket_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class HandedOut:
    """One coupon, and whose it is; `for_ticket_id` is the ticket it came with."""

    coupon_id: UUID
    grant_id: UUID
    party_id: UUID
    for_ticket_id: UUID | None
    right: str


@dataclass(frozen=True, slots=True)
class Issue:
    coupons: tuple[HandedOut, ...]
    position: int


def issue(
    ledger: Ledger,
    desk: StockDesk,
    personal: PersonalData,
    *,
    offering_id: UUID,
    by: UUID,
    holders: Sequence[Holder],
    at: datetime,
    cause: Cause,
    category: str | None = None,
) -> Issue:
    """Give every holder one coupon of an offering, as its issuer: all, or none.

    Raises `NotTheIssuer`, `NoCoupons`, `BadHolders`, `SoldOut`, and what refuses a
    ticket that has ended or an offering that is over.
    """
    named = {holder.party_id or holder.ticket_id for holder in holders}
    if not 1 <= len(named) == len(holders) <= HOLDERS_MAX:
        raise BadHolders(holders_max=HOLDERS_MAX)
    work = ledger.work()
    offering = work.get(Offering, offering_id, Unknown(what="offering"))
    if by != offering.issuer_id:
        raise NotTheIssuer(because=offering.names(1))
    if offering.kind != "coupon":
        raise NoCoupons(kind=offering.kind)
    grants.require_given(offering, at)
    owners = [_owner(work, holder, by) for holder in holders]
    places = stock.take(
        work,
        desk,
        offering=offering,
        count=len(holders),
        category=category,
        place=None,
        ticket_ids=[holder.coupon_id for holder in holders],
        at=at,
    )
    done = []
    for holder, owner_id, held in zip(holders, owners, places, strict=True):
        grants.give_within(
            work,
            personal,
            offering=offering,
            grant_id=holder.grant_id,
            to=owner_id,
            ticket_ids=[holder.coupon_id],
            places=[held],
            at=at,
        )
        done.append(
            HandedOut(
                holder.coupon_id,
                holder.grant_id,
                owner_id,
                holder.ticket_id,
                held.place,
            )
        )
    return Issue(tuple(done), work.record(cause))


def _owner(work: Work, holder: Holder, by: UUID) -> UUID:
    """Return whose the coupon is to be; a ticket's is its owner's of this moment."""
    if holder.ticket_id is None:
        assert holder.party_id is not None
        return work.get(Party, holder.party_id, Unknown(what="party")).id
    ticket = work.ticket(holder.ticket_id)
    if ticket.issuer_id != by:
        raise NotTheIssuer(because=ticket.names(1))
    if ticket.life != Life.DISPENSED:
        ticket.require_owned()
    return ticket.owner_id
