"""What a token is given for: each grant checks a form and says whom a token is for.

One more grant is one more row of the mapping that the token endpoint is made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from api.oauth.assertions import TYPE, Assertions
from api.oauth.refusals import InvalidClient, OAuthError
from ledger.aggregates.device import Device, DeviceKind
from ledger.application import Ledger
from ledger.errors import Refusal
from ledger.vocabulary.codes import Role

CLIENT_CREDENTIALS = "client_credentials"
DEVICE_TOKEN_S = 600

ROLE_OF: Mapping[DeviceKind, Role] = {
    "terminal": Role.TERMINAL,
    "dispenser": Role.DISPENSER,
    "point_of_sale": Role.SHOP,
    "personaliser": Role.PERSONALISER,
}

Form: TypeAlias = Mapping[str, str]


def _nothing() -> None:
    """What is asked once more where nothing can be revoked in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Whom a token speaks for, and for how long; `more` goes into the answer.

    `confirm` is called when the token is made and not yet given, and raises
    `OAuthError` if what it rests on was revoked in between.
    """

    roles: frozenset[Role]
    lifetime_s: int
    party_id: UUID | None = None
    device_id: UUID | None = None
    label: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    confirm: Callable[[], None] = _nothing


Grant: TypeAlias = Callable[[Form], Granted]
"""Raises `OAuthError`."""


def client_credentials(ledger: Ledger, assertions: Assertions) -> Grant:
    """A device asks for itself (RFC 6749 section 4.4), by an assertion it signed."""

    def grant(form: Form) -> Granted:
        if form.get("client_assertion_type") != TYPE:
            raise OAuthError(
                "invalid_request", f"The client_assertion_type has to be {TYPE}."
            )
        signed = assertions.signed(required(form, "client_assertion"))
        if (form.get("client_id") or str(signed.device_id)) != str(signed.device_id):
            raise InvalidClient

        def confirm() -> None:
            _trusted(ledger, signed.device_id)
            if not assertions.is_good(signed):
                raise InvalidClient

        return Granted(
            roles=frozenset({ROLE_OF[_trusted(ledger, signed.device_id).kind]}),
            lifetime_s=DEVICE_TOKEN_S,
            device_id=signed.device_id,
            label=CLIENT_CREDENTIALS,
            confirm=confirm,
        )

    return grant


def _trusted(ledger: Ledger, device_id: UUID) -> Device:
    try:
        device = ledger.device(device_id)
        device.require(device.kind)
    except Refusal:
        raise InvalidClient from None
    return device


def required(form: Form, name: str) -> str:
    """Return a parameter of a form. Raises `OAuthError` without it."""
    value = form.get(name)
    if not value:
        raise OAuthError("invalid_request", f"The parameter {name} is missing.")
    return value
