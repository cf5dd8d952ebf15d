"""What coupons were used for: listed, taken back, and settled once it is final."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, device, has, party, principal
from api.openapi.fields import Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.tickets import readable
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.projections.redemptions import RedemptionsView
from ledger.usecases import coupon_settlement, coupons
from ledger.usecases.coupons import REVERSAL_S
from ledger.vocabulary.codes import Role
from ledger.vocabulary.medium_record import USES_MAX

FINAL_AFTER = timedelta(seconds=REVERSAL_S)
_UNIT = about("A currency's minor units, or uses.", "EUR")


class UseOut(Strict):
    """One redemption of a coupon."""

    session_id = fields.UUID()
    position = fields.Integer()
    shop_id = fields.UUID(allow_none=True, metadata=about("null: not enrolled here."))
    device_id = fields.UUID(metadata=about("The till."))
    receipt = fields.String(metadata=about("The shop's own."))
    unit = fields.String(metadata=_UNIT)
    amount = fields.Integer()
    reversed = fields.Integer(metadata=about("Taken back of it."))
    at = Time()


class UsesListedOut(Paged):
    redemptions = fields.List(fields.Nested(UseOut))


class ReversalIn(Strict):
    amount = Whole(least=1, most=USES_MAX, load_default=1)
    reason = Text(required=True, metadata=about("", "returned"))


class ReversalOut(Strict):
    reversal_id = fields.UUID()
    uses_left = fields.Integer()


class PeriodAsked(Strict):
    since = Time(required=True)
    until = Time(required=True, metadata=about("Not later than now."))


class TotalOut(Strict):
    """What became final in the period at one point of sale."""

    issuer_id = fields.UUID()
    shop_id = fields.UUID(allow_none=True)
    device_id = fields.UUID()
    unit = fields.String(metadata=_UNIT)
    redemptions = fields.Integer()
    amount = fields.Integer(metadata=about("Without what was taken back."))


class SettlementOut(Strict):
    totals = fields.List(fields.Nested(TotalOut))
    position = fields.Integer(metadata=about("Up to which the log was looked at."))


def blueprint(
    ledger: Ledger, view: RedemptionsView, waiting: Waiting, clock: Clock
) -> Blueprint:
    routes = Routes("coupons", "/v1", "Coupons after their use.", waiting=waiting)

    @routes.get(
        "/tickets/<uuid:ticket_id>/redemptions",
        gives=UsesListedOut,
        asks=PageAsked,
        view="redemptions",
    )
    def list_uses(asked: Json, ticket_id: UUID) -> Any:
        """List what a coupon was used for, newest first; a shop sees its own."""
        shop_id = _shop(ledger) if has(Role.SHOP) else None
        if shop_id is None:
            readable(ledger, ticket_id)
        return page(
            asked, "redemptions", view.of_coupon, ticket_id=ticket_id, shop_id=shop_id
        )

    @routes.post(
        "/tickets/<uuid:ticket_id>/redemptions/<uuid:session_id>/reversal",
        takes=ReversalIn,
        gives=ReversalOut,
    )
    def reverse(body: Json, ticket_id: UUID, session_id: UUID) -> Answer:
        """Take back what a redemption of my shop took, or a part of it."""
        reversal_id = new_id()
        done = attempt(
            lambda: coupons.reverse(
                ledger,
                ticket_id=ticket_id,
                session_id=session_id,
                reversal_id=reversal_id,
                **body,
                device_id=device(),
                at=clock.now(),
                cause=cause(),
            )
        )
        told = {"reversal_id": reversal_id, "uses_left": done.uses_left}
        return told, recorded(done.position)

    @routes.get(
        "/coupon-settlements", gives=SettlementOut, asks=PeriodAsked, view="redemptions"
    )
    def settle(asked: Json) -> Any:
        """Sum what became final in a period that is over, by point of sale.

        Issuers see their coupons, shops their tills, operators and auditors all.
        """
        coupon_settlement.require_over(**asked, at=clock.now())
        sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
        as_shop = has(Role.SHOP) and not sees_all
        position = view.position()
        totals = view.final(
            since=asked["since"],
            until=asked["until"],
            after=FINAL_AFTER,
            shop_id=_shop(ledger) if as_shop else None,
            issuer_id=None if sees_all or as_shop else party(),
        )
        return {"totals": totals, "position": position}

    return routes.blueprint


def _shop(ledger: Ledger) -> UUID:
    """Return the shop that asks, or that keeps the till that does."""
    till = principal().device_id
    return party() if till is None else ledger.device(till).keeper_id
