"""Registering who takes part, and enrolling the machines they use."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from ledger.aggregates.device import Device, DeviceKind, DeviceNotAuthorised, Rights
from ledger.aggregates.party import Party, PartyKind
from ledger.application import Cause, Ledger
from ledger.errors import Malformed
from ledger.ports import CardAuthority, PersonalData, Secrets
from ledger.vocabulary.device_keys import seal_bundle

_ANYBODYS = X25519PrivateKey.from_private_bytes(bytes(range(32)))
_KEY = re.compile(r"[0-9a-f]{64}")


class BadKey(Malformed):
    code = "malformed"
    says = "A device's public key is an X25519 key in 64 lower-case hex digits."


def register(
    ledger: Ledger,
    personal: PersonalData,
    *,
    party_id: UUID,
    kind: PartyKind,
    name: str,
    contact: str | None,
    at: datetime,
    cause: Cause,
) -> int:
    """Register a party; what is said of it is sealed under its own key."""
    party = Party.register(
        party_id=party_id,
        kind=kind,
        name_sealed=personal.seal(party_id, name),
        contact_sealed=personal.seal(party_id, contact) if contact else None,
        at=at,
    )
    return ledger.record(party, cause=cause)


def enrol(
    ledger: Ledger,
    *,
    device_id: UUID,
    kind: DeviceKind,
    keeper_id: UUID,
    public_key: str,
    label: str,
    at: datetime,
    cause: Cause,
) -> int:
    """Enrol a device with its public key (X25519, hex). Raises `BadKey`."""
    if not _KEY.fullmatch(public_key) or not _can_be_sealed_to(public_key):
        raise BadKey
    device = Device.enrol(
        device_id=device_id,
        kind=kind,
        keeper_id=keeper_id,
        public_key=public_key,
        label=label,
        at=at,
    )
    return ledger.record(device, cause=cause)


def revoke(
    ledger: Ledger,
    *,
    device_id: UUID,
    by: UUID,
    as_operator: bool,
    reason: str,
    at: datetime,
    cause: Cause,
) -> int:
    """Revoke a device, as its keeper or as an operator."""
    device = ledger.device(device_id)
    if not as_operator and device.keeper_id != by:
        raise DeviceNotAuthorised(why="it is somebody else's")
    device.revoke(reason=reason, at=at)
    return ledger.record(device, cause=cause)


def delegate(
    ledger: Ledger,
    *,
    device_id: UUID,
    rights: Rights,
    by: UUID,
    as_operator: bool,
    at: datetime,
    cause: Cause,
) -> int:
    """Say what a device may do: its keeper narrows that, an operator gives more."""
    device = ledger.device(device_id)
    if not as_operator and device.keeper_id != by:
        raise DeviceNotAuthorised(why="it is somebody else's")
    device.delegate(rights=rights, by=by, widen=as_operator, at=at)
    return ledger.record(device, cause=cause)


@dataclass(frozen=True, slots=True)
class KeyBundle:
    sealed: bytes
    position: int


def key_bundle(
    ledger: Ledger,
    cards: CardAuthority,
    secrets: Secrets,
    *,
    device_id: UUID,
    origin: str,
) -> KeyBundle:
    """Return what a device needs to know, sealed for its public key.

    Readers of cards (dispensers, points of sale) get the masters of the keys they
    operate with; none of these can sign a ticket or confirm a transaction's proof.
    """
    device = ledger.device(device_id)
    device.require("terminal", "dispenser", "point_of_sale", "personaliser")
    bundle: dict[str, object] = {
        "origin": origin,
        "issuer_keys": {
            kid.hex(): public.public_bytes_raw().hex()
            for kid, public in secrets.issuer_public_keys().items()
        },
    }
    if device.kind in ("dispenser", "point_of_sale"):
        bundle |= cards.reader_keys(sells=device.kind == "point_of_sale")
    sealed = seal_bundle(
        json.dumps(bundle).encode(), to=public_key_of(device), device_id=device_id
    )
    return KeyBundle(sealed, ledger.position())


def _can_be_sealed_to(public_key: str) -> bool:
    """Say no to points of low order, with which all share zeros (RFC 7748, 6.1)."""
    try:
        _ANYBODYS.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(public_key)))
    except ValueError:
        return False
    return True


def public_key_of(device: Device) -> X25519PublicKey:
    return X25519PublicKey.from_public_bytes(bytes.fromhex(device.public_key))
