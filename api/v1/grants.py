"""Tickets that an issuer gives without a sale, and coupons handed out to many."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party
from api.openapi.fields import Flag, Id, Strict, Text, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.orders import ANSWER_MAX
from ledger.aggregates.offering import CATEGORY_MAX
from ledger.aggregates.order import LINES_MAX
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PersonalData, StockDesk
from ledger.usecases import coupon_issue, grants
from ledger.usecases.coupon_issue import HOLDERS_MAX, Holder
from ledger.vocabulary.codes import Role
from ledger.vocabulary.sealed_ticket import RIGHT_MAX


class GrantIn(Strict):
    offering_id = Id(required=True)
    to_party_id = Id(required=True)
    count = Whole(least=1, most=LINES_MAX, load_default=1)
    category = Text(most=CATEGORY_MAX, load_default=None, allow_none=True)
    place = Text(
        most=RIGHT_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("Any free one, unless named."),
    )
    together = Flag(load_default=False, metadata=about("Places side by side alone."))
    answers = fields.List(
        Text(most=ANSWER_MAX),
        load_default=list,
        validate=validate.Length(max=LINES_MAX),
        metadata=about("The holders', one a ticket, if the offering asks."),
    )


class GrantMade(Strict):
    grant_id = fields.UUID()
    ticket_ids = fields.List(fields.UUID())
    places = fields.List(fields.String(), metadata=about("In the tickets' order."))


class GrantOut(GrantMade):
    offering_id = fields.UUID()
    issuer_id = fields.UUID()
    to_party_id = fields.UUID()


class CouponsIn(Strict):
    offering_id = Id(required=True, metadata=about("Of kind coupon."))
    party_ids = fields.List(
        Id(), load_default=list, validate=validate.Length(max=HOLDERS_MAX)
    )
    ticket_ids = fields.List(
        Id(),
        load_default=list,
        validate=validate.Length(max=HOLDERS_MAX),
        metadata=about("One for each of these tickets of mine, to its owner."),
    )
    category = Text(most=CATEGORY_MAX, load_default=None, allow_none=True)


class CouponOut(Strict):
    coupon_id = fields.UUID(metadata=about("A ticket of kind coupon."))
    grant_id = fields.UUID()
    party_id = fields.UUID()
    for_ticket_id = fields.UUID(allow_none=True)
    right = fields.String()


class CouponsOut(Strict):
    coupons = fields.List(fields.Nested(CouponOut))


def blueprint(
    ledger: Ledger, desk: StockDesk, personal: PersonalData, clock: Clock
) -> Blueprint:
    routes = Routes("grants", "/v1", "Tickets given without a sale.")

    @routes.post("/grants", takes=GrantIn, gives=GrantMade, previewed=True)
    def give(body: Json) -> Answer:
        """Give a party tickets of an offering of mine, for nothing."""
        grant_id = new_id()
        ticket_ids = [new_id() for _ in range(body["count"])]
        said = {
            name: body[name]
            for name in ("offering_id", "category", "place", "together", "answers")
        }
        given = attempt(
            lambda: grants.grant(
                ledger,
                desk,
                personal,
                **said,
                grant_id=grant_id,
                by=party(),
                to=body["to_party_id"],
                ticket_ids=ticket_ids,
                at=clock.now(),
                cause=cause(),
            )
        )
        return {**asdict(given), "grant_id": grant_id}, recorded(given.position)

    @routes.get("/grants/<uuid:grant_id>", gives=GrantOut)
    def look_at(grant_id: UUID) -> Any:
        """Tell a grant to who made it, and to whom it was made."""
        sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
        by = None if sees_all else party()
        return grants.look_at(ledger, grant_id=grant_id, by=by)

    @routes.post("/coupons", takes=CouponsIn, gives=CouponsOut, previewed=True)
    def hand_out(body: Json) -> Answer:
        """Hand coupons out to parties, or to who holds tickets of mine: all or none."""
        holders = [
            Holder(new_id(), new_id(), party_id=each) for each in body["party_ids"]
        ]
        holders += [
            Holder(new_id(), new_id(), ticket_id=each) for each in body["ticket_ids"]
        ]
        done = attempt(
            lambda: coupon_issue.issue(
                ledger,
                desk,
                personal,
                offering_id=body["offering_id"],
                by=party(),
                holders=holders,
                category=body["category"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return {"coupons": done.coupons}, recorded(done.position)

    return routes.blueprint
