"""Selling a ticket on: listed under a cap, and its title moved with the money.

lock NONE ── list ──► LISTING ── start sale ──► SETTLEMENT
   ▲                    │  ▲ └─────────┐           │ │
   ├─ unlist, time over ┘  └─── abort ─┼───────────┘ │
   └── resell: the purchaser's, epoch+1 ◄────────────┘
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import (
    NO_LOCK,
    HoldEffect,
    Listing,
    Lock,
    LockKind,
)


class Resale(Core):
    """The commands and events of a resale."""

    @property
    def resale_cap_minor(self) -> int:
        """The highest price allowed: a share of what was first paid, rounded down.

        What was first paid includes the fees that could not be avoided.
        """
        return self.cap_basis_minor * self.terms.resale_cap_percent // 100

    @property
    def cap_basis_minor(self) -> int:
        return self.price_minor + self.fees_minor

    def list_for_resale(
        self,
        *,
        listing_id: UUID,
        by: UUID,
        price_minor: int,
        to: UUID | None,
        until: datetime,
        at: datetime,
    ) -> None:
        """List the ticket at a price: for everybody, or for one named purchaser."""
        self._require_owner(by)
        self._require_free(at)
        self.require_no_hold(HoldEffect.NO_TITLE)
        self._require_deadline(until, at)
        if not self.terms.resellable or to == by:
            decided = self.title_version if self.terms.resellable else 1
            because = self.names(decided)
            raise no.NotTransferable(moved="resold to this person", because=because)
        self._require_cut_off(self.terms.resale_until_s, "resold", at)
        self._require_price(price_minor)
        self.trigger_event(
            self.Listed,
            timestamp=at,
            listing_id=listing_id,
            price_minor=price_minor,
            cap_minor=self.resale_cap_minor,
            cap_basis_minor=self.cap_basis_minor,
            cap_percent=self.terms.resale_cap_percent,
            terms_version=self.terms.version,
            to_party_id=to,
            until=until,
        )

    class Listed(Core.Event):
        TOPIC = "e-ticket.listed"
        class_version = 2
        listing_id: UUID
        price_minor: int
        cap_minor: int
        cap_basis_minor: int
        cap_percent: int
        terms_version: int
        to_party_id: UUID | None
        until: datetime

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """The first rules had no number yet."""
            state["terms_version"] = 1

        def apply(self, aggregate: Resale) -> None:
            aggregate.listing = Listing(
                self.listing_id,
                self.price_minor,
                self.cap_minor,
                self.to_party_id,
                self.until,
                aggregate.epoch,
                self.originator_version,
            )
            aggregate._lock_listing()

    def reprice(
        self, *, listing_id: UUID, by: UUID, price_minor: int, at: datetime
    ) -> None:
        """Ask another price, under the cap in force now."""
        self._require_owner(by)
        self._require_lock(LockKind.LISTING, listing_id, "listing", at)
        self.require_no_hold(HoldEffect.NO_TITLE)
        self._require_price(price_minor)
        assert self.listing is not None
        if price_minor == self.listing.price_minor:
            raise no.NothingChanged
        self.trigger_event(
            self.Repriced,
            timestamp=at,
            listing_id=listing_id,
            price_minor=price_minor,
            cap_minor=self.resale_cap_minor,
            terms_version=self.terms.version,
        )

    class Repriced(Core.Event):
        TOPIC = "e-ticket.repriced"
        listing_id: UUID
        price_minor: int
        cap_minor: int
        terms_version: int

        def apply(self, aggregate: Resale) -> None:
            assert aggregate.listing is not None
            aggregate.listing = replace(
                aggregate.listing,
                price_minor=self.price_minor,
                cap_minor=self.cap_minor,
                version=self.originator_version,
            )
            aggregate._lock_listing()

    def unlist(self, *, listing_id: UUID, by: UUID, at: datetime) -> None:
        """Take a listing down as its seller; possible while a hold suspends it."""
        self._require_owner(by)
        self._require_lock(LockKind.LISTING, listing_id, "listing", at)
        self._withdraw_listing("withdrawn", at)

    def _withdraw_listing(self, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.Unlisted, timestamp=at, listing_id=self.lock.ref, reason=reason
        )

    class Unlisted(Core.Event):
        TOPIC = "e-ticket.unlisted"
        listing_id: UUID
        reason: str

        def apply(self, aggregate: Resale) -> None:
            aggregate.lock = NO_LOCK
            aggregate.listing = None

    def require_listing(self, listing_id: UUID, by: UUID, at: datetime) -> Listing:
        """Return the open listing; raise unless it is in time and open to `by`."""
        if self.lock.kind == LockKind.SETTLEMENT and self._is_listed_as(listing_id):
            raise self._locked()
        self._require_lock(LockKind.LISTING, listing_id, "listing", at)
        return self._require_open_to(by, at)

    def _is_listed_as(self, listing_id: UUID) -> bool:
        return self.listing is not None and self.listing.listing_id == listing_id

    def _require_open_to(self, by: UUID, at: datetime) -> Listing:
        listing = self.listing
        if listing is None:
            raise no.OfferUnknown(what="listing")
        if listing.to_party_id not in (None, by):
            raise no.NotYours(because=self.names(self.lock.version))
        if by == self.owner_id:
            because = self.names(self.title_version)
            raise no.NotTransferable(moved="resold to its owner", because=because)
        if listing.epoch != self.epoch:
            raise no.EpochStale(
                epoch=self.epoch,
                expected=listing.epoch,
                because=self.names(self.epoch_version),
            )
        self._require_in_validity(at)
        self._require_cut_off(self.terms.resale_until_s, "resold", at)
        return listing

    def start_sale(
        self,
        *,
        listing_id: UUID,
        sale_id: UUID,
        by: UUID,
        until: datetime,
        at: datetime,
    ) -> None:
        """Keep a listed ticket for a purchaser while his payment is under way."""
        self.require_listing(listing_id, by, at)
        self.require_no_hold(HoldEffect.NO_TITLE)
        self._require_deadline(until, at)
        self.trigger_event(
            self.SaleStarted,
            timestamp=at,
            listing_id=listing_id,
            sale_id=sale_id,
            buyer_id=by,
            until=until,
        )

    class SaleStarted(Core.Event):
        TOPIC = "e-ticket.sale-started"
        listing_id: UUID
        sale_id: UUID
        buyer_id: UUID
        until: datetime

        def apply(self, aggregate: Resale) -> None:
            # The fence is the sale's to keep: money may be under way beyond it.
            aggregate.lock = Lock(
                LockKind.SETTLEMENT, self.sale_id, None, self.originator_version
            )

    def abort_sale(self, *, sale_id: UUID, reason: str, at: datetime) -> None:
        """Give up a sale that was not paid; the listing stands while its time lasts."""
        self._require_lock(LockKind.SETTLEMENT, sale_id, "sale", at)
        self.trigger_event(
            self.SaleAborted, timestamp=at, sale_id=sale_id, reason=reason
        )
        self.settle_lock(at)

    class SaleAborted(Core.Event):
        TOPIC = "e-ticket.sale-aborted"
        sale_id: UUID
        reason: str

        def apply(self, aggregate: Resale) -> None:
            aggregate._lock_listing()

    def resell(
        self,
        *,
        listing_id: UUID,
        sale_id: UUID,
        entry_id: UUID | None,
        by: UUID,
        split_minor: Mapping[str, int],
        check_sealed: str | None,
        at: datetime,
        group: Collection[UUID] = (),
    ) -> None:
        """Sell to `by`; the caller records the postings in the same commit."""
        self.require_owned()
        self.require_no_hold(HoldEffect.NO_TITLE)
        if (self.lock.kind, self.lock.ref) == (LockKind.SETTLEMENT, sale_id):
            listing = self._require_open_to(by, at)
        else:
            listing = self.require_listing(listing_id, by, at)
        self._require_price(listing.price_minor)
        self._require_surrendered()
        self._require_group(frozenset(group))
        self.trigger_event(
            self.Resold,
            timestamp=at,
            listing_id=listing.listing_id,
            sale_id=sale_id,
            entry_id=entry_id,
            seller_id=self.owner_id,
            owner_id=by,
            price_minor=listing.price_minor,
            cap_minor=self.resale_cap_minor,
            cap_basis_minor=self.cap_basis_minor,
            cap_percent=self.terms.resale_cap_percent,
            terms_version=self.terms.version,
            split_minor=dict(split_minor),
            previous_title_version=self.title_version,
            check_sealed=check_sealed,
        )

    class Resold(Core.Event):
        TOPIC = "e-ticket.resold"
        class_version = 2
        listing_id: UUID
        sale_id: UUID
        entry_id: UUID | None
        seller_id: UUID
        owner_id: UUID
        price_minor: int
        cap_minor: int
        cap_basis_minor: int | None
        cap_percent: int | None
        terms_version: int
        split_minor: dict[str, int]
        previous_title_version: int
        check_sealed: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """What the cap was computed from then stood in the listing alone."""
            state |= {"cap_basis_minor": None, "cap_percent": None, "terms_version": 1}

        def apply(self, aggregate: Resale) -> None:
            aggregate._move_title(self, self.owner_id, self.check_sealed)

    def note_payout(self, *, sale_id: UUID, at: datetime) -> None:
        """Note that who sold it is paid now; a freeze at this moment comes first or
        after, never in between. The caller asks for holds."""
        self.trigger_event(self.SalePaidOut, timestamp=at, sale_id=sale_id)

    class SalePaidOut(Core.Event):
        TOPIC = "e-ticket.sale-paid-out"
        sale_id: UUID

    def _lock_listing(self) -> None:
        listing = self.listing
        assert listing is not None
        self.lock = Lock(
            LockKind.LISTING, listing.listing_id, listing.until, listing.version
        )

    def _require_price(self, price_minor: int) -> None:
        if price_minor < 0:
            raise no.BadPrice
        if price_minor > self.resale_cap_minor:
            raise no.CapExceeded(
                price_minor=price_minor,
                cap_minor=self.resale_cap_minor,
                because=self.names(1),
            )
