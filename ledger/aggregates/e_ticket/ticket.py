"""A ticket's life: who owns it, what holds it, and in which form it is valid.

            offer, list, write, dispense, redeem
  lock NONE ─────────────────────────────────────► lock GIFT | LISTING | …
      ▲                                               │
      └── withdraw, decline, expire, abort, unlist ───┤
      └── accept, resell: the next owner, epoch+1 ────┤
      └── written: form ON_MEDIUM, epoch+1 ───────────┤
  life DISPENSED or SPENT ◄── dispensed, redeemed ────┘

Commands may refuse; events may not, for they already happened, so every guard
stands in a command. A lease or an offer whose time is over counts as gone: the next
command first records its end.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded, is_over
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.states import (
    ELECTRONIC,
    NO_LOCK,
    SERIAL_PATTERN,
    Form,
    FormKind,
    GiftOffer,
    Lease,
    Life,
    Listing,
    Lock,
    LockKind,
    Terms,
    Uses,
)
from ledger.errors import Conflict
from ledger.vocabulary.sealed_ticket import RIGHT_MAX, Kind


class ETicket(Recorded):
    TOPIC = "e-ticket"

    class Event(Recorded.Event):
        """An event about one e-ticket."""

    # Title: issue, gift, resale. Each title event names the one before it.

    @classmethod
    def issue(
        cls,
        *,
        ticket_id: UUID,
        order_id: UUID,
        offering_id: UUID,
        issuer_id: UUID,
        owner_id: UUID,
        kind: Kind,
        title: str,
        right: str,
        not_before: datetime,
        not_after: datetime,
        price_minor: int,
        currency: str,
        uses_limit: int,
        terms: Terms,
        question: int | None,
        check_sealed: str | None,
        at: datetime,
    ) -> Self:
        """Issue a ticket to the purchaser, who is its owner from now on."""
        return cls._create(
            cls.Issued,
            id=ticket_id,
            timestamp=at,
            order_id=order_id,
            offering_id=offering_id,
            issuer_id=issuer_id,
            owner_id=owner_id,
            kind=kind,
            title=title,
            right=right,
            not_before=not_before,
            not_after=not_after,
            price_minor=price_minor,
            currency=currency,
            uses_limit=uses_limit,
            terms=terms.as_dict(),
            question=question,
            check_sealed=check_sealed,
        )

    class Issued(Event, FirstEvent):
        TOPIC = "e-ticket.issued"
        order_id: UUID
        offering_id: UUID
        issuer_id: UUID
        owner_id: UUID
        kind: Kind
        title: str
        right: str
        not_before: datetime
        not_after: datetime
        price_minor: int
        currency: str
        uses_limit: int
        terms: dict[str, Any]
        question: int | None
        check_sealed: str | None

    def __init__(
        self,
        *,
        offering_id: UUID,
        issuer_id: UUID,
        owner_id: UUID,
        kind: Kind,
        title: str,
        right: str,
        not_before: datetime,
        not_after: datetime,
        price_minor: int,
        currency: str,
        uses_limit: int,
        terms: dict[str, Any],
        question: int | None,
        check_sealed: str | None,
    ) -> None:
        self.offering_id = offering_id
        self.issuer_id = issuer_id
        self.owner_id = owner_id
        self.kind = kind
        self.title = title
        self.right = right
        self.not_before = not_before
        self.not_after = not_after
        self.price_minor = price_minor
        self.currency = currency
        self.terms = Terms.from_dict(terms)
        self.question = question
        self.check_sealed = check_sealed
        self.uses = Uses(uses_limit)
        self.life = Life.OWNED
        self.life_version = 1
        self.epoch = 1
        self.epoch_version = 1
        self.title_version = 1
        self.lock = NO_LOCK
        self.form = ELECTRONIC
        self.offer: GiftOffer | None = None
        self.listing: Listing | None = None
        self.print_serial: str | None = None
        self.lease: Lease | None = None
        self.redemptions: dict[str, str] = {}  # Receipts by session.

    @property
    def terms_hash(self) -> str:
        """Hash what a recipient accepts: the right, its validity, its terms."""
        validity = [self.not_before.isoformat(), self.not_after.isoformat()]
        said = [self.right, validity, self.terms.as_dict(), self.question]
        canonical = json.dumps(said, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def offer_gift(
        self, *, offer_id: UUID, by: UUID, to: UUID, until: datetime, at: datetime
    ) -> None:
        """Offer the ticket to a named recipient, who is asked whether he accepts."""
        self._require_owner(by)
        self._require_unlocked(at)
        self._require_in_validity(at)
        self._require_deadline(until, at)
        if not self.terms.giftable or to == by:
            raise no.NotTransferable(moved="given to this person")
        self.trigger_event(
            self.GiftOffered,
            timestamp=at,
            offer_id=offer_id,
            to_party_id=to,
            terms_hash=self.terms_hash,
            until=until,
        )

    class GiftOffered(Event):
        TOPIC = "e-ticket.gift-offered"
        offer_id: UUID
        to_party_id: UUID
        terms_hash: str
        until: datetime

        def apply(self, aggregate: ETicket) -> None:
            aggregate.offer = GiftOffer(self.offer_id, self.to_party_id, self.until)
            aggregate.lock = Lock(
                LockKind.GIFT, self.offer_id, self.until, self.originator_version
            )

    def accept_gift(
        self,
        *,
        offer_id: UUID,
        by: UUID,
        terms_hash: str,
        check_sealed: str | None,
        at: datetime,
    ) -> None:
        """Accept as the bound recipient, against the terms as they are now."""
        self.require_offer(offer_id, by, at)
        if terms_hash != self.terms_hash:
            raise no.TermsChanged(because=self.names(self.epoch_version))
        if self.form.kind == FormKind.ON_MEDIUM and self.terms.on_medium == "surrender":
            raise no.StillOnMedium(
                medium_uid=self.form.medium_uid, because=self.names(self.epoch_version)
            )
        self.trigger_event(
            self.GiftAccepted,
            timestamp=at,
            offer_id=offer_id,
            giver_id=self.owner_id,
            owner_id=by,
            previous_title_version=self.title_version,
            check_sealed=check_sealed,
        )

    class GiftAccepted(Event):
        TOPIC = "e-ticket.gift-accepted"
        offer_id: UUID
        giver_id: UUID
        owner_id: UUID
        previous_title_version: int
        check_sealed: str | None

        def apply(self, aggregate: ETicket) -> None:
            aggregate._move_title(self, self.owner_id, self.check_sealed)

    def decline_gift(self, *, offer_id: UUID, by: UUID, at: datetime) -> None:
        self.require_offer(offer_id, by, at)
        self.trigger_event(self.GiftDeclined, timestamp=at, offer_id=offer_id)

    class _OfferOver(Event):
        TOPIC = "e-ticket.offer-over"
        offer_id: UUID

        def apply(self, aggregate: ETicket) -> None:
            aggregate.lock = NO_LOCK
            aggregate.offer = None

    class GiftDeclined(_OfferOver):
        TOPIC = "e-ticket.gift-declined"

    def withdraw_gift(self, *, offer_id: UUID, by: UUID, at: datetime) -> None:
        self._require_owner(by)
        self._require_lock(LockKind.GIFT, offer_id, "gift offer", at)
        self.trigger_event(self.GiftWithdrawn, timestamp=at, offer_id=offer_id)

    class GiftWithdrawn(_OfferOver):
        TOPIC = "e-ticket.gift-withdrawn"

    class GiftExpired(_OfferOver):
        TOPIC = "e-ticket.gift-expired"

    @property
    def resale_cap_minor(self) -> int:
        """The highest price allowed: a share of what was first paid, rounded down."""
        return self.price_minor * self.terms.resale_cap_percent // 100

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
        self._require_unlocked(at)
        self._require_in_validity(at)
        self._require_deadline(until, at)
        if not self.terms.resellable or to == by:
            raise no.NotTransferable(moved="resold to this person")
        if price_minor < 0:
            raise no.BadPrice
        if price_minor > self.resale_cap_minor:
            raise no.CapExceeded(
                price_minor=price_minor,
                cap_minor=self.resale_cap_minor,
                because=self.names(1),
            )
        self.trigger_event(
            self.Listed,
            timestamp=at,
            listing_id=listing_id,
            price_minor=price_minor,
            cap_minor=self.resale_cap_minor,
            cap_basis_minor=self.price_minor,
            cap_percent=self.terms.resale_cap_percent,
            to_party_id=to,
            until=until,
        )

    class Listed(Event):
        TOPIC = "e-ticket.listed"
        listing_id: UUID
        price_minor: int
        cap_minor: int
        cap_basis_minor: int
        cap_percent: int
        to_party_id: UUID | None
        until: datetime

        def apply(self, aggregate: ETicket) -> None:
            aggregate.listing = Listing(
                self.listing_id,
                self.price_minor,
                self.cap_minor,
                self.to_party_id,
                self.until,
            )
            aggregate.lock = Lock(
                LockKind.LISTING, self.listing_id, self.until, self.originator_version
            )

    def unlist(self, *, listing_id: UUID, by: UUID, at: datetime) -> None:
        self._require_owner(by)
        self._require_lock(LockKind.LISTING, listing_id, "listing", at)
        self._unlist("withdrawn", at)

    def _unlist(self, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.Unlisted, timestamp=at, listing_id=self.lock.ref, reason=reason
        )

    class Unlisted(Event):
        TOPIC = "e-ticket.unlisted"
        listing_id: UUID
        reason: str

        def apply(self, aggregate: ETicket) -> None:
            aggregate.lock = NO_LOCK
            aggregate.listing = None

    def resell(
        self,
        *,
        listing_id: UUID,
        sale_id: UUID,
        entry_id: UUID | None,
        by: UUID,
        split_minor: dict[str, int],
        check_sealed: str | None,
        at: datetime,
    ) -> None:
        """Sell to `by`; the caller records the postings in the same commit."""
        listing = self.require_listing(listing_id, by, at)
        if self.form.kind == FormKind.ON_MEDIUM and self.terms.on_medium == "surrender":
            raise no.StillOnMedium(
                medium_uid=self.form.medium_uid, because=self.names(self.epoch_version)
            )
        self.trigger_event(
            self.Resold,
            timestamp=at,
            listing_id=listing_id,
            sale_id=sale_id,
            entry_id=entry_id,
            seller_id=self.owner_id,
            owner_id=by,
            price_minor=listing.price_minor,
            cap_minor=listing.cap_minor,
            split_minor=split_minor,
            previous_title_version=self.title_version,
            check_sealed=check_sealed,
        )

    class Resold(Event):
        TOPIC = "e-ticket.resold"
        listing_id: UUID
        sale_id: UUID
        entry_id: UUID | None
        seller_id: UUID
        owner_id: UUID
        price_minor: int
        cap_minor: int
        split_minor: dict[str, int]
        previous_title_version: int
        check_sealed: str | None

        def apply(self, aggregate: ETicket) -> None:
            aggregate._move_title(self, self.owner_id, self.check_sealed)

    # Content.

    def modify(self, *, by: UUID, right: str, reason: str, at: datetime) -> None:
        """Change what the ticket is for, as its issuer. Every copy becomes stale."""
        if by != self.issuer_id:
            raise no.NotTheIssuer
        check_right(right)
        self.require_owned()
        self.settle_lock(at)
        if self.lock.kind not in (LockKind.NONE, LockKind.GIFT, LockKind.LISTING):
            raise self._locked()
        if right == self.right:
            raise no.NothingChanged
        if self.lock.kind == LockKind.LISTING:
            self._unlist("modified", at)
        self.trigger_event(
            self.Modified,
            timestamp=at,
            right=right,
            previous_right=self.right,
            reason=reason,
        )

    class Modified(Event):
        TOPIC = "e-ticket.modified"
        right: str
        previous_right: str
        reason: str

        def apply(self, aggregate: ETicket) -> None:
            aggregate.right = self.right
            aggregate._next_epoch(self)

    # Media: a ticket rests in at most one slot of one medium.

    def prepare_write(
        self,
        *,
        write_id: UUID,
        medium_uid: str,
        slot: int,
        seq: int,
        by: UUID,
        at: datetime,
    ) -> None:
        """Bind the ticket to a slot; in doubt until the card's proof arrives."""
        self._require_owner(by)
        self._require_unlocked(at)
        if self.form.kind != FormKind.ELECTRONIC:
            raise no.StillOnMedium(
                medium_uid=self.form.medium_uid, because=self.names(self.epoch_version)
            )
        self.trigger_event(
            self.MediumWritePrepared,
            timestamp=at,
            write_id=write_id,
            medium_uid=medium_uid,
            slot=slot,
            seq=seq,
            epoch=self.epoch + 1,
        )

    class MediumWritePrepared(Event):
        TOPIC = "e-ticket.medium-write-prepared"
        write_id: UUID
        medium_uid: str
        slot: int
        seq: int
        epoch: int

        def apply(self, aggregate: ETicket) -> None:
            # The epoch is spent now: what is sent carries it, whatever becomes of it.
            aggregate._next_epoch(self)
            aggregate.lock = Lock(
                LockKind.CARD_WRITE, self.write_id, None, self.originator_version
            )

    def confirm_write(
        self, *, write_id: UUID, medium_uid: str, slot: int, epoch: int, at: datetime
    ) -> None:
        """Record what a card has proven: this ticket stands in this slot.

        A refresh that was overtaken by a newer epoch is no news about this ticket:
        its slot is simply stale again.
        """
        here = self._is_writing(write_id) or self.form.is_at(medium_uid, slot)
        if here and epoch == self.epoch:
            self.trigger_event(
                self.WrittenToMedium,
                timestamp=at,
                write_id=write_id,
                medium_uid=medium_uid,
                slot=slot,
                epoch=epoch,
            )

    class WrittenToMedium(Event):
        TOPIC = "e-ticket.written-to-medium"
        write_id: UUID
        medium_uid: str
        slot: int
        epoch: int

        def apply(self, aggregate: ETicket) -> None:
            if aggregate._is_writing(self.write_id):
                aggregate.lock = NO_LOCK
            aggregate.form = Form(FormKind.ON_MEDIUM, self.medium_uid, self.slot)

    def abort_write(self, *, write_id: UUID, at: datetime) -> None:
        if self._is_writing(write_id):
            self.trigger_event(self.MediumWriteAborted, timestamp=at, write_id=write_id)

    class MediumWriteAborted(Event):
        TOPIC = "e-ticket.medium-write-aborted"
        write_id: UUID

        def apply(self, aggregate: ETicket) -> None:
            aggregate.lock = NO_LOCK
            # A card that kept it nevertheless must not hold the current epoch.
            aggregate._next_epoch(self)

    def release_from_medium(
        self, *, write_id: UUID, medium_uid: str, slot: int, at: datetime
    ) -> None:
        """Record that a card's slot was cleared of this ticket, if it was there."""
        if self.life == Life.OWNED and self.form.is_at(medium_uid, slot):
            self.trigger_event(
                self.ReleasedFromMedium,
                timestamp=at,
                write_id=write_id,
                medium_uid=medium_uid,
                slot=slot,
            )

    class ReleasedFromMedium(Event):
        TOPIC = "e-ticket.released-from-medium"
        write_id: UUID
        medium_uid: str
        slot: int

        def apply(self, aggregate: ETicket) -> None:
            aggregate.form = ELECTRONIC
            aggregate._next_epoch(self)

    # Dispensing: lease, mark on the card, authorise, print, record.

    def start_dispense(
        self,
        *,
        job_id: UUID,
        write_id: UUID,
        device_id: UUID,
        expected_epoch: int,
        medium_uid: str,
        slot: int,
        until: datetime,
        at: datetime,
    ) -> None:
        """Lease the ticket to a dispenser that has it before it on a card."""
        if self.kind != "admission":
            raise no.NoAdmission
        self._require_usable(expected_epoch, medium_uid, slot, at)
        self.trigger_event(
            self.DispenseStarted,
            timestamp=at,
            job_id=job_id,
            write_id=write_id,
            device_id=device_id,
            expected_epoch=expected_epoch,
            medium_uid=medium_uid,
            slot=slot,
            until=until,
        )

    class DispenseStarted(Event):
        TOPIC = "e-ticket.dispense-started"
        job_id: UUID
        write_id: UUID
        device_id: UUID
        expected_epoch: int
        medium_uid: str
        slot: int
        until: datetime

        def apply(self, aggregate: ETicket) -> None:
            aggregate.print_serial = None
            aggregate.lease = Lease(self.device_id, self.write_id)
            aggregate.lock = Lock(
                LockKind.DISPENSE, self.job_id, self.until, self.originator_version
            )

    def authorise_print(
        self,
        *,
        job_id: UUID,
        write_id: UUID,
        device_id: UUID,
        serial: str,
        at: datetime,
    ) -> None:
        """Allow one numbered paper, after the card's slot is marked.

        From here on the lease does not run out: what became of the paper is in doubt
        until the dispenser says so.
        """
        check_serial(serial)
        self.require_owned()
        self._require_lock(LockKind.DISPENSE, job_id, "dispense job", at)
        self._require_lease(device_id, write_id)
        if self.print_serial == serial:
            return
        if self.print_serial is not None:
            raise no.SerialMismatch(
                serial=self.print_serial, because=self.names(self.lock.version)
            )
        self.trigger_event(
            self.PrintAuthorised, timestamp=at, job_id=job_id, serial=serial
        )

    class PrintAuthorised(Event):
        TOPIC = "e-ticket.print-authorised"
        job_id: UUID
        serial: str

        def apply(self, aggregate: ETicket) -> None:
            aggregate.print_serial = self.serial
            aggregate.lock = Lock(
                LockKind.DISPENSE, self.job_id, None, self.originator_version
            )

    def abort_dispense(
        self, *, job_id: UUID, device_id: UUID, reason: str, at: datetime
    ) -> None:
        """End a lease without a paper; the card's slot is restored at its next tap."""
        self.require_owned()
        self._require_lock(LockKind.DISPENSE, job_id, "dispense job", at)
        self._require_lease(device_id)
        self._abort_dispense(reason, at)

    def _abort_dispense(self, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.DispenseAborted, timestamp=at, job_id=self.lock.ref, reason=reason
        )

    class DispenseAborted(Event):
        TOPIC = "e-ticket.dispense-aborted"
        job_id: UUID
        reason: str

        def apply(self, aggregate: ETicket) -> None:
            aggregate.lock = NO_LOCK
            aggregate.lease = None
            aggregate.print_serial = None

    def dispense(
        self,
        *,
        job_id: UUID,
        serial: str,
        device_id: UUID,
        device_time: datetime | None,
        at: datetime,
    ) -> None:
        """Record the paper that was printed; said twice, it is recorded once."""
        if self.life == Life.DISPENSED and self.form.serial == serial:
            return
        self.require_owned()
        self._require_lock(LockKind.DISPENSE, job_id, "dispense job", at)
        self._require_lease(device_id)
        if self.print_serial != serial:
            raise no.SerialMismatch(
                serial=self.print_serial, because=self.names(self.lock.version)
            )
        self.trigger_event(
            self.Dispensed,
            timestamp=at,
            job_id=job_id,
            serial=serial,
            device_id=device_id,
            device_time=device_time,
        )

    class Dispensed(Event):
        TOPIC = "e-ticket.dispensed"
        job_id: UUID
        serial: str
        device_id: UUID
        device_time: datetime | None

        def apply(self, aggregate: ETicket) -> None:
            aggregate.life = Life.DISPENSED
            aggregate.life_version = self.originator_version
            aggregate.form = Form(FormKind.PAPER, serial=self.serial)
            aggregate.lock = NO_LOCK
            aggregate.lease = None
            aggregate._next_epoch(self)

    # Coupons: redeemed with a purchase, use by use.

    def start_redemption(
        self,
        *,
        session_id: UUID,
        write_id: UUID,
        device_id: UUID,
        expected_epoch: int,
        medium_uid: str,
        slot: int,
        receipt: str,
        purchase_minor: int,
        currency: str,
        until: datetime,
        at: datetime,
    ) -> None:
        """Lease one use of a coupon to a point of sale."""
        if self.kind != "coupon":
            raise no.NoCoupon
        if receipt in self.redemptions.values():
            raise no.ReceiptUsed(receipt=receipt)
        self._require_usable(expected_epoch, medium_uid, slot, at)
        self.trigger_event(
            self.RedemptionStarted,
            timestamp=at,
            session_id=session_id,
            write_id=write_id,
            device_id=device_id,
            medium_uid=medium_uid,
            slot=slot,
            receipt=receipt,
            purchase_minor=purchase_minor,
            currency=currency,
            until=until,
        )

    class RedemptionStarted(Event):
        TOPIC = "e-ticket.redemption-started"
        session_id: UUID
        write_id: UUID
        device_id: UUID
        medium_uid: str
        slot: int
        receipt: str
        purchase_minor: int
        currency: str
        until: datetime

        def apply(self, aggregate: ETicket) -> None:
            aggregate.lease = Lease(self.device_id, self.write_id, self.receipt)
            aggregate.lock = Lock(
                LockKind.REDEMPTION,
                self.session_id,
                self.until,
                self.originator_version,
            )

    def release_redemption(
        self,
        *,
        session_id: UUID,
        write_id: UUID,
        device_id: UUID,
        reason: str,
        at: datetime,
    ) -> None:
        self._require_lock(LockKind.REDEMPTION, session_id, "redemption", at)
        self._require_lease(device_id, write_id)
        self._release_redemption(reason, at)

    def _release_redemption(self, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.RedemptionReleased,
            timestamp=at,
            session_id=self.lock.ref,
            reason=reason,
        )

    class RedemptionReleased(Event):
        TOPIC = "e-ticket.redemption-released"
        session_id: UUID
        reason: str

        def apply(self, aggregate: ETicket) -> None:
            aggregate.lock = NO_LOCK
            aggregate.lease = None

    def redeem(
        self, *, session_id: UUID, write_id: UUID, device_id: UUID, at: datetime
    ) -> None:
        """Record one use, after the card's slot was updated; said twice, used once."""
        if str(session_id) in self.redemptions:
            return
        self.require_owned()
        self._require_lock(LockKind.REDEMPTION, session_id, "redemption", at)
        self._require_lease(device_id, write_id)
        self.trigger_event(
            self.CouponRedeemed,
            timestamp=at,
            session_id=session_id,
            receipt=self.lease.receipt if self.lease else "",
            device_id=device_id,
        )

    class CouponRedeemed(Event):
        TOPIC = "e-ticket.coupon-redeemed"
        session_id: UUID
        receipt: str
        device_id: UUID

        def apply(self, aggregate: ETicket) -> None:
            aggregate.uses.redeemed += 1
            aggregate.redemptions[str(self.session_id)] = self.receipt
            aggregate.lock = NO_LOCK
            aggregate.lease = None
            if aggregate.uses.left == 0:
                aggregate.life = Life.SPENT
                aggregate.life_version = self.originator_version

    # What events do to the state.

    def _move_title(
        self, event: Recorded.Event, owner_id: UUID, check_sealed: str | None
    ) -> None:
        self.owner_id = owner_id
        self.check_sealed = check_sealed
        self.title_version = event.originator_version
        self.form = ELECTRONIC
        self.lock = NO_LOCK
        self.offer = None
        self.listing = None
        self._next_epoch(event)

    def _next_epoch(self, event: Recorded.Event) -> None:
        self.epoch += 1
        self.epoch_version = event.originator_version

    # What commands ask.

    def _is_writing(self, write_id: UUID) -> bool:
        return (self.lock.kind, self.lock.ref) == (LockKind.CARD_WRITE, write_id)

    def require_owned(self) -> None:
        """Raise unless the right is still to be used: not on paper, not used up."""
        because = self.names(self.life_version)
        if self.life == Life.DISPENSED:
            raise no.AlreadyDispensed(serial=self.form.serial, because=because)
        if self.life == Life.SPENT:
            raise no.AlreadyUsed(because=because)

    def _require_unlocked(self, at: datetime) -> None:
        self.require_owned()
        self.settle_lock(at)
        if self.lock.kind != LockKind.NONE:
            raise self._locked()

    def _locked(self) -> Conflict:
        return no.LOCKED[self.lock.kind](because=self.names(self.lock.version))

    def _require_owner(self, by: UUID) -> None:
        if by != self.owner_id:
            raise no.NotTheOwner(because=self.names(self.title_version))

    def _require_deadline(self, until: datetime, at: datetime) -> None:
        if is_over(until, at):
            raise no.BadDeadline(until=until.isoformat())

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

    def require_offer(self, offer_id: UUID, by: UUID, at: datetime) -> None:
        """Raise unless this gift offer is open, in time, and bound to `by`."""
        if self.offer is None or self.offer.offer_id != offer_id:
            raise no.OfferUnknown(what="gift offer")
        if by != self.offer.to_party_id:
            raise no.NotYours(because=self.names(self.lock.version))
        self._require_lock(LockKind.GIFT, offer_id, "gift offer", at)
        self._require_in_validity(at)

    def require_listing(self, listing_id: UUID, by: UUID, at: datetime) -> Listing:
        """Return the open listing; raise unless it is in time and open to `by`."""
        self._require_lock(LockKind.LISTING, listing_id, "listing", at)
        listing = self.listing
        if listing is None:
            raise no.OfferUnknown(what="listing")
        if listing.to_party_id not in (None, by):
            raise no.NotYours(because=self.names(self.lock.version))
        if by == self.owner_id:
            raise no.NotTransferable(moved="resold to its owner")
        self._require_in_validity(at)
        return listing

    def _require_in_validity(self, at: datetime) -> None:
        if is_over(self.not_after, at):
            raise no.NoLongerValid(not_after=self.not_after.isoformat())

    def _require_usable(
        self, expected_epoch: int, medium_uid: str, slot: int, at: datetime
    ) -> None:
        self._require_unlocked(at)
        if not self.form.is_at(medium_uid, slot):
            raise no.NotOnThisMedium(because=self.names(self.epoch_version))
        if expected_epoch != self.epoch:
            raise no.EpochStale(
                epoch=self.epoch,
                expected=expected_epoch,
                because=self.names(self.epoch_version),
            )
        if at < self.not_before:
            raise no.NotYetValid(not_before=self.not_before.isoformat())
        self._require_in_validity(at)

    def _require_lease(self, device_id: UUID, write_id: UUID | None = None) -> None:
        """The machine must be the one that holds the lease, the write its own."""
        lease = self.lease
        if lease is None or lease.device_id != device_id:
            raise no.OtherMachine(because=self.names(self.lock.version))
        if write_id is not None and write_id != lease.write_id:
            raise no.OtherWrite(because=self.names(self.lock.version))

    def settle_lock(self, at: datetime) -> None:
        """Record the end of a lock whose time is over."""
        if self.lock.until is None or not is_over(self.lock.until, at):
            return
        if self.lock.kind == LockKind.GIFT:
            self.trigger_event(self.GiftExpired, timestamp=at, offer_id=self.lock.ref)
        elif self.lock.kind == LockKind.LISTING:
            self._unlist("expired", at)
        elif self.lock.kind == LockKind.DISPENSE:
            self._abort_dispense("the lease ran out", at)
        elif self.lock.kind == LockKind.REDEMPTION:
            self._release_redemption("the lease ran out", at)


def check_right(right: str) -> None:
    """Raise `RightTooLong` unless `right` fits a sealed ticket."""
    if not 0 < len(right.encode()) <= RIGHT_MAX:
        raise no.RightTooLong(right_max=RIGHT_MAX)


def check_serial(serial: str) -> None:
    if not SERIAL_PATTERN.fullmatch(serial):
        raise no.BadSerial
