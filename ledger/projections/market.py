"""What is for sale: the listings that can be bought now, and each seller's own.

A ticket has a row from its issue on, for a listing does not say what it is of. What
became of a listing that has ended, its ticket's story tells (`usecases.listings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from psycopg.rows import DictRow

from ledger.aggregates.e_ticket import ETicket, HoldEffect
from ledger.projections.base import Projection, View
from ledger.projections.endings import Ended

LISTINGS_MAX = 50

TitleMoved: TypeAlias = ETicket.GiftAccepted | ETicket.Resold | ETicket.Reassigned
ListingOver: TypeAlias = ETicket.Unlisted | ETicket.Dispensed | Ended

_UNLISTED: LiteralString = (
    "listing_id = NULL, position = NULL, price_minor = NULL, cap_minor = NULL,"
    " to_party_id = NULL, until = NULL, sale_id = NULL"
)
# A row that does not qualify is no row, and its columns become NULL.
_IF_USES_ARE_LEFT: LiteralString = (
    "uses_left = uses_left - %s, (listing_id, position, price_minor, cap_minor,"
    " to_party_id, until, sale_id) = (SELECT listing_id, position, price_minor,"
    " cap_minor, to_party_id, until, sale_id WHERE uses_left > %s)"
)


@dataclass(frozen=True, slots=True)
class ListingLine:
    """One listing; `position` is that at which it was made and orders them.

    `sale_id` is set while a purchaser's payment is under way, `suspended` while a case
    keeps the title from moving; `state` is of the moment at which it was asked for,
    as `ledger.usecases.listings` tells it.
    """

    listing_id: UUID
    position: int
    ticket_id: UUID
    offering_id: UUID
    title: str
    right: str
    category: str | None
    price_minor: int
    cap_minor: int
    currency: str
    seller_id: UUID
    to_party_id: UUID | None
    until: datetime
    not_after: datetime
    sale_id: UUID | None
    suspended: bool
    state: str


class MarketView(View):
    """The table `market`: a row for each ticket, with its listing if it has one."""

    name = "market"
    tables = ("market",)

    def open_to(
        self,
        party_id: UUID,
        *,
        at: datetime,
        offering_id: UUID | None = None,
        named: bool = False,
        before: int | None = None,
        limit: int = LISTINGS_MAX,
    ) -> Sequence[ListingLine]:
        """Return what a party could buy at this moment, the newest listing first.

        With `named` only what is offered to this party by name.
        """
        rows = self.rows(
            "SELECT * FROM market WHERE listing_id IS NOT NULL"
            " AND (to_party_id = %s OR (NOT %s AND to_party_id IS NULL))"
            " AND owner_id <> %s AND sale_id IS NULL AND frozen_by = '{}'"
            " AND until > %s AND not_after > %s"
            " AND (%s::uuid IS NULL OR offering_id = %s)"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (
                *(party_id, named, party_id, at, at),
                *(offering_id, offering_id),
                *(before, before),
                limit,
            ),
        )
        return [_line(row, at) for row in rows]

    def of_seller(
        self,
        seller_id: UUID,
        *,
        at: datetime,
        offering_id: UUID | None = None,
        before: int | None = None,
        limit: int = LISTINGS_MAX,
    ) -> Sequence[ListingLine]:
        """Return a seller's listings that have not ended, the newest first."""
        rows = self.rows(
            "SELECT * FROM market WHERE listing_id IS NOT NULL AND owner_id = %s"
            " AND (%s::uuid IS NULL OR offering_id = %s)"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (seller_id, *(offering_id, offering_id), *(before, before), limit),
        )
        return [_line(row, at) for row in rows]

    def update(
        self,
        tracking: Tracking,
        event: ETicket.Event,
        changes: LiteralString,
        values: Sequence[object] = (),
    ) -> None:
        """Change a ticket's row."""
        text: LiteralString = "UPDATE market SET " + changes + " WHERE ticket_id = %s"  # noqa: S608, literals
        self.change(tracking, (text, (*values, event.originator_id)))


def _line(row: DictRow, at: datetime) -> ListingLine:
    return ListingLine(
        listing_id=row["listing_id"],
        position=row["position"],
        ticket_id=row["ticket_id"],
        offering_id=row["offering_id"],
        title=row["title"],
        right=row["says"],
        category=row["category"],
        price_minor=row["price_minor"],
        cap_minor=row["cap_minor"],
        currency=row["currency"],
        seller_id=row["owner_id"],
        to_party_id=row["to_party_id"],
        until=row["until"],
        not_after=row["not_after"],
        sale_id=row["sale_id"],
        suspended=bool(row["frozen_by"]),
        state=_state(row, at),
    )


def _state(row: DictRow, at: datetime) -> str:
    if row["sale_id"] is None and row["until"] <= at:
        return "EXPIRED"
    if row["frozen_by"]:
        return "SUSPENDED"
    return "ACTIVE" if row["sale_id"] is None else "MATCHED"


class Market(Projection[MarketView]):
    """Follows tickets as far as it matters to who would buy them."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO market (ticket_id, offering_id, title, says, category,"
                " currency, owner_id, not_after, uses_left, frozen_by)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, '{}')",
                (
                    domain_event.originator_id,
                    domain_event.offering_id,
                    domain_event.title,
                    domain_event.right,
                    domain_event.category,
                    domain_event.currency,
                    domain_event.owner_id,
                    domain_event.not_after,
                    domain_event.uses_limit,
                ),
            ),
        )

    # The listing.

    @process_event.register
    def _(self, domain_event: ETicket.Listed, tracking: Tracking) -> None:
        changes: LiteralString = (
            "listing_id = %s, position = %s, price_minor = %s, cap_minor = %s,"
            " to_party_id = %s, until = %s"
        )
        values = (
            domain_event.listing_id,
            tracking.notification_id,
            domain_event.price_minor,
            domain_event.cap_minor,
            domain_event.to_party_id,
            domain_event.until,
        )
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.Repriced, tracking: Tracking) -> None:
        asked = (domain_event.price_minor, domain_event.cap_minor)
        changes: LiteralString = "price_minor = %s, cap_minor = %s"
        self.view.update(tracking, domain_event, changes, asked)

    @process_event.register
    def _(self, domain_event: ETicket.SaleStarted, tracking: Tracking) -> None:
        sale = (domain_event.sale_id,)
        self.view.update(tracking, domain_event, "sale_id = %s", sale)

    @process_event.register
    def _(self, domain_event: ETicket.SaleAborted, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, "sale_id = NULL")

    @process_event.register
    def _(self, domain_event: TitleMoved, tracking: Tracking) -> None:
        changes = "owner_id = %s, " + _UNLISTED
        self.view.update(tracking, domain_event, changes, (domain_event.owner_id,))

    @process_event.register
    def _(self, domain_event: ListingOver, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _UNLISTED)

    # The ticket.

    @process_event.register
    def _(self, domain_event: ETicket.Modified, tracking: Tracking) -> None:
        new = {field: after for field, (_, after) in domain_event.diff.items()}
        changes: LiteralString = (
            "says = COALESCE(%s, says), title = COALESCE(%s, title),"
            " category = CASE WHEN %s THEN %s ELSE category END,"
            " not_after = COALESCE(%s, not_after)"
        )
        over = new.get("not_after")
        values = (
            *(new.get("right"), new.get("title")),
            *("category" in new, new.get("category")),
            datetime.fromisoformat(over) if over else None,
        )
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.CouponRedeemed, tracking: Tracking) -> None:
        used = (domain_event.amount, domain_event.amount)
        self.view.update(tracking, domain_event, _IF_USES_ARE_LEFT, used)

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionReversed, tracking: Tracking) -> None:
        back = (domain_event.amount,)
        self.view.update(tracking, domain_event, "uses_left = uses_left + %s", back)

    @process_event.register
    def _(self, domain_event: ETicket.Frozen, tracking: Tracking) -> None:
        if HoldEffect.NO_TITLE not in domain_event.effects:
            self.view.change(tracking)
            return
        case_id = domain_event.case_id
        changes: LiteralString = (
            "frozen_by = array_append(array_remove(frozen_by, %s), %s)"
        )
        self.view.update(tracking, domain_event, changes, (case_id, case_id))

    @process_event.register
    def _(self, domain_event: ETicket.Unfrozen, tracking: Tracking) -> None:
        changes: LiteralString = "frozen_by = array_remove(frozen_by, %s)"
        self.view.update(tracking, domain_event, changes, (domain_event.case_id,))
