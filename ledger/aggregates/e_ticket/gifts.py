"""Giving a ticket away: offered, and its title moved only when it is accepted.

lock NONE ── offer ──► GIFT ── accept ──► the recipient's, epoch+1
   ▲                    │ ▲
   ├ decline, withdraw ─┤ └─ resumed ── suspended by a hold: its clock stops
   └─ its time is over ─┘
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core, gift_lock
from ledger.aggregates.e_ticket.states import NO_LOCK, GiftOffer, HoldEffect, LockKind


class Gifts(Core):
    """The commands and events of a gift."""

    def offer_gift(
        self,
        *,
        offer_id: UUID,
        by: UUID,
        to: UUID | None,
        until: datetime,
        at: datetime,
        via: str = "centre",
        claim_hash: str | None = None,
    ) -> None:
        """Offer the ticket to a recipient, who alone may accept it.

        Without `to` the recipient is whoever presents the claim, a secret of which
        the log holds the SHA-256 in hex. `via` is "centre", which notifies and asks,
        or "direct", where the owner hands the offer over himself.
        """
        self._require_owner(by)
        self._require_free(at)
        self.require_no_hold(HoldEffect.NO_TITLE)
        self._require_deadline(until, at)
        if not self.terms.giftable or to == by:
            decided = self.title_version if self.terms.giftable else 1
            because = self.names(decided)
            raise no.NotTransferable(moved="given to this person", because=because)
        self._require_cut_off(self.terms.gift_until_s, "given", at)
        if to is None and claim_hash is None:
            raise no.NotTransferable(moved="given to nobody")
        self.trigger_event(
            self.GiftOffered,
            timestamp=at,
            offer_id=offer_id,
            to_party_id=to,
            terms_hash=self.terms_hash,
            until=until,
            via=via,
            claim_hash=claim_hash,
        )

    class GiftOffered(Core.Event):
        TOPIC = "e-ticket.gift-offered"
        class_version = 2
        offer_id: UUID
        to_party_id: UUID | None
        terms_hash: str
        until: datetime
        via: str
        claim_hash: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """At first every offer went to a known party, through the centre."""
            state["via"] = "centre"
            state["claim_hash"] = None

        def apply(self, aggregate: Gifts) -> None:
            offer = GiftOffer(
                self.offer_id,
                self.to_party_id,
                self.until,
                self.originator_version,
                self.via,
                self.claim_hash,
            )
            aggregate.offer = offer
            aggregate.last_offer_id = offer.offer_id
            aggregate.lock = gift_lock(offer)

    def require_offer(
        self, offer_id: UUID, by: UUID, at: datetime, claim: str | None = None
    ) -> None:
        """Raise unless this gift offer is open, in time, and bound to `by`."""
        offer = self.offer
        if offer is None or offer.offer_id != offer_id:
            raise no.OfferUnknown(what="gift offer")
        if not _is_bound_to(offer, by, claim):
            raise no.NotYours(because=self.names(offer.version))
        if offer.suspended_at is None and is_over(offer.until, at):
            raise no.OfferExpired(
                what="gift offer",
                until=offer.until.isoformat(),
                because=self.names(offer.version),
            )

    def accept_gift(
        self,
        *,
        offer_id: UUID,
        by: UUID,
        terms_hash: str,
        check_sealed: str | None,
        at: datetime,
        claim: str | None = None,
        group: Collection[UUID] = (),
    ) -> None:
        """Accept as the bound recipient, against the terms as they are now.

        `group` are the tickets of the same group that move in the same commit, or
        have ended before.
        """
        self.require_owned()
        self.require_offer(offer_id, by, at, claim)
        self._require_in_validity(at)
        if by == self.owner_id:
            because = self.names(self.title_version)
            raise no.NotTransferable(moved="given to its owner", because=because)
        self.settle_lock(at)
        self.require_no_hold(HoldEffect.NO_TITLE)
        if self.lock.kind != LockKind.GIFT:
            raise self._locked()
        self._require_cut_off(self.terms.gift_until_s, "given", at)
        if terms_hash != self.terms_hash:
            raise no.TermsChanged(because=self.names(self.epoch_version))
        self._require_surrendered()
        self._require_group(frozenset(group))
        self.trigger_event(
            self.GiftAccepted,
            timestamp=at,
            offer_id=offer_id,
            giver_id=self.owner_id,
            owner_id=by,
            previous_title_version=self.title_version,
            check_sealed=check_sealed,
        )

    class GiftAccepted(Core.Event):
        TOPIC = "e-ticket.gift-accepted"
        offer_id: UUID
        giver_id: UUID
        owner_id: UUID
        previous_title_version: int
        check_sealed: str | None

        def apply(self, aggregate: Gifts) -> None:
            aggregate._move_title(self, self.owner_id, self.check_sealed)

    def decline_gift(
        self, *, offer_id: UUID, by: UUID, at: datetime, claim: str | None = None
    ) -> None:
        """Decline as the bound recipient; possible while the offer is suspended."""
        self.require_offer(offer_id, by, at, claim)
        self.trigger_event(self.GiftDeclined, timestamp=at, offer_id=offer_id)

    class _OfferOver(Core.Event):
        TOPIC = "e-ticket.offer-over"
        offer_id: UUID

        def apply(self, aggregate: Gifts) -> None:
            aggregate.offer = None
            if aggregate.lock.kind == LockKind.GIFT:  # Else a machine is at it.
                aggregate.lock = NO_LOCK

    class GiftDeclined(_OfferOver):
        TOPIC = "e-ticket.gift-declined"

    def withdraw_gift(self, *, offer_id: UUID, by: UUID, at: datetime) -> None:
        """Take an offer back as its sender; possible while it is suspended."""
        self._require_owner(by)
        offer = self.offer
        if offer is None or offer.offer_id != offer_id:
            raise no.OfferUnknown(what="gift offer")
        if offer.suspended_at is None and is_over(offer.until, at):
            raise no.OfferExpired(
                what="gift offer",
                until=offer.until.isoformat(),
                because=self.names(offer.version),
            )
        self.trigger_event(self.GiftWithdrawn, timestamp=at, offer_id=offer_id)

    class GiftWithdrawn(_OfferOver):
        TOPIC = "e-ticket.gift-withdrawn"

    class GiftExpired(_OfferOver):
        TOPIC = "e-ticket.gift-expired"

    def _suspend_offer(self, case_id: UUID, at: datetime) -> None:
        """Stop the clock of an open offer, unless it has run out already."""
        offer = self.offer
        if offer is not None and offer.suspended_at is None:
            self.trigger_event(
                self.GiftSuspended,
                timestamp=at,
                offer_id=offer.offer_id,
                case_id=case_id,
            )

    class GiftSuspended(Core.Event):
        TOPIC = "e-ticket.gift-suspended"
        offer_id: UUID
        case_id: UUID

        def apply(self, aggregate: Gifts) -> None:
            assert aggregate.offer is not None
            aggregate._set_offer(replace(aggregate.offer, suspended_at=self.timestamp))

    def _resume_offer(self, at: datetime) -> None:
        """Let the clock run on, with the pause added, up to the cut-off."""
        offer = self.offer
        if offer is None or offer.suspended_at is None:
            return
        ends = [offer.until + (at - offer.suspended_at), self.not_after]
        cut_off = self._cut_off(self.terms.gift_until_s)
        self.trigger_event(
            self.GiftResumed,
            timestamp=at,
            offer_id=offer.offer_id,
            until=min([*ends, cut_off] if cut_off else ends),
        )

    class GiftResumed(Core.Event):
        TOPIC = "e-ticket.gift-resumed"
        offer_id: UUID
        until: datetime

        def apply(self, aggregate: Gifts) -> None:
            assert aggregate.offer is not None
            aggregate._set_offer(
                replace(aggregate.offer, until=self.until, suspended_at=None)
            )

    def suspend_gift(self, *, offer_id: UUID, case_id: UUID, at: datetime) -> None:
        """Stop the clock of this offer: a hold is on a ticket given together with it.

        Nothing happens if it stands still already, or is not offered so any more.
        """
        if self.offer is not None and self.offer.offer_id == offer_id:
            self._suspend_offer(case_id, at)

    def resume_gift(self, *, offer_id: UUID, at: datetime) -> None:
        """Let the clock of this offer run on, unless a hold is on this ticket."""
        held = any(HoldEffect.NO_TITLE in hold.effects for hold in self.holds)
        if not held and self.offer is not None and self.offer.offer_id == offer_id:
            self._resume_offer(at)

    def _set_offer(self, offer: GiftOffer) -> None:
        self.offer = offer
        if self.lock.kind == LockKind.GIFT:
            self.lock = gift_lock(offer)


def claim_digest(claim: str) -> str:
    """Return what the log holds of a claim: its SHA-256 in hex."""
    return hashlib.sha256(claim.encode()).hexdigest()


def _is_bound_to(offer: GiftOffer, by: UUID, claim: str | None) -> bool:
    if offer.to_party_id not in (None, by):
        return False
    if offer.claim_hash is None:
        return True
    return claim is not None and hmac.compare_digest(
        claim_digest(claim), offer.claim_hash
    )
