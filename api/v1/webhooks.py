"""Where I am told what concerns me: signed webhooks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api.auth import party
from api.openapi.fields import Choice, Strict, Text, Time, about, words
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from ledger.adapters.outbox import NotificationKind
from ledger.adapters.subscriptions import Subscriptions
from ledger.application import Ledger
from ledger.clock import Clock, new_id
from ledger.usecases import webhooks

URL_MAX = 500


class WebhookIn(Strict):
    url = Text(
        most=URL_MAX,
        required=True,
        metadata=about("Reachable by https from the Internet.", "https://h.example/t"),
    )
    kinds = fields.List(
        Choice(*words(NotificationKind)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=len(NotificationKind)),
        metadata=about("null: all of them."),
    )


class SubscribedOut(Strict):
    subscription_id = fields.UUID()
    secret = fields.String(
        metadata=about("Shown this once; it signs as Standard Webhooks has it.")
    )


class WebhookOut(Strict):
    subscription_id = fields.UUID()
    url = fields.String()
    kinds = fields.List(fields.String(), allow_none=True)
    created_at = Time()
    failures = fields.Integer(metadata=about("In a row."))
    quiet_until = Time(
        allow_none=True, metadata=about("It failed; nothing is sent before.")
    )
    ended_at = Time(allow_none=True, metadata=about("When it said that it is gone."))


class WebhooksOut(Strict):
    webhooks = fields.List(fields.Nested(WebhookOut))


class SecretOut(Strict):
    secret = fields.String(metadata=about("The old one signs for a day beside it."))


def blueprint(
    ledger: Ledger, subscriptions: Subscriptions, clock: Clock, *, loopback: bool
) -> Blueprint:
    routes = Routes("webhooks", "/v1/webhooks", "Being told.")

    @routes.get("", gives=WebhooksOut)
    def mine() -> Any:
        """List my webhooks, and how they fare."""
        return {"webhooks": webhooks.of_party(subscriptions, party_id=party())}

    @routes.post("", takes=WebhookIn, gives=SubscribedOut)
    def subscribe(body: Json) -> Answer:
        """Have what I am told sent to a URL, from now on."""
        made = webhooks.create(
            ledger,
            subscriptions,
            subscription_id=new_id(),
            party_id=party(),
            url=body["url"],
            kinds=body["kinds"],
            at=clock.now(),
            loopback=loopback,
        )
        return made, recorded(ledger.position())

    @routes.post("/<uuid:subscription_id>/rotation", gives=SecretOut, status=200)
    def rotate(subscription_id: UUID) -> Answer:
        """Draw a new secret."""
        rotated = webhooks.rotate(
            subscriptions,
            subscription_id=subscription_id,
            by=party(),
            at=clock.now(),
        )
        return rotated, recorded(ledger.position())

    @routes.delete("/<uuid:subscription_id>")
    def unsubscribe(subscription_id: UUID) -> Response:
        """End a webhook of mine; nothing more is sent to it."""
        webhooks.delete(
            subscriptions,
            subscription_id=subscription_id,
            by=party(),
            at=clock.now(),
        )
        return Response(status=204, headers=recorded(ledger.position()))

    return routes.blueprint
