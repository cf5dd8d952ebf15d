"""The keys by which devices sign who they are: enrolled, listed, revoked."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import has, principal
from api.oauth.assertions import thumbprint
from api.openapi.fields import Choice, Strict, Text, Time, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.problems import BadFields
from api.v1.devices import KINDS
from ledger.adapters.signing_keys import SigningKeys
from ledger.adapters.tokens import TokenStore
from ledger.aggregates.device import Device
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.vocabulary.codes import Role

COORDINATE_MAX = 43
"""32 bytes in base64url, without padding."""

_PATH = "/<uuid:device_id>/signing-keys"


class JwkIn(Strict):
    """A public key as RFC 7517 and RFC 8037 have it; a private one is refused."""

    kty = Choice("OKP", "EC", required=True)
    crv = Choice("Ed25519", "P-256", required=True)
    x = Text(most=COORDINATE_MAX, required=True)
    y = Text(most=COORDINATE_MAX, load_default=None, metadata=about("Of P-256."))


class SigningKeyIn(Strict):
    jwk = fields.Nested(JwkIn, required=True)


class EnrolledKeyOut(Strict):
    kid = fields.String(metadata=about("The key's RFC 7638 thumbprint."))


class SigningKeyOut(EnrolledKeyOut):
    jwk = fields.Dict()
    enrolled_at = Time()
    revoked_at = Time(allow_none=True)


class SigningKeysOut(Strict):
    signing_keys = fields.List(fields.Nested(SigningKeyOut))


def blueprint(
    ledger: Ledger, keys: SigningKeys, tokens: TokenStore, clock: Clock
) -> Blueprint:
    routes = Routes("signing-keys", "/v1/devices", "Keys that devices sign by.")

    @routes.post(_PATH, takes=SigningKeyIn, gives=EnrolledKeyOut)
    def enrol(body: Json, device_id: UUID) -> Answer:
        """Enrol a device's public key; the device gets tokens by it at /oauth/token."""
        _mine(ledger, device_id).require(*KINDS)
        jwk = {name: value for name, value in body["jwk"].items() if value is not None}
        try:
            kid = thumbprint(jwk)
        except ValueError as error:
            raise BadFields(says=f"The jwk is {error}.") from None
        keys.enrol(device_id, kid=kid, jwk=jwk, at=clock.now())
        return {"kid": kid}, recorded(ledger.position())

    @routes.get(_PATH, gives=SigningKeysOut)
    def listed(device_id: UUID) -> Any:
        """Tell a device's signing keys, revoked ones as well."""
        _mine(ledger, device_id)
        return {"signing_keys": keys.of(device_id)}

    @routes.delete(f"{_PATH}/<kid>")
    def revoke(device_id: UUID, kid: str) -> Response:
        """Revoke a key, and every token of its device."""
        _mine(ledger, device_id)
        at = clock.now()
        if not keys.revoke(device_id, kid, at=at):
            raise Unknown(what="key")
        tokens.revoke_device(device_id, at=at)
        return Response(status=204, headers=recorded(ledger.position()))

    return routes.blueprint


def _mine(ledger: Ledger, device_id: UUID) -> Device:
    """Return a device of the caller's, or of anybody's to an operator."""
    device = ledger.device(device_id)
    if device.keeper_id != principal().party_id and not has(Role.OPERATOR):
        raise Unknown(what="device")
    return device
