"""Buying listed tickets: several of one seller's, by purse, points and card.

begin ─► INITIATED ─► the card answers ─► TITLE_MOVED ─► PAID_OUT ─► CLOSED
             └─► ABORTED: declined, given up, or too late
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause, has, party
from api.openapi.fields import Choice, Flag, Id, Strict, Text, Time, about, words
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.orders import ANSWER_MAX, TenderIn
from ledger.aggregates.sale import LINES_MAX, SaleState
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.ports import PaymentProvider, PersonalData
from ledger.projections.sales import SalesView
from ledger.usecases import payouts, sale_payments, sale_states
from ledger.usecases.settlement import Wanted
from ledger.usecases.tenders import KINDS, Tender
from ledger.vocabulary.codes import Role


class WantedIn(Strict):
    ticket_id = Id(required=True)
    listing_id = Id(required=True)
    answer = Text(
        most=ANSWER_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("The new holder's, if the ticket has a question."),
    )


class SaleIn(Strict):
    listings = fields.List(
        fields.Nested(WantedIn),
        required=True,
        validate=validate.Length(min=1, max=LINES_MAX),
        metadata=about("Of one seller in one currency: all are bought, or none."),
    )
    tenders = fields.List(
        fields.Nested(TenderIn),
        load_default=list,
        validate=validate.Length(max=len(KINDS)),
        metadata=about("Together the price; none: my purse pays it."),
    )


class SharesOut(Strict):
    """Who gets how much; together they are the price."""

    seller_minor = fields.Integer()
    royalty_minor = fields.Integer()
    platform_minor = fields.Integer()
    tax_minor = fields.Integer()


_STATE = about("INITIATED: the card has not answered. TITLE_MOVED: mine, not paid out.")


class SaleMade(Strict):
    sale_id = fields.UUID()
    state = Choice(*words(SaleState), metadata=_STATE)
    entry_id = fields.UUID(allow_none=True, metadata=about("null: nothing moved yet."))
    split = fields.Nested(SharesOut)


class SaleLineOut(Strict):
    ticket_id = fields.UUID()
    listing_id = fields.UUID()
    offering_id = fields.UUID()
    price_minor = fields.Integer()
    returned = Flag(metadata=about("A decision gave back what it had cost."))


class SaleNowOut(Strict):
    sale_id = fields.UUID()
    buyer_id = fields.UUID()
    seller_id = fields.UUID()
    state = Choice(*words(SaleState), metadata=_STATE)
    lines = fields.List(fields.Nested(SaleLineOut))
    price_minor = fields.Integer()
    currency = fields.String()
    split = fields.Nested(SharesOut)
    payout = Choice("at_sale", "after_start")
    until = Time(
        allow_none=True, metadata=about("So long the tickets wait for a card's answer.")
    )
    entry_id = fields.UUID(allow_none=True)
    refunded_minor = fields.Integer()
    owed_minor = fields.Integer(metadata=about("What never came from the card."))
    version = fields.Integer()


class SalesAsked(PageAsked):
    of = Choice("bought", "sold", load_default="bought")


class SaleListedOut(Strict):
    sale_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it began."))
    buyer_id = fields.UUID()
    seller_id = fields.UUID()
    price_minor = fields.Integer()
    currency = fields.String()
    state = Choice(*words(SaleState), metadata=_STATE)
    begun_at = Time()


class SalesOut(Paged):
    sales = fields.List(fields.Nested(SaleListedOut))


class PaidOutOut(Strict):
    split = fields.Nested(SharesOut)


def blueprint(
    ledger: Ledger,
    provider: PaymentProvider,
    personal: PersonalData,
    view: SalesView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("sales", "/v1/sales", "Listed tickets bought.", waiting=waiting)

    @routes.post("", takes=SaleIn, gives=SaleMade, previewed=True)
    def buy(body: Json) -> Answer:
        """Buy listed tickets: money and titles move together, all or none."""
        sale_id, entry_id = new_id(), new_id()
        bought = sale_payments.purchase(
            ledger,
            provider,
            personal,
            wanted=[Wanted(**each) for each in body["listings"]],
            sale_id=sale_id,
            entry_id=entry_id,
            by=party(),
            offered=[Tender(each.pop("tender"), **each) for each in body["tenders"]],
            at=clock.now(),
            cause=cause(),
        )
        answer = {
            "sale_id": bought.sale_id,
            "state": bought.state,
            "entry_id": bought.entry_id,
            "split": _split(bought.split_minor),
        }
        return answer, recorded(bought.position)

    @routes.get("", gives=SalesOut, asks=SalesAsked, view="sales")
    def list_mine(asked: Json) -> Any:
        """List what I bought of others, or sold to them, newest first."""
        if asked["of"] == "sold":
            return page(asked, "sales", view.of_seller, seller_id=party())
        return page(asked, "sales", view.of_buyer, buyer_id=party())

    @routes.get("/<uuid:sale_id>", gives=SaleNowOut, versioned=True)
    def look_at(sale_id: UUID) -> Any:
        """Tell a sale to its buyer and its seller."""
        return told(sale_id)

    def told(sale_id: UUID) -> dict[str, Any]:
        sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
        by = None if sees_all else party()
        sale = asdict(sale_states.look_at(ledger, sale_id=sale_id, by=by))
        return {**sale, "split": _split(sale["split_minor"])}

    @routes.post("/<uuid:sale_id>/check", gives=SaleNowOut, status=200)
    def check(sale_id: UUID) -> Answer:
        """Ask the provider for the answer that a card's sale waits for."""
        told(sale_id)
        done = sale_payments.advance(
            ledger, provider, sale_id=sale_id, at=clock.now(), cause=cause()
        )
        return told(sale_id), recorded(done.position)

    @routes.delete("/<uuid:sale_id>", matches="sale_id")
    def give_up(sale_id: UUID) -> Response:
        """Give up a sale that waits for its card: the buyer's to do.

        An operator may once its time is over. Nothing was captured, so nothing is lost.
        """
        position = attempt(
            lambda: sale_payments.give_up(
                ledger,
                sale_id=sale_id,
                by=None if has(Role.OPERATOR) else party(),
                at=clock.now(),
                cause=cause(),
            )
        )
        return Response(status=204, headers=recorded(position))

    @routes.post(
        "/<uuid:sale_id>/payout",
        gives=PaidOutOut,
        matches="sale_id",
        previewed=True,
    )
    def pay_out(sale_id: UUID) -> Answer:
        """Pay a sale out as an operator, or learn why it is not due."""
        paid = attempt(
            lambda: payouts.payout(
                ledger, sale_id=sale_id, at=clock.now(), cause=cause()
            )
        )
        return {"split": _split(paid.split_minor)}, recorded(paid.position)

    return routes.blueprint


def _split(split_minor: Mapping[str, int]) -> dict[str, int]:
    return {f"{name}_minor": amount for name, amount in split_minor.items()}
