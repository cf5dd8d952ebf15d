"""What a ticket's title needs to move: gifts, resales, decisions.

lock NONE ─► GIFT ─► accepted            lock NONE ─► LISTING ─► SETTLEMENT ─► resold
reassigned: by a decision, from whoever owns it, unless a printer prints
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket, LockKind
from ledger.aggregates.e_ticket.states import GiftOffer, HoldEffect
from ledger.aggregates.rules.kernel import always, check, rule
from ledger.aggregates.rules.ticket import (
    check_title,
    require_free,
    require_lock,
    require_not_held,
)

# ---- gifts


@rule(ETicket.GiftOffered)
def gift_offered(ticket: ETicket, event: ETicket.GiftOffered) -> None:
    at = event.timestamp
    require_free(ticket, at)
    require_not_held(ticket, HoldEffect.NO_TITLE)
    ticket._require_deadline(event.until, at)
    ticket._require_cut_off(ticket.terms.gift_until_s, "given", at)
    check(ticket.terms.giftable, "its terms do not let it be given")
    check(event.to_party_id != ticket.owner_id, "it is offered to its owner")
    check(event.to_party_id or event.claim_hash, "it is offered to nobody")


@rule(ETicket.GiftAccepted)
def gift_accepted(ticket: ETicket, event: ETicket.GiftAccepted) -> None:
    at = event.timestamp
    ticket.require_owned()
    offer = _open_offer(ticket, event)
    check(offer.to_party_id in (None, event.owner_id), "it was offered to another")
    ticket._require_lock(LockKind.GIFT, event.offer_id, "gift offer", at)
    ticket._require_in_validity(at)
    require_not_held(ticket, HoldEffect.NO_TITLE)
    ticket._require_cut_off(ticket.terms.gift_until_s, "given", at)
    ticket._require_surrendered()
    _check_moved(ticket, event, event.giver_id)


@rule(ETicket.GiftDeclined, ETicket.GiftWithdrawn)
def offer_ended(ticket: ETicket, event: ETicket._OfferOver) -> None:
    _open_offer(ticket, event)


@rule(ETicket.GiftExpired)
def gift_expired(ticket: ETicket, event: ETicket.GiftExpired) -> None:
    require_lock(ticket, LockKind.GIFT, event.offer_id)
    until = ticket.lock.until
    check(until and is_over(until, event.timestamp), "its time is not over")


@rule(ETicket.GiftSuspended)
def gift_suspended(ticket: ETicket, event: ETicket.GiftSuspended) -> None:
    check(_offer(ticket, event).suspended_at is None, "its clock stands still")


@rule(ETicket.GiftResumed)
def gift_resumed(ticket: ETicket, event: ETicket.GiftResumed) -> None:
    require_not_held(ticket, HoldEffect.NO_TITLE)
    offer = _offer(ticket, event)
    check(offer.suspended_at is not None, "its clock runs")
    assert offer.suspended_at is not None
    paused = event.timestamp - offer.suspended_at
    check(event.until <= offer.until + paused, "more than the pause was added")
    check(event.until <= ticket.not_after, "it would outlast the ticket")


OfferEvent: TypeAlias = (
    ETicket.GiftAccepted
    | ETicket._OfferOver
    | ETicket.GiftSuspended
    | ETicket.GiftResumed
)


def _offer(ticket: ETicket, event: OfferEvent) -> GiftOffer:
    offer = ticket.offer
    if offer is None or offer.offer_id != event.offer_id:
        check(None, "there is no such offer")
    assert offer is not None
    return offer


def _open_offer(ticket: ETicket, event: OfferEvent) -> GiftOffer:
    """A suspended offer has no end while it waits."""
    offer = _offer(ticket, event)
    over = offer.suspended_at is None and is_over(offer.until, event.timestamp)
    check(not over, "the offer's time was over")
    return offer


# ---- resales


@rule(ETicket.Listed)
def listed(ticket: ETicket, event: ETicket.Listed) -> None:
    at = event.timestamp
    require_free(ticket, at)
    require_not_held(ticket, HoldEffect.NO_TITLE)
    ticket._require_deadline(event.until, at)
    ticket._require_cut_off(ticket.terms.resale_until_s, "resold", at)
    check(ticket.terms.resellable, "its terms do not let it be resold")
    check(event.to_party_id != ticket.owner_id, "it is listed for its owner")
    _check_price(ticket, event)


@rule(ETicket.Repriced)
def repriced(ticket: ETicket, event: ETicket.Repriced) -> None:
    at = event.timestamp
    ticket._require_lock(LockKind.LISTING, event.listing_id, "listing", at)
    require_not_held(ticket, HoldEffect.NO_TITLE)
    _check_price(ticket, event)
    asked = None if ticket.listing is None else ticket.listing.price_minor
    check(event.price_minor != asked, "it is the price asked before")


@rule(ETicket.Unlisted)
def unlisted(ticket: ETicket, event: ETicket.Unlisted) -> None:
    require_lock(ticket, LockKind.LISTING, event.listing_id)


@rule(ETicket.SaleStarted)
def sale_started(ticket: ETicket, event: ETicket.SaleStarted) -> None:
    at = event.timestamp
    ticket.require_listing(event.listing_id, event.buyer_id, at)
    require_not_held(ticket, HoldEffect.NO_TITLE)
    ticket._require_deadline(event.until, at)


@rule(ETicket.SaleAborted)
def sale_aborted(ticket: ETicket, event: ETicket.SaleAborted) -> None:
    require_lock(ticket, LockKind.SETTLEMENT, event.sale_id)


@rule(ETicket.Resold)
def resold(ticket: ETicket, event: ETicket.Resold) -> None:
    at = event.timestamp
    ticket.require_owned()
    require_not_held(ticket, HoldEffect.NO_TITLE)
    if (ticket.lock.kind, ticket.lock.ref) == (LockKind.SETTLEMENT, event.sale_id):
        listing = ticket._require_open_to(event.owner_id, at)
    else:
        listing = ticket.require_listing(event.listing_id, event.owner_id, at)
    check(event.listing_id == listing.listing_id, "it is another listing's sale")
    check(event.price_minor == listing.price_minor, "it is not the price asked")
    _check_price(ticket, event)
    shares = sum(event.split_minor.values())
    check(shares == event.price_minor or not event.split_minor, "shares do not sum up")
    ticket._require_surrendered()
    _check_moved(ticket, event, event.seller_id)


always(ETicket.SalePaidOut)  # The sale's own stream pays out once.


def _check_price(
    ticket: ETicket, event: ETicket.Listed | ETicket.Repriced | ETicket.Resold
) -> None:
    """Under the cap, and the cap computed from what was first paid."""
    ticket._require_price(event.price_minor)
    check(event.cap_minor == ticket.resale_cap_minor, "the cap is another")
    terms = ticket.terms
    check(event.terms_version == terms.version, "the terms were others")
    if isinstance(event, ETicket.Repriced) or event.cap_basis_minor is None:
        return  # The first version of a resale did not say what the cap came from.
    said = (event.cap_basis_minor, event.cap_percent)
    found = (ticket.cap_basis_minor, terms.resale_cap_percent)
    check(said == found, "the cap was computed from something else")


def _check_moved(
    ticket: ETicket, event: ETicket.GiftAccepted | ETicket.Resold, giver: UUID
) -> None:
    last = event.previous_title_version
    check_title(ticket, last=last, giver=giver, taker=event.owner_id)


# ---- decisions


@rule(ETicket.Reassigned)
def reassigned(ticket: ETicket, event: ETicket.Reassigned) -> None:
    ticket.require_owned()
    ticket._require_interruptible()
    undone = event.reverses_version
    if undone is not None:
        check(undone not in ticket.reversed_versions, "that was reversed before")
        check(1 <= undone <= ticket.version, "it reverses what has not happened")
    last, giver = event.previous_title_version, event.from_party_id
    check_title(ticket, last=last, giver=giver, taker=event.owner_id)
