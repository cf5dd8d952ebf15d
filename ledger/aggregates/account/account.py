"""Money and points in the ledger: purses with a floor, and entries that balance.

A purse is a stream, for a debit must be checked against its balance. Every movement
is one entry whose postings sum to zero in each currency, recorded in the same commit
as the purses it touches. Accounts without a floor (an issuer's revenue, the cash a
counter took) are only names in postings: nothing ever waits for them.

  balance = what entries brought;  available = balance - live holds - expired points
  hold ── capture ──► posted;  hold ── release, or its time is over ──► free again
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.account.lots import Lot, in_order, points_in, take
from ledger.aggregates.account.refusals import (
    POINTS,
    InsufficientFunds,
    NothingHeld,
    require_amount,
)
from ledger.aggregates.base import FirstEvent, Recorded, is_over


@dataclass(frozen=True, slots=True)
class FundsHold:
    """A part of the balance that is kept for one purpose until a time.

    Points that are held do not expire under the payment: their lots are kept here.
    """

    amount_minor: int
    until: datetime
    version: int
    lots: tuple[Lot, ...] = ()


class Account(Recorded):
    """A party's purse of one kind in one currency, or its points of one programme."""

    TOPIC = "account"

    class Event(Recorded.Event):
        """An event about one account."""

    @classmethod
    def open(
        cls,
        *,
        account_id: UUID,
        party_id: UUID,
        kind: str,
        currency: str,
        at: datetime,
    ) -> Self:
        return cls._create(
            cls.Opened,
            id=account_id,
            timestamp=at,
            party_id=party_id,
            kind=kind,
            currency=currency,
        )

    class Opened(Event, FirstEvent):
        TOPIC = "account.opened"
        party_id: UUID
        kind: str
        currency: str

    def __init__(self, *, party_id: UUID, kind: str, currency: str) -> None:
        self.party_id = party_id
        self.kind = kind
        self.currency = currency
        self.balance_minor = 0
        self.holds: dict[str, FundsHold] = {}
        self.lots: tuple[Lot, ...] = ()

    def available_minor(self, at: datetime) -> int:
        """What can be spent: no part of it held, none of it expired."""
        held = sum(
            hold.amount_minor
            for hold in self.holds.values()
            if not is_over(hold.until, at)
        )
        return self.balance_minor - held - self.expired_points(at)

    def expired_points(self, at: datetime) -> int:
        """Points whose time is over and whose end is not recorded yet."""
        lots = self.lots
        for purpose_id in self.overdue(at):
            lots = self._with(lots, self.holds[str(purpose_id)])
        return sum(lot.points for lot in lots if lot.is_over(at))

    def post(
        self,
        *,
        entry_id: UUID,
        amount_minor: int,
        at: datetime,
        overdraw: bool = False,
        purpose_id: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """Credit or debit; the entry with this id holds the other side.

        A debit needs the money to be available, or held for `purpose_id`; only what
        is owed in any case (a claw-back, a chargeback) may `overdraw`, and the
        balance then tells the debt. Points that come in may expire.
        """
        if amount_minor < 0 and not overdraw:
            self._require(-amount_minor, purpose_id, at)
        self.trigger_event(
            self.Posted,
            timestamp=at,
            entry_id=entry_id,
            amount_minor=amount_minor,
            purpose_id=purpose_id,
            expires_at=expires_at,
            overdraw=overdraw,
        )

    class Posted(Event):
        """`purpose_id` names the hold that it ends, `expires_at` when points end.

        With `overdraw` it was due in any case, and was not asked for what is there.
        """

        TOPIC = "account.posted"
        class_version = 3
        entry_id: UUID
        amount_minor: int
        purpose_id: UUID | None
        expires_at: datetime | None
        overdraw: bool

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first nothing was held, and nothing expired."""
            state |= {"purpose_id": None, "expires_at": None}

        @staticmethod
        def upcast_v2_v3(state: dict[str, Any]) -> None:
            """At first nobody said whether it was due anyhow: it may have been."""
            state["overdraw"] = True

        def apply(self, aggregate: Account) -> None:
            aggregate._let_go(self.purpose_id)
            aggregate.balance_minor += self.amount_minor
            if aggregate.currency == POINTS:
                aggregate._change_lots(self.amount_minor, self.expires_at)

    def hold(
        self, *, purpose_id: UUID, amount_minor: int, until: datetime, at: datetime
    ) -> None:
        """Keep a part of the balance for a purpose until it is captured or released."""
        require_amount(amount_minor)
        self._release_overdue(at)
        self._require(amount_minor, None, at)
        self.trigger_event(
            self.FundsHeld,
            timestamp=at,
            purpose_id=purpose_id,
            amount_minor=amount_minor,
            until=until,
        )

    class FundsHeld(Event):
        TOPIC = "account.funds-held"
        purpose_id: UUID
        amount_minor: int
        until: datetime

        def apply(self, aggregate: Account) -> None:
            aggregate._let_go(self.purpose_id)
            lots, aggregate.lots = take(aggregate.lots, self.amount_minor)
            version = self.originator_version
            hold = FundsHold(self.amount_minor, self.until, version, lots)
            aggregate.holds = {**aggregate.holds, str(self.purpose_id): hold}

    def release(self, *, purpose_id: UUID, reason: str, at: datetime) -> None:
        """Free what is held for a purpose; nothing if nothing is."""
        if str(purpose_id) in self.holds:
            self._release(purpose_id, reason, at)

    def _release(self, purpose_id: UUID, reason: str, at: datetime) -> None:
        self.trigger_event(
            self.HoldReleased, timestamp=at, purpose_id=purpose_id, reason=reason
        )

    class HoldReleased(Event):
        TOPIC = "account.hold-released"
        purpose_id: UUID
        reason: str

        def apply(self, aggregate: Account) -> None:
            aggregate._let_go(self.purpose_id)

    def _release_overdue(self, at: datetime) -> None:
        for purpose_id in self.overdue(at):
            self._release(purpose_id, "its time is over", at)

    def overdue(self, at: datetime) -> list[UUID]:
        """Purposes whose time is over."""
        return [
            UUID(purpose)
            for purpose, hold in self.holds.items()
            if is_over(hold.until, at)
        ]

    def expire_points(self, *, entry_id: UUID, at: datetime) -> int:
        """Record the end of what has expired; return how many points that is."""
        expired = self.expired_points(at)
        if expired:
            self._release_overdue(at)
            self.trigger_event(
                self.PointsExpired,
                timestamp=at,
                entry_id=entry_id,
                amount_minor=-expired,
            )
        return expired

    class PointsExpired(Event):
        TOPIC = "account.points-expired"
        entry_id: UUID
        amount_minor: int

        def apply(self, aggregate: Account) -> None:
            aggregate.balance_minor += self.amount_minor
            aggregate.lots = tuple(
                lot for lot in aggregate.lots if not lot.is_over(self.timestamp)
            )

    def _require(
        self, amount_minor: int, purpose_id: UUID | None, at: datetime
    ) -> None:
        held = self.holds.get(str(purpose_id))
        own = 0
        if purpose_id is not None:
            if held is None or is_over(held.until, at):
                raise NothingHeld(because=self.names(held.version) if held else ())
            own = held.amount_minor
        available = self.available_minor(at) + own
        if amount_minor > available:
            raise InsufficientFunds(
                available_minor=available,
                amount_minor=amount_minor,
                because=self._deciding(),
            )

    def _deciding(self) -> list[str]:
        """Name what is recorded of the purse last, and what holds a part of it."""
        recorded = self.version - len(self.pending_events)
        deciding = {recorded, *(each.version for each in self.holds.values())}
        return self.names(*sorted(deciding))

    def _let_go(self, purpose_id: UUID | None) -> None:
        hold = self.holds.get(str(purpose_id))
        if hold is not None:
            self.lots = self._with(self.lots, hold)
            self.holds = {
                name: each for name, each in self.holds.items() if each is not hold
            }

    def _with(self, lots: tuple[Lot, ...], hold: FundsHold) -> tuple[Lot, ...]:
        """Put a hold's lots back among these.

        What was overdrawn meanwhile is gone: lots never hold more than the balance.
        """
        room = max(0, self.balance_minor - points_in(lots))
        _, back = take(hold.lots, points_in(hold.lots) - room)
        return in_order((*lots, *back))

    def _change_lots(self, points: int, expires_at: datetime | None) -> None:
        """Points in become a lot, first what is owed; points out leave the first lots.

        What is owed stands in no lot.
        """
        if points < 0:
            _, self.lots = take(self.lots, -points)
        elif fresh := min(points, max(0, self.balance_minor)):
            self.lots = in_order((*self.lots, Lot(fresh, expires_at)))
