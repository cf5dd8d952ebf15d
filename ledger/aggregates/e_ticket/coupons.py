"""A coupon's uses: leased with a purchase, redeemed, sometimes reversed.

  OWNED ── lease ──► REDEMPTION ── redeemed ──► OWNED, or SPENT once nothing is left
    ▲                    │
    └─ released, frozen ─┘       redemption ── reversed, whole or in part

At every version: redeemed - reversed + leased <= the limit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import (
    HoldEffect,
    Lease,
    Life,
    Lock,
    LockKind,
    Redemption,
)


class Coupons(Core):
    """The commands and events of a redemption."""

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
        amount: int = 1,
        tender: str | None = None,
    ) -> None:
        """Lease some of a coupon's uses to a point of sale.

        That the shop's receipt redeems nothing else, the caller sees to. `amount`
        counts uses, or minor units for a coupon in money. `tender` says how the
        purchase is paid.
        """
        if self.kind != "coupon":
            raise no.NoCoupon(because=self.names(1))
        if amount < 1:
            raise no.BadAmount
        self._require_usable(expected_epoch, medium_uid, slot, HoldEffect.NO_REDEEM, at)
        if amount > self.uses.left:
            last = [done.version for done in self.redemptions.values()][-1:]
            raise no.UsesExceeded(
                left=self.uses.left, amount=amount, because=self.names(1, *last)
            )
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
            amount=amount,
            tender=tender,
        )

    class RedemptionStarted(Core.Event):
        TOPIC = "e-ticket.redemption-started"
        class_version = 2
        session_id: UUID
        write_id: UUID
        device_id: UUID
        medium_uid: str
        slot: int
        receipt: str
        purchase_minor: int
        currency: str
        until: datetime
        amount: int
        tender: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """At first a redemption was one use, and nobody noted what paid."""
            state |= {"amount": 1, "tender": None}

        def apply(self, aggregate: Coupons) -> None:
            aggregate.lease = Lease(
                self.device_id, self.write_id, self.receipt, self.amount
            )
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
        """Give the leased uses back unused."""
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

    class RedemptionReleased(Core.Event):
        TOPIC = "e-ticket.redemption-released"
        session_id: UUID
        reason: str

        def apply(self, aggregate: Coupons) -> None:
            aggregate._end_lease()

    def redeem(
        self, *, session_id: UUID, write_id: UUID, device_id: UUID, at: datetime
    ) -> None:
        """Record what was used, after the slot was updated; said twice, used once."""
        if str(session_id) in self.redemptions:
            return
        self.require_owned()
        self.require_no_hold(HoldEffect.NO_REDEEM)
        self._require_lock(LockKind.REDEMPTION, session_id, "redemption", at)
        self._require_lease(device_id, write_id)
        assert self.lease is not None
        self.trigger_event(
            self.CouponRedeemed,
            timestamp=at,
            session_id=session_id,
            receipt=self.lease.receipt or "",
            device_id=device_id,
            amount=self.lease.amount,
            device_time=None,
            device_seq=None,
            known_position=None,
        )

    class CouponRedeemed(Core.Event):
        """With a `device_seq` it was redeemed while the line was down."""

        TOPIC = "e-ticket.coupon-redeemed"
        class_version = 2
        session_id: UUID
        receipt: str
        device_id: UUID
        amount: int
        device_time: datetime | None
        device_seq: int | None
        known_position: int | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """At first a redemption was one use, and made only on the line."""
            state |= {"amount": 1, "device_time": None}
            state |= {"device_seq": None, "known_position": None}

        def apply(self, aggregate: Coupons) -> None:
            uses = aggregate.uses
            aggregate.uses = replace(uses, redeemed=uses.redeemed + self.amount)
            done = Redemption(
                self.receipt,
                self.amount,
                self.device_id,
                self.timestamp,
                self.originator_version,
            )
            aggregate.redemptions = {
                **aggregate.redemptions,
                str(self.session_id): done,
            }
            if (aggregate.lock.kind, aggregate.lock.ref) == (
                LockKind.REDEMPTION,
                self.session_id,
            ):
                aggregate._end_lease()
            if aggregate.uses.left == 0:
                aggregate._end(self, Life.SPENT)

    def reverse_redemption(
        self,
        *,
        session_id: UUID,
        reversal_id: UUID,
        amount: int,
        reason: str,
        at: datetime,
        decision_id: UUID | None = None,
    ) -> None:
        """Give back what one redemption took, or a part; never more, never longer.

        A coupon that was used up comes back only by a decision, which reinstates it.
        """
        if str(reversal_id) in self.reversals:
            return
        done = self.redemptions.get(str(session_id))
        if done is None:
            raise no.RedemptionUnknown
        if decision_id is None or self.life != Life.SPENT:
            self._require_not_terminal()
        if amount < 1:
            raise no.BadAmount
        if amount > done.amount - done.reversed:
            raise no.ReversalExceeds(
                left=done.amount - done.reversed,
                amount=amount,
                because=self.names(done.version),
            )
        self.trigger_event(
            self.RedemptionReversed,
            timestamp=at,
            session_id=session_id,
            reversal_id=reversal_id,
            amount=amount,
            reason=reason,
            decision_id=decision_id,
        )

    class RedemptionReversed(Core.Event):
        TOPIC = "e-ticket.redemption-reversed"
        session_id: UUID
        reversal_id: UUID
        amount: int
        reason: str
        decision_id: UUID | None

        def apply(self, aggregate: Coupons) -> None:
            uses, key = aggregate.uses, str(self.session_id)
            aggregate.uses = replace(uses, reversed=uses.reversed + self.amount)
            done = aggregate.redemptions[key]
            done = replace(done, reversed=done.reversed + self.amount)
            aggregate.redemptions = {**aggregate.redemptions, key: done}
            aggregate.reversals = (*aggregate.reversals, str(self.reversal_id))

    def observe_redemption(
        self,
        *,
        session_id: UUID,
        receipt: str,
        amount: int,
        device_id: UUID,
        device_time: datetime,
        device_seq: int,
        known_position: int,
        at: datetime,
        contradicted: bool = False,
    ) -> bool:
        """Record a redemption made while the line was down: it is a fact.

        Return whether it counts. Over the limit, of a right that had ended, or if the
        caller knows of what it contradicts (its receipt has redeemed before), it is
        kept beside the ledger's own, and a case follows.
        """
        if str(session_id) in self.redemptions:
            return True
        if str(session_id) in self.observed:
            return False
        facts = {
            "session_id": session_id,
            "receipt": receipt,
            "amount": amount,
            "device_id": device_id,
            "device_time": device_time,
            "device_seq": device_seq,
            "known_position": known_position,
        }
        leased = self.lease.amount if self.lease is not None else 0
        fits = 1 <= amount <= self.uses.left - leased and not contradicted
        if self.kind == "coupon" and self.life == Life.OWNED and fits:
            self.trigger_event(self.CouponRedeemed, timestamp=at, **facts)
            return True
        self.trigger_event(self.RedemptionObserved, timestamp=at, **facts)
        return False

    class RedemptionObserved(Core.Event):
        TOPIC = "e-ticket.redemption-observed"
        session_id: UUID
        receipt: str
        amount: int
        device_id: UUID
        device_time: datetime
        device_seq: int
        known_position: int

        def apply(self, aggregate: Coupons) -> None:
            aggregate.observed = (*aggregate.observed, str(self.session_id))
