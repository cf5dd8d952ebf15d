"""How a ticket ends, and how a decision gives it back or to somebody else.

  OWNED ── exchange, refund, void, expire ──► EXCHANGED REFUNDED VOIDED EXPIRED
  OWNED, DISPENSED ── revoke ──► REVOKED
  any of these, SPENT ── reinstate, by an executed decision ──► OWNED, epoch+1

What ends takes its lock, offer and listing with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import (
    ELECTRONIC,
    NO_LOCK,
    TERMINAL,
    FormKind,
    HoldEffect,
    Life,
    Lock,
    LockKind,
)


class Endings(Core):
    """The commands and events that end a ticket, and those that undo."""

    def start_exchange(
        self, *, exchange_id: UUID, by: UUID, until: datetime, at: datetime
    ) -> None:
        """Keep the ticket for an exchange that its owner confirms before `until`."""
        if by != self.issuer_id:
            self._require_owner(by)
        self._require_free(at)
        self._require_exchange_not_held()
        self._require_deadline(until, at)
        if not self.terms.exchangeable:
            raise no.NotExchangeable(because=self.names(1))
        used = [d.version for d in self.redemptions.values() if d.amount > d.reversed]
        if used:
            raise no.NotExchangeable(because=self.names(*used))
        self.trigger_event(
            self.ExchangeStarted, timestamp=at, exchange_id=exchange_id, until=until
        )

    class ExchangeStarted(Core.Event):
        TOPIC = "e-ticket.exchange-started"
        exchange_id: UUID
        until: datetime

        def apply(self, aggregate: Endings) -> None:
            aggregate.lock = Lock(
                LockKind.EXCHANGE,
                self.exchange_id,
                self.until,
                self.originator_version,
            )

    def abort_exchange(self, *, exchange_id: UUID, reason: str, at: datetime) -> None:
        """Give an exchange up; one whose time is over may be given up too."""
        if (self.lock.kind, self.lock.ref) != (LockKind.EXCHANGE, exchange_id):
            raise no.OfferUnknown(what="exchange")
        self._abort_exchange(reason, at)

    def _abort_exchange(self, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.ExchangeAborted,
            timestamp=at,
            exchange_id=self.lock.ref,
            reason=reason,
        )

    class ExchangeAborted(Core.Event):
        TOPIC = "e-ticket.exchange-aborted"
        exchange_id: UUID
        reason: str

        def apply(self, aggregate: Endings) -> None:
            aggregate.lock = NO_LOCK

    def exchange(
        self,
        *,
        exchange_id: UUID,
        successors: Sequence[UUID],
        residual_minor: int,
        at: datetime,
        group: Collection[UUID] = (),
    ) -> None:
        """End the ticket for its successors, which are issued in the same commit.

        `residual_minor` is what the old ticket was worth in it.
        """
        self.require_owned()
        self._require_lock(LockKind.EXCHANGE, exchange_id, "exchange", at)
        self._require_exchange_not_held()
        self._require_in_validity(at)
        self._require_group(frozenset(group))
        self.trigger_event(
            self.Exchanged,
            timestamp=at,
            exchange_id=exchange_id,
            successors=list(successors),
            residual_minor=residual_minor,
        )

    def _require_exchange_not_held(self) -> None:
        """What it is worth would go over to tickets that the case does not hold."""
        self.require_no_hold(HoldEffect.NO_TITLE)
        self.require_no_hold(HoldEffect.NO_REFUND)

    class Exchanged(Core.Event):
        TOPIC = "e-ticket.exchanged"
        exchange_id: UUID
        successors: list[UUID]
        residual_minor: int

        def apply(self, aggregate: Endings) -> None:
            aggregate.successors = tuple(self.successors)
            aggregate._end(self, Life.EXCHANGED)

    def refund(
        self,
        *,
        amount_minor: int,
        entry_id: UUID | None,
        at: datetime,
        by: UUID | None = None,
        decision_id: UUID | None = None,
    ) -> None:
        """Take the ticket back for money: by policy, the issuer's hand, or a decision.

        The caller records the postings in the same commit.
        """
        self.require_owned()
        self.settle_lock(at)
        if decision_id is None:
            self.require_no_hold(HoldEffect.NO_REFUND)
            self.require_no_hold(HoldEffect.NO_TITLE)
            if by != self.issuer_id:
                self._require_refundable(by, at)
            if self.lock.kind != LockKind.NONE:
                raise self._locked()
        self._require_interruptible()
        self.trigger_event(
            self.Refunded,
            timestamp=at,
            amount_minor=amount_minor,
            entry_id=entry_id,
            decision_id=decision_id,
        )

    def _require_refundable(self, by: UUID | None, at: datetime) -> None:
        if by != self.owner_id:
            raise no.NotTheOwner(because=self.names(self.title_version))
        if not self.terms.refundable:
            raise no.NotRefundable(because=self.names(1))
        self._require_in_validity(at)
        self._require_cut_off(self.terms.refund_until_s, "given back", at)

    class Refunded(Core.Event):
        TOPIC = "e-ticket.refunded"
        amount_minor: int
        entry_id: UUID | None
        decision_id: UUID | None

        def apply(self, aggregate: Endings) -> None:
            aggregate._end(self, Life.REFUNDED)

    def void(self, *, reason: str, at: datetime) -> None:
        """Undo the sale that issued it: nothing used, never passed on, not frozen."""
        self.require_owned()
        self.settle_lock(at)
        self.require_no_hold(HoldEffect.NO_REFUND)
        self.require_no_hold(HoldEffect.NO_TITLE)
        used = self.uses.redeemed != self.uses.reversed or self.dead_serials
        if used or self.title_version != 1:
            because = self.names(self.title_version, self.life_version)
            raise no.NotOnePiece(because=because)
        if self.lock.kind != LockKind.NONE:
            raise self._locked()
        self.trigger_event(self.Voided, timestamp=at, reason=reason)

    class Voided(Core.Event):
        TOPIC = "e-ticket.voided"
        reason: str

        def apply(self, aggregate: Endings) -> None:
            aggregate._end(self, Life.VOIDED)

    def revoke(
        self,
        *,
        reason: str,
        at: datetime,
        by: UUID | None = None,
        decision_id: UUID | None = None,
    ) -> None:
        """End the right for good: by the issuer with a reason, or by a decision."""
        self.require_revocable(by=by, reason=reason, decision_id=decision_id)
        self.trigger_event(
            self.Revoked, timestamp=at, reason=reason, decision_id=decision_id
        )

    def require_revocable(
        self, *, by: UUID | None, reason: str, decision_id: UUID | None = None
    ) -> None:
        """Raise unless the right has not ended, and this is who may end it."""
        self._require_not_terminal()
        if decision_id is None:
            self._require_issuer(by)
            if not reason.strip():
                raise no.BadChange(says="Who revokes a ticket says why.")
        self._require_interruptible()

    class Revoked(Core.Event):
        TOPIC = "e-ticket.revoked"
        reason: str
        decision_id: UUID | None

        def apply(self, aggregate: Endings) -> None:
            aggregate._end(self, Life.REVOKED)

    def expire(self, *, at: datetime) -> None:
        """Make visible that the validity is over; a case keeps the ticket until then.

        Whether it was recorded changes nothing: every command looks at the time.
        """
        self.require_owned()
        if not is_over(self.not_after, at):
            raise no.NotOver(
                not_after=self.not_after.isoformat(),
                because=self.names(self.validity_version),
            )
        for effect in HoldEffect:
            self.require_no_hold(effect)
        self.settle_lock(at)
        if self.lock.kind in (LockKind.SETTLEMENT, LockKind.CARD_WRITE):
            raise self._locked()
        self._require_interruptible()
        self.trigger_event(self.Expired, timestamp=at)

    class Expired(Core.Event):
        TOPIC = "e-ticket.expired"

        def apply(self, aggregate: Endings) -> None:
            aggregate._end(self, Life.EXPIRED)

    # By an executed decision.

    def reassign(
        self,
        *,
        to: UUID,
        decision_id: UUID,
        reverses_version: int | None,
        check_sealed: str | None,
        at: datetime,
    ) -> None:
        """Move the title by a decision; `reverses_version` is the event it undoes."""
        self.require_owned()
        self._require_interruptible()
        if reverses_version is not None and reverses_version in self.reversed_versions:
            raise no.AlreadyReversed(
                version=reverses_version, because=self.names(reverses_version)
            )
        if to == self.owner_id:
            because = self.names(self.title_version)
            raise no.NotTransferable(moved="reassigned to its owner", because=because)
        self.trigger_event(
            self.Reassigned,
            timestamp=at,
            from_party_id=self.owner_id,
            owner_id=to,
            decision_id=decision_id,
            reverses_version=reverses_version,
            previous_title_version=self.title_version,
            check_sealed=check_sealed,
        )

    class Reassigned(Core.Event):
        TOPIC = "e-ticket.reassigned"
        from_party_id: UUID
        owner_id: UUID
        decision_id: UUID
        reverses_version: int | None
        previous_title_version: int
        check_sealed: str | None

        def apply(self, aggregate: Endings) -> None:
            if self.reverses_version is not None:
                reversed_versions = (
                    *aggregate.reversed_versions,
                    self.reverses_version,
                )
                aggregate.reversed_versions = reversed_versions
            aggregate._move_title(self, self.owner_id, self.check_sealed)

    def reinstate(self, *, decision_id: UUID, at: datetime) -> None:
        """Give an ended right back to its owner, by a decision."""
        if self.life not in TERMINAL:
            raise no.NotEnded(life=self.life.lower(), because=self.names(self.version))
        if self.uses.left == 0:
            raise no.AlreadyUsed(because=self.names(self.life_version))
        if self.life_version in self.reversed_versions:
            raise no.AlreadyReversed(
                version=self.life_version, because=self.names(self.life_version)
            )
        self.trigger_event(
            self.Reinstated,
            timestamp=at,
            decision_id=decision_id,
            reverses_version=self.life_version,
        )

    class Reinstated(Core.Event):
        TOPIC = "e-ticket.reinstated"
        decision_id: UUID
        reverses_version: int

        def apply(self, aggregate: Endings) -> None:
            aggregate._reverse(self.reverses_version)
            aggregate.life = Life.OWNED
            aggregate.life_version = self.originator_version
            aggregate.successors = ()
            if aggregate.form.kind != FormKind.ELECTRONIC:
                aggregate.form = ELECTRONIC
            aggregate._next_epoch(self)

    def _reverse(self, version: int) -> None:
        self.reversed_versions = (*self.reversed_versions, version)
