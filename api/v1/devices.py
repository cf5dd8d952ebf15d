"""Devices: enrolled with their public keys, revoked, and told what they must know."""

from __future__ import annotations

from typing import get_args
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, has, party, principal
from api.openapi.fields import Choice, Hex, Id, Strict, Text, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.v1.media import SealedOut
from ledger.adapters.tokens import TokenStore
from ledger.aggregates.device import DeviceKind, DeviceNotAuthorised
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.errors import Unknown
from ledger.ports import CardAuthority, Secrets
from ledger.usecases import parties
from ledger.vocabulary.codes import Role

KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
LABEL_MAX = 80
REVOKED = "revoked at the API"


class DeviceIn(Strict):
    kind = Choice(*KINDS, required=True)
    public_key = Hex(size=32, required=True, metadata=about("X25519 (RFC 7748)."))
    label = Text(most=LABEL_MAX, required=True, metadata=about("", "Foyer, left"))
    keeper_id = Id(
        load_default=None,
        allow_none=True,
        metadata=about("The party that answers for it: me, unless an operator says."),
    )


class DeviceOut(Strict):
    device_id = fields.UUID()


def blueprint(
    ledger: Ledger,
    cards: CardAuthority,
    secrets: Secrets,
    tokens: TokenStore,
    clock: Clock,
    *,
    origin: str,
) -> Blueprint:
    routes = Routes("devices", "/v1/devices", "Terminals, dispensers, tills.")

    @routes.post("", takes=DeviceIn, gives=DeviceOut)
    def enrol(body: Json) -> Answer:
        """Enrol a device: buyers their own terminals, operators any."""
        if body["kind"] != "terminal" and not has(Role.OPERATOR):
            raise DeviceNotAuthorised(why="only an operator enrols this kind")
        keeper_id = body["keeper_id"] or party()
        if keeper_id != party():
            if not has(Role.OPERATOR):
                raise DeviceNotAuthorised(why="it would be somebody else's")
            ledger.party(keeper_id)
        device_id = new_id()
        position = parties.enrol(
            ledger,
            device_id=device_id,
            kind=body["kind"],
            keeper_id=keeper_id,
            public_key=body["public_key"].hex(),
            label=body["label"],
            at=clock.now(),
            cause=cause(),
        )
        return {"device_id": device_id}, recorded(position)

    @routes.delete("/<uuid:device_id>", matches="device_id")
    def revoke(device_id: UUID) -> Response:
        """Revoke a device and every token of it."""
        position = attempt(
            lambda: parties.revoke(
                ledger,
                device_id=device_id,
                by=party(),
                as_operator=has(Role.OPERATOR),
                reason=REVOKED,
                at=clock.now(),
                cause=cause(),
            )
        )
        tokens.revoke_device(device_id, at=clock.now())
        return Response(status=204, headers=recorded(position))

    @routes.post("/<uuid:device_id>/keys", gives=SealedOut, status=200)
    def keys(device_id: UUID) -> Answer:
        """Hand a device the keys it works with, sealed for it alone."""
        device = ledger.device(device_id)
        own_terminal = (
            device.kind == "terminal" and device.keeper_id == principal().party_id
        )
        if device_id != principal().device_id and not own_terminal:
            raise Unknown(what="device")
        bundle = parties.key_bundle(
            ledger, cards, secrets, device_id=device_id, origin=origin
        )
        return {"sealed": bundle.sealed}, recorded(bundle.position)

    return routes.blueprint
