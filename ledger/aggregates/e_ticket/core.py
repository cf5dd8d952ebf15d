"""What all parts of an e-ticket share: its state, and what every command asks of it.

Commands may refuse; events may not, for they already happened, so every guard stands
in a command. A lease or an offer whose time is over counts as gone: the next command
first records its end.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from ledger.aggregates.base import Recorded, is_over
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.states import (
    ELECTRONIC,
    NO_LOCK,
    Binding,
    Form,
    FormKind,
    GiftOffer,
    Hold,
    HoldEffect,
    Lease,
    Life,
    Listing,
    Lock,
    LockKind,
    ModificationRequest,
    Redemption,
    Terms,
    Uses,
)
from ledger.errors import Conflict
from ledger.vocabulary.sealed_ticket import Kind


class Core(Recorded):
    """A ticket's state, and the guards over it."""

    if TYPE_CHECKING:  # The library would take annotations for an event's fields.
        offering_id: UUID
        issuer_id: UUID
        order_id: UUID | None
        owner_id: UUID
        kind: Kind
        title: str
        right: str
        category: str | None
        not_before: datetime
        not_after: datetime
        validity_version: int
        price_minor: int
        fees_minor: int
        currency: str
        terms: Terms
        question: int | None
        check_sealed: str | None
        uses: Uses
        life: Life
        life_version: int
        epoch: int
        epoch_version: int
        title_version: int
        reversed_versions: tuple[int, ...]
        lock: Lock
        holds: tuple[Hold, ...]
        form: Form
        offer: GiftOffer | None
        last_offer_id: UUID | None
        listing: Listing | None
        binding: Binding | None
        recalled: tuple[str, int, int] | None
        recalled_version: int
        lease: Lease | None
        print_serial: str | None
        dead_serials: tuple[str, ...]
        observed: tuple[str, ...]
        redemptions: dict[str, Redemption]
        reversals: tuple[str, ...]
        requests: dict[str, ModificationRequest]
        group_id: UUID | None
        group_size: int
        source: str
        points_spent: int
        points_earned: int
        predecessor_id: UUID | None
        successors: tuple[UUID, ...]

    class Event(Recorded.Event):
        """An event about one e-ticket."""

    @property
    def terms_hash(self) -> str:
        """Hash what a recipient accepts: all that the issuer may change, the terms."""
        validity = [self.not_before.isoformat(), self.not_after.isoformat()]
        says = [self.title, self.right, self.category]
        said = [says, validity, self.terms.as_dict(), self.question]
        canonical = json.dumps(said, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    @abstractmethod
    def settle_lock(self, at: datetime) -> None:
        """Record the end of a lock whose time is over."""

    @abstractmethod
    def _free_lease(self, reason: str, at: datetime) -> None:
        """Take the ticket from a machine that has not passed the point of no return."""

    @abstractmethod
    def _was_recalled(self, medium_uid: str, slot: int, epoch: int) -> bool:
        """Whether this copy was current until its medium ended."""

    @abstractmethod
    def _withdraw_listing(self, reason: str, at: datetime) -> None:
        """Take the listing down."""

    # What events do to the state.

    def _move_title(
        self, event: Recorded.Event, owner_id: UUID, check_sealed: str | None
    ) -> None:
        self.owner_id = owner_id
        self.check_sealed = check_sealed
        self.title_version = event.originator_version
        self.form = ELECTRONIC
        self.requests = {}
        self._unlock()
        self._next_epoch(event)

    def _unlock(self) -> None:
        """Nothing holds the ticket any more, nor is it offered."""
        self.lock = NO_LOCK
        self.offer = None
        self.listing = None
        self.binding = None
        self.lease = None
        self.print_serial = None

    def _end_lease(self) -> None:
        """A machine is done; an offer that stood behind its lease stands again."""
        self.lease = None
        self.print_serial = None
        self.lock = NO_LOCK if self.offer is None else gift_lock(self.offer)

    def _next_epoch(self, event: Recorded.Event) -> None:
        self.epoch += 1
        self.epoch_version = event.originator_version

    def _end(self, event: Recorded.Event, life: Life) -> None:
        self.life = life
        self.life_version = event.originator_version
        if self.form.serial is not None:
            self.dead_serials = (*self.dead_serials, self.form.serial)
        if life != Life.SPENT:  # A card goes on saying that its coupon is used up.
            self.form = ELECTRONIC
        self.requests = {}
        self._unlock()

    # What commands ask.

    def require_owned(self) -> None:
        """Raise unless the right is still to be used: not on paper, not ended."""
        if self.life == Life.DISPENSED:
            because = self.names(self.life_version)
            raise no.AlreadyDispensed(serial=self.form.serial, because=because)
        self._require_not_terminal()

    def _require_not_terminal(self) -> None:
        because = self.names(self.life_version)
        if self.life == Life.SPENT:
            raise no.AlreadyUsed(because=because)
        if self.life == Life.EXPIRED:
            not_after = self.not_after.isoformat()
            raise no.NoLongerValid(not_after=not_after, because=because)
        if self.life not in (Life.OWNED, Life.DISPENSED):
            raise no.Ended(life=self.life.lower(), because=because)

    def require_no_hold(self, effect: str) -> None:
        """Raise `Frozen` while a hold forbids this; `because` is every such hold."""
        found = [hold for hold in self.holds if effect in hold.effects]
        if found:
            versions = [hold.version for hold in found]
            raise no.Frozen(kind=found[0].kind, because=self.names(*versions))

    @property
    def is_held(self) -> bool:
        """Whether a hold forbids what the ticket is for: to be dispensed, or redeemed.

        The title may be frozen beside that, or flagged; a machine need not know.
        """
        use = use_of(self.kind)
        return any(use in hold.effects for hold in self.holds)

    def _require_free(self, at: datetime) -> None:
        """The right is still to be used, in time, and nothing holds it."""
        self._require_unlocked(at)
        self._require_in_validity(at)

    def _require_unlocked(self, at: datetime) -> None:
        self.require_owned()
        self.settle_lock(at)
        if self.lock.kind != LockKind.NONE:
            raise self._locked()

    def _require_interruptible(self) -> None:
        """A decision takes the ticket from everybody but a printer that prints."""
        if self.print_serial is not None:
            raise self._locked()

    def _locked(self) -> Conflict:
        return no.LOCKED[self.lock.kind](because=self.names(self.lock.version))

    def _require_owner(self, by: UUID) -> None:
        if by != self.owner_id:
            raise no.NotTheOwner(because=self.names(self.title_version))

    def _require_issuer(self, by: UUID | None) -> None:
        if by != self.issuer_id:
            raise no.NotTheIssuer(because=self.names(1))

    def _require_deadline(self, until: datetime, at: datetime) -> None:
        if is_over(until, at):
            raise no.BadDeadline(until=until.isoformat())

    def _require_cut_off(self, seconds: int | None, moved: str, at: datetime) -> None:
        """Raise `TooLate` from so many seconds before the ticket becomes valid."""
        until = self._cut_off(seconds)
        if until is not None and is_over(until, at):
            decided = dict.fromkeys((1, self.validity_version))
            raise no.TooLate(
                moved=moved, until=until.isoformat(), because=self.names(*decided)
            )

    def _cut_off(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else self.not_before - timedelta(seconds=seconds)

    def _require_lock(self, kind: LockKind, ref: UUID, what: str, at: datetime) -> None:
        """The lock must be this very one, and its time not over."""
        if (self.lock.kind, self.lock.ref) != (kind, ref):
            raise no.OfferUnknown(what=what)
        if self.lock.until is not None and is_over(self.lock.until, at):
            raise no.OfferExpired(
                what=what,
                until=self.lock.until.isoformat(),
                because=self.names(self.lock.version),
            )

    def _require_in_validity(self, at: datetime) -> None:
        if is_over(self.not_after, at):
            raise no.NoLongerValid(
                not_after=self.not_after.isoformat(),
                because=self.names(self.validity_version),
            )

    def _require_surrendered(self) -> None:
        """By policy the old owner's card is cleared before the title moves."""
        if self.form.kind == FormKind.ON_MEDIUM and self.terms.on_medium == "surrender":
            raise no.StillOnMedium(
                medium_uid=self.form.medium_uid, because=self.names(self.epoch_version)
            )

    def _require_group(self, moving: frozenset[UUID]) -> None:
        """What stays together moves together."""
        apart = len(moving | {self.id}) < self.group_size
        if self.terms.together and self.group_id is not None and apart:
            raise no.GroupTogether(group_size=self.group_size, because=self.names(1))

    def _require_usable(
        self,
        expected_epoch: int,
        medium_uid: str,
        slot: int,
        effect: HoldEffect,
        at: datetime,
    ) -> None:
        """A machine may have it: here, current, in time, not frozen, not in use.

        While it is offered as a gift its owner may still use it, if the terms say so.
        """
        self.require_owned()
        self.settle_lock(at)
        self.require_no_hold(effect)
        offered = self.lock.kind == LockKind.GIFT and self.terms.sender_use == "wins"
        if self.lock.kind != LockKind.NONE and not offered:
            raise self._locked()
        if not self.form.is_at(medium_uid, slot):
            raise no.NotOnThisMedium(because=self.names(self.epoch_version))
        if expected_epoch != self.epoch:
            raise no.EpochStale(
                epoch=self.epoch,
                expected=expected_epoch,
                because=self.names(self.epoch_version),
            )
        if at < self.not_before:
            raise no.NotYetValid(
                not_before=self.not_before.isoformat(),
                because=self.names(self.validity_version),
            )
        self._require_in_validity(at)

    def _require_lease(self, device_id: UUID, write_id: UUID | None = None) -> None:
        """The machine must be the one that holds the lease, the write its own."""
        lease = self.lease
        if lease is None or lease.device_id != device_id:
            raise no.OtherMachine(because=self.names(self.lock.version))
        if write_id is not None and write_id != lease.write_id:
            raise no.OtherWrite(because=self.names(self.lock.version))


def use_of(kind: Kind) -> HoldEffect:
    """Return what a hold must forbid for a ticket of this kind to be of no use."""
    return HoldEffect.NO_REDEEM if kind == "coupon" else HoldEffect.NO_DISPENSE


def gift_lock(offer: GiftOffer) -> Lock:
    """The lock of an open offer; a suspended one has no end while it waits."""
    until = offer.until if offer.suspended_at is None else None
    return Lock(LockKind.GIFT, offer.offer_id, until, offer.version)
