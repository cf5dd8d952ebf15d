"""What coupons were used for: at which till, how much, and how much came back.

Out of it issuers and shops settle what is final; the log itself says the same
(`ledger.usecases.coupon_settlement`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.device import Device
from ledger.aggregates.e_ticket import ETicket
from ledger.projections.base import Projection, Statement, View

REDEMPTIONS_MAX = 50


@dataclass(frozen=True, slots=True)
class RedemptionLine:
    """One use of a coupon; `amount` is in `unit`, a currency's minor units or uses.

    `shop_id` is None if the till was never enrolled here.
    """

    session_id: UUID
    position: int
    shop_id: UUID | None
    device_id: UUID
    receipt: str
    unit: str
    amount: int
    reversed: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Total:
    """What became final in a period at one point of sale, in one unit."""

    issuer_id: UUID
    shop_id: UUID | None
    device_id: UUID
    unit: str
    redemptions: int
    amount: int


class RedemptionsView(View):
    """The tables `redemptions`, `redemptions_coupons` and `redemptions_tills`."""

    name = "redemptions"
    tables = ("redemptions", "redemptions_coupons", "redemptions_tills")

    def of_coupon(
        self,
        ticket_id: UUID,
        *,
        shop_id: UUID | None = None,
        before: int | None = None,
        limit: int = REDEMPTIONS_MAX,
    ) -> Sequence[RedemptionLine]:
        """Return a coupon's uses, or those at one shop, the newest first."""
        rows = self.rows(
            "SELECT session_id, position, shop_id, device_id, receipt, unit, amount,"
            " reversed, at FROM redemptions WHERE ticket_id = %s"
            " AND (%s::uuid IS NULL OR shop_id = %s)"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (ticket_id, *(shop_id, shop_id), *(before, before), limit),
        )
        return [RedemptionLine(**row) for row in rows]

    def final(
        self,
        *,
        since: datetime,
        until: datetime,
        after: timedelta,
        issuer_id: UUID | None = None,
        shop_id: UUID | None = None,
    ) -> Sequence[Total]:
        """Sum what became final from `since` up to `until`, by point of sale.

        A redemption is final `after` it was made, with what was not taken back.
        """
        rows = self.rows(
            "SELECT issuer_id, shop_id, device_id, unit, count(*) AS redemptions,"
            " sum(amount - reversed)::bigint AS amount FROM redemptions"
            " WHERE at > %s AND at <= %s AND amount > reversed"
            " AND (%s::uuid IS NULL OR issuer_id = %s)"
            " AND (%s::uuid IS NULL OR shop_id = %s)"
            " GROUP BY issuer_id, shop_id, device_id, unit"
            " ORDER BY issuer_id, shop_id, device_id, unit",
            (
                *(since - after, until - after),
                *(issuer_id, issuer_id),
                *(shop_id, shop_id),
            ),
        )
        return [Total(**row) for row in rows]


class Redemptions(Projection[RedemptionsView]):
    """Follows coupons, and who keeps the tills."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Device.Enrolled, tracking: Tracking) -> None:
        till: Statement = (
            "INSERT INTO redemptions_tills (device_id, keeper_id) VALUES (%s, %s)",
            (domain_event.originator_id, domain_event.keeper_id),
        )
        self.view.change(tracking, till)

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        if domain_event.kind != "coupon":
            self.view.change(tracking)
            return
        in_money = domain_event.uses_unit == "money"
        coupon: Statement = (
            "INSERT INTO redemptions_coupons (ticket_id, issuer_id, unit)"
            " VALUES (%s, %s, %s)",
            (
                domain_event.originator_id,
                domain_event.issuer_id,
                domain_event.currency if in_money else "uses",
            ),
        )
        self.view.change(tracking, coupon)

    @process_event.register
    def _(self, domain_event: ETicket.CouponRedeemed, tracking: Tracking) -> None:
        """Of a coupon that is not known the view stops: a NULL is refused."""
        redeemed: Statement = (
            "INSERT INTO redemptions (ticket_id, session_id, position, issuer_id,"
            " shop_id, device_id, receipt, unit, amount, reversed, at)"
            " SELECT said.ticket_id, %s, %s, issuer_id, keeper_id, said.device_id,"
            " %s, unit, %s, 0, %s"
            " FROM (SELECT %s::uuid AS ticket_id, %s::uuid AS device_id) said"
            " LEFT JOIN redemptions_coupons USING (ticket_id)"
            " LEFT JOIN redemptions_tills USING (device_id)",
            (
                domain_event.session_id,
                tracking.notification_id,
                domain_event.receipt,
                domain_event.amount,
                domain_event.timestamp,
                domain_event.originator_id,
                domain_event.device_id,
            ),
        )
        self.view.change(tracking, redeemed)

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionReversed, tracking: Tracking) -> None:
        back: Statement = (
            "UPDATE redemptions SET reversed = reversed + %s"
            " WHERE ticket_id = %s AND session_id = %s",
            (
                domain_event.amount,
                domain_event.originator_id,
                domain_event.session_id,
            ),
        )
        self.view.change(tracking, back)
