"""One resale: what is bought from whom, and where its money stands.

INITIATED ──► FUNDS_HELD ──► ESCROWED ──► TITLE_MOVED ──► PAID_OUT ──► CLOSED
    │  └──────────┼─────────────▲  one commit  │ │           └────┬─────┘
    └──► ABORTED ◄┘                            │ └► REFUNDED      ▼
                                               └──► REVERSED   CLAWBACK

The buyer's money goes to the sale's escrow in the commit that moves the titles, and
leaves it once. ABORTED: nothing had moved. REVERSED: the payment never came, the
titles went back. REFUNDED: a decision gave the money back out of escrow; CLAWBACK: it
had been paid out and was taken back. Both go line by line; the state says it when no
line is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.aggregates.sale.states import (
    LINES_MAX,
    OPEN,
    PAID_OUT,
    Line,
    LineReturned,
    NotOneSale,
    SaleStands,
    SaleState,
    SaleUnknown,
    ShareExceeded,
)
from ledger.vocabulary.money import Money


class Sale(Recorded):
    TOPIC = "sale"

    class Event(Recorded.Event):
        """An event about one sale."""

    @classmethod
    def initiate(
        cls,
        *,
        sale_id: UUID,
        buyer_id: UUID,
        seller_id: UUID,
        currency: str,
        lines: Sequence[Line],
        tenders: Sequence[Mapping[str, Any]],
        payout: str,
        until: datetime | None,
        at: datetime,
    ) -> Self:
        """Begin a sale. `payout` is at_sale or after_start, `until` the fence.

        The fence bounds how long the tickets wait for a payment; without one there is
        nothing to wait for.
        """
        if not 1 <= len({line.ticket_id for line in lines}) == len(lines) <= LINES_MAX:
            raise NotOneSale(what="seller", lines_max=LINES_MAX)
        return cls._create(
            cls.Initiated,
            id=sale_id,
            timestamp=at,
            buyer_id=buyer_id,
            seller_id=seller_id,
            currency=currency,
            lines=[line.as_dict() for line in lines],
            tenders=[dict(tender) for tender in tenders],
            payout=payout,
            until=until,
        )

    class Initiated(Event, FirstEvent):
        TOPIC = "sale.initiated"
        buyer_id: UUID
        seller_id: UUID
        currency: str
        lines: list[dict[str, Any]]
        tenders: list[dict[str, Any]]
        payout: str
        until: datetime | None

    def __init__(
        self,
        *,
        buyer_id: UUID,
        seller_id: UUID,
        currency: str,
        lines: list[dict[str, Any]],
        tenders: list[dict[str, Any]],
        payout: str,
        until: datetime | None,
    ) -> None:
        self.buyer_id = buyer_id
        self.seller_id = seller_id
        self.currency = currency
        self.lines = [Line(**line) for line in lines]
        self.tenders = tenders
        self.payout = payout
        self.until = until
        self.state = SaleState.INITIATED
        self.entry_id: UUID | None = None
        self.paid: list[dict[str, Any]] = []
        self.returned: list[UUID] = []
        self.refunded_minor = 0
        self.owed_minor = 0
        self.compensated_minor = 0

    @property
    def price(self) -> Money:
        return Money(sum(line.price_minor for line in self.lines), self.currency)

    @property
    def split_minor(self) -> dict[str, int]:
        """Who has which share of the whole price; together they are the price."""
        shares: Counter[str] = Counter()
        for line in self.lines:
            shares.update(line.split_minor)
        return dict(shares)

    @property
    def left(self) -> list[Line]:
        """The lines that were paid for and not given back."""
        return [line for line in self.lines if line.ticket_id not in self.returned]

    @property
    def seller_left_minor(self) -> int:
        """What escrow still owes the seller."""
        shares = sum(line.split_minor["seller"] for line in self.left)
        return shares - self.compensated_minor

    def missing_minor(self, ticket_ids: Collection[UUID]) -> int:
        """What escrow lacks to give these back: it went into a compensation."""
        kept = [line for line in self.left if line.ticket_id not in ticket_ids]
        shares = sum(line.split_minor["seller"] for line in kept)
        return max(0, self.compensated_minor - shares)

    def line(self, ticket_id: UUID) -> Line:
        """Return the line of this ticket; raise if it is not sold here or is back."""
        for line in self.left:
            if line.ticket_id == ticket_id:
                return line
        if ticket_id in self.returned:
            raise LineReturned(ticket_id=ticket_id, because=self.names(self.version))
        raise SaleUnknown

    def require_state(self, *states: str) -> None:
        if self.state not in states:
            because = self.names(self.version)
            raise SaleStands(state=self.state.lower(), because=because)

    def hold_funds(self, *, at: datetime) -> None:
        """Note that every tender is held or authorised."""
        self.require_state(SaleState.INITIATED)
        self.trigger_event(self.FundsHeld, timestamp=at)

    class FundsHeld(Event):
        TOPIC = "sale.funds-held"

        def apply(self, aggregate: Sale) -> None:
            aggregate.state = SaleState.FUNDS_HELD

    def escrow(
        self,
        *,
        entry_id: UUID | None,
        paid: Sequence[Mapping[str, Any]],
        title_versions: Mapping[UUID, int],
        at: datetime,
    ) -> None:
        """Note the posting to escrow and, with it, the titles that moved.

        Both are recorded in one commit with the entry and the tickets' own events;
        `title_versions` names these. There is no entry for a price of zero.
        """
        self.require_state(*OPEN)
        self.trigger_event(
            self.Escrowed,
            timestamp=at,
            entry_id=entry_id,
            amount_minor=self.price.amount_minor,
            paid=[dict(each) for each in paid],
        )
        moved = [
            {"ticket_id": line.ticket_id, "version": title_versions[line.ticket_id]}
            for line in self.lines
        ]
        self.trigger_event(self.TitleMoved, timestamp=at, moved=moved)

    class Escrowed(Event):
        TOPIC = "sale.escrowed"
        entry_id: UUID | None
        amount_minor: int
        paid: list[dict[str, Any]]

        def apply(self, aggregate: Sale) -> None:
            aggregate.state = SaleState.ESCROWED
            aggregate.entry_id = self.entry_id
            aggregate.paid = self.paid

    class TitleMoved(Event):
        TOPIC = "sale.title-moved"
        moved: list[dict[str, Any]]

        def apply(self, aggregate: Sale) -> None:
            versions = {each["ticket_id"]: each["version"] for each in self.moved}
            aggregate.lines = [
                Line(**line.as_dict(), title_version=versions[line.ticket_id])
                for line in aggregate.lines
            ]
            aggregate.state = SaleState.TITLE_MOVED

    def pay_out(
        self,
        *,
        entry_id: UUID | None,
        split_minor: Mapping[str, int],
        at: datetime,
    ) -> None:
        """Note that escrow was emptied to those who have a share: once."""
        self.require_state(SaleState.TITLE_MOVED)
        self.trigger_event(
            self.PaidOut,
            timestamp=at,
            entry_id=entry_id,
            split_minor=dict(split_minor),
        )

    class PaidOut(Event):
        TOPIC = "sale.paid-out"
        entry_id: UUID | None
        split_minor: dict[str, int]

        def apply(self, aggregate: Sale) -> None:
            aggregate.state = SaleState.PAID_OUT

    def close(self, *, at: datetime) -> None:
        self.require_state(SaleState.PAID_OUT)
        self.trigger_event(self.Closed, timestamp=at)

    class Closed(Event):
        TOPIC = "sale.closed"

        def apply(self, aggregate: Sale) -> None:
            aggregate.state = SaleState.CLOSED

    # What goes wrong.

    def abort(self, *, reason: str, at: datetime) -> None:
        """Give the sale up before anything has moved."""
        self.require_state(*OPEN)
        self.trigger_event(self.Aborted, timestamp=at, reason=reason)

    class Aborted(Event):
        TOPIC = "sale.aborted"
        reason: str

        def apply(self, aggregate: Sale) -> None:
            aggregate.state = SaleState.ABORTED

    def reverse(self, *, reason: str, entry_id: UUID | None, at: datetime) -> None:
        """Note that the payment never came, so titles and escrow went back."""
        self.require_state(SaleState.TITLE_MOVED)
        self.trigger_event(
            self.Reversed, timestamp=at, reason=reason, entry_id=entry_id
        )

    class Reversed(Event):
        TOPIC = "sale.reversed"
        reason: str
        entry_id: UUID | None

        def apply(self, aggregate: Sale) -> None:
            aggregate.state = SaleState.REVERSED

    def record_debt(
        self,
        *,
        paid: Sequence[Mapping[str, Any]],
        amount_minor: int,
        entry_id: UUID,
        at: datetime,
    ) -> None:
        """Note that the buyer owes what never came: the tickets cannot go back.

        `paid` is what did come.
        """
        self.require_state(SaleState.TITLE_MOVED)
        self.trigger_event(
            self.DebtRecorded,
            timestamp=at,
            paid=[dict(each) for each in paid],
            amount_minor=amount_minor,
            entry_id=entry_id,
        )

    class DebtRecorded(Event):
        TOPIC = "sale.debt-recorded"
        paid: list[dict[str, Any]]
        amount_minor: int
        entry_id: UUID

        def apply(self, aggregate: Sale) -> None:
            came = sum(each["amount_minor"] for each in self.paid)
            never = sum(each["amount_minor"] for each in aggregate.paid) - came
            # What was to go back to the card went back to nobody.
            aggregate.refunded_minor = max(0, aggregate.refunded_minor - never)
            aggregate.paid = self.paid
            aggregate.owed_minor += self.amount_minor

    def give_back(
        self,
        *,
        ticket_ids: Collection[UUID],
        entry_id: UUID | None,
        decision_id: UUID,
        at: datetime,
    ) -> None:
        """Note that a decision gave the buyer back what these tickets cost.

        It came out of escrow, the seller making up what is missing there, or was
        clawed back from those who had been paid. A debt for the tickets goes first.
        """
        self.require_state(SaleState.TITLE_MOVED, *PAID_OUT)
        lines = [self.line(ticket_id) for ticket_id in ticket_ids]
        amount_minor = sum(line.price_minor for line in lines)
        in_escrow = self.state == SaleState.TITLE_MOVED
        happened: type[Sale._GivenBack] = (
            self.Refunded if in_escrow else self.ClawedBack
        )
        self.trigger_event(
            happened,
            timestamp=at,
            ticket_ids=[line.ticket_id for line in lines],
            amount_minor=amount_minor,
            debt_minor=min(amount_minor, self.owed_minor),
            made_up_minor=self.missing_minor(ticket_ids) if in_escrow else 0,
            entry_id=entry_id,
            decision_id=decision_id,
        )

    class _GivenBack(Event):
        TOPIC = "sale.given-back"
        ticket_ids: list[UUID]
        amount_minor: int
        debt_minor: int
        made_up_minor: int
        entry_id: UUID | None
        decision_id: UUID

        def apply(self, aggregate: Sale) -> None:
            aggregate.compensated_minor -= self.made_up_minor
            aggregate.returned = [*aggregate.returned, *self.ticket_ids]
            aggregate.refunded_minor += self.amount_minor - self.debt_minor
            aggregate.owed_minor -= self.debt_minor
            if not aggregate.left:
                aggregate.state = (
                    SaleState.CLAWBACK
                    if aggregate.state in PAID_OUT
                    else SaleState.REFUNDED
                )

    class Refunded(_GivenBack):
        TOPIC = "sale.refunded"

    class ClawedBack(_GivenBack):
        TOPIC = "sale.clawed-back"

    def compensate(
        self,
        *,
        party_id: UUID,
        amount_minor: int,
        from_escrow_minor: int,
        entry_id: UUID,
        decision_id: UUID,
        at: datetime,
    ) -> None:
        """Note that a wronged party was compensated out of what the seller had.

        `from_escrow_minor` is the part of it that escrow still owed the seller.
        """
        self.require_state(SaleState.TITLE_MOVED, *PAID_OUT)
        in_escrow = self.state == SaleState.TITLE_MOVED
        if from_escrow_minor > (self.seller_left_minor if in_escrow else 0):
            raise ShareExceeded(
                left_minor=self.seller_left_minor, because=self.names(self.version)
            )
        self.trigger_event(
            self.Compensated,
            timestamp=at,
            party_id=party_id,
            amount_minor=amount_minor,
            from_escrow_minor=from_escrow_minor,
            entry_id=entry_id,
            decision_id=decision_id,
        )

    class Compensated(Event):
        TOPIC = "sale.compensated"
        party_id: UUID
        amount_minor: int
        from_escrow_minor: int
        entry_id: UUID
        decision_id: UUID

        def apply(self, aggregate: Sale) -> None:
            aggregate.compensated_minor += self.from_escrow_minor
