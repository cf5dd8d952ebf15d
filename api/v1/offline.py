"""What machines did without the line, reported when it is there again.

A fact is its own command: the machine and its number for it say which it is, so that an
upload that was cut short, or whose answer was lost, is simply made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import cause
from api.openapi.fields import (
    Choice,
    Flag,
    Hex,
    Id,
    Strict,
    Text,
    Time,
    Whole,
    about,
)
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.machines import seen
from api.v1.redemptions import RECEIPT_MAX
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.aggregates.device import DeviceKind
from ledger.aggregates.e_ticket.states import SERIAL_PATTERN
from ledger.application import CommitTerms, Ledger, attempt
from ledger.clock import Clock
from ledger.projections.devices import DevicesView
from ledger.usecases import offline
from ledger.usecases.offline import FACTS_MAX, Fact
from ledger.vocabulary.medium_record import SLOTS_MAX, UID_LENGTH

_SERIAL = validate.Regexp(
    f"^(?:{SERIAL_PATTERN.pattern})\\Z",
    error="A serial has 3 to 32 capital letters, digits and hyphens.",
)
COUNTER_MAX = 0xFF_FF_FF_FF


class FactMarkIn(Strict):
    """Where the card was marked."""

    uid = Hex(size=UID_LENGTH, required=True)
    slot = Whole(most=SLOTS_MAX - 1, required=True)
    seq = Whole(
        most=COUNTER_MAX,
        load_default=None,
        allow_none=True,
        metadata=about("The state that the card was brought to; null: not written."),
    )


class FactIn(Strict):
    """What every fact says. The machine's clock is evidence and decides little."""

    device_seq = Whole(
        least=1, most=COUNTER_MAX, required=True, metadata=about("Its own count.", 1)
    )
    device_time = Time(required=True)
    known_position = Whole(
        required=True, metadata=about("The last position it had heard of.")
    )
    ticket_id = Id(required=True)
    mark = fields.Nested(FactMarkIn, required=True)


class PrintedFactIn(FactIn):
    """A paper came out."""

    serial = fields.String(
        required=True,
        validate=_SERIAL,
        metadata=about("On the paper.", "FOYER-000017"),
    )
    epoch = Whole(most=COUNTER_MAX, required=True, metadata=about("Of the copy.", 2))


class RedeemedFactIn(FactIn):
    """A coupon was used."""

    session_id = Id(required=True)
    receipt = Text(
        most=RECEIPT_MAX, required=True, metadata=about("The shop's own.", "R-17")
    )
    amount = Whole(
        least=1,
        most=AMOUNT_MAX_MINOR,
        required=True,
        metadata=about("Uses, or minor units.", 1),
    )


def _upload(of: type[FactIn]) -> type[Strict]:
    return type(
        of.__name__.replace("FactIn", "FactsIn"),
        (Strict,),
        {
            "facts": fields.List(
                fields.Nested(of),
                required=True,
                validate=validate.Length(min=1, max=FACTS_MAX),
                metadata=about("In any order; taken in by their numbers."),
            )
        },
    )


class OutcomeOut(Strict):
    device_seq = fields.Integer()
    agrees = Flag(metadata=about("The ledger's own story of the ticket goes on so."))
    case_ids = fields.List(fields.UUID(), metadata=about("Where it is looked at."))
    position = fields.Integer(metadata=about("By which it is recorded."))


class OutcomesOut(Strict):
    outcomes = fields.List(fields.Nested(OutcomeOut))


class FactOut(Strict):
    """A fact as the machine told it, and what came of it."""

    fact_id = fields.UUID()
    position = fields.Integer(metadata=about("Where it was recorded."))
    device_seq = fields.Integer()
    device_time = Time()
    known_position = fields.Integer()
    kind = Choice("dispensed", "redeemed")
    ticket_id = fields.UUID()
    said = fields.Dict(metadata=about("The rest of what the machine said."))
    agrees = Flag()
    case_ids = fields.List(fields.UUID())
    at = Time(metadata=about("When it was recorded."))


class FactsOut(Paged):
    facts = fields.List(fields.Nested(FactOut))


def blueprint(
    ledger: Ledger,
    devices: DevicesView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("offline", "/v1", "Done without the line.", waiting=waiting)

    def taken_in(
        body: Json, device_id: UUID, kind: DeviceKind, read: Callable[[Json], Fact]
    ) -> Answer:
        seen(ledger, device_id, kind)
        facts = [read(each) for each in body["facts"]]
        # A key of this request would be used up by the first of its many commits.
        each_alone = replace(cause(), terms=CommitTerms())
        outcomes = attempt(
            lambda: offline.upload(
                ledger,
                device_id=device_id,
                facts=facts,
                at=clock.now(),
                cause=each_alone,
            )
        )
        position = max(each.position for each in outcomes)
        return {"outcomes": outcomes}, recorded(position)

    def told(asked: Json, device_id: UUID, kind: DeviceKind) -> Any:
        seen(ledger, device_id, kind)
        return page(asked, "facts", devices.facts, device_id=device_id)

    @routes.post(
        "/dispensers/<uuid:device_id>/facts",
        takes=_upload(PrintedFactIn),
        gives=OutcomesOut,
        status=200,
    )
    def report_printed(body: Json, device_id: UUID) -> Answer:
        """Report what a dispenser printed without the line; may be said again."""
        return taken_in(body, device_id, "dispenser", _printed)

    @routes.post(
        "/points-of-sale/<uuid:device_id>/facts",
        takes=_upload(RedeemedFactIn),
        gives=OutcomesOut,
        status=200,
    )
    def report_redeemed(body: Json, device_id: UUID) -> Answer:
        """Report the coupons that a till took without the line; may be said again."""
        return taken_in(body, device_id, "point_of_sale", _redeemed)

    @routes.get(
        "/dispensers/<uuid:device_id>/facts",
        gives=FactsOut,
        asks=PageAsked,
        view="devices",
    )
    def list_printed(asked: Json, device_id: UUID) -> Any:
        """Tell what a dispenser has reported, newest first."""
        return told(asked, device_id, "dispenser")

    @routes.get(
        "/points-of-sale/<uuid:device_id>/facts",
        gives=FactsOut,
        asks=PageAsked,
        view="devices",
    )
    def list_redeemed(asked: Json, device_id: UUID) -> Any:
        """Tell what a till has reported, newest first."""
        return told(asked, device_id, "point_of_sale")

    return routes.blueprint


def _printed(said: Json) -> Fact:
    return offline.PrintedOffline(**{**said, "mark": offline.Mark(**said["mark"])})


def _redeemed(said: Json) -> Fact:
    return offline.RedeemedOffline(**{**said, "mark": offline.Mark(**said["mark"])})
