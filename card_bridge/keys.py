"""Who holds which key: the device its own, a reader its masters, a terminal none."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from card_bridge.gateway import LedgerGateway
from card_bridge.private_file import OpenToOthers, read_private, write_private
from card_bridge.protocol.diversify import diversification_input, diversified
from card_bridge.protocol.ev2_auth import KeyAuthority, LocalKey, SessionKeys
from card_bridge.protocol.record_key import record_private_key
from card_bridge.protocol.status import AuthenticationFailed
from ledger.vocabulary.device_keys import open_bundle
from ledger.vocabulary.medium_record import (
    APPLICATION_ID,
    FIND_KEY,
    INSPECT_KEY,
    OPERATE_KEY,
    RECORD_KEY,
    SELL_KEY,
    SYSTEM_ID,
)

RND_LENGTH = 16


# The find key is no master: it is the same on every card.
_MASTER_OF = {
    OPERATE_KEY: "operate",
    INSPECT_KEY: "inspect",
    FIND_KEY: "find",
    SELL_KEY: "sell",
    RECORD_KEY: "record",
}


class KeysError(Exception):
    """The device's keys cannot be used; the message says why."""

    code = "device_not_authorised"


class Authorities(Protocol):
    """Makes an authority for one authentication with one card."""

    def __call__(self, uid: bytes, key_no: int) -> KeyAuthority: ...


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A device's own X25519 key, in a file that only its owner may read."""

    private: X25519PrivateKey = field(repr=False)

    @classmethod
    def at(cls, path: Path) -> DeviceKey:
        """Load the key, or make it. Raises `KeysError`."""
        try:
            return cls(X25519PrivateKey.from_private_bytes(read_private(path)))
        except FileNotFoundError:
            key = cls(X25519PrivateKey.generate())
            write_private(path, key.private.private_bytes_raw())
            return key
        except OpenToOthers as error:
            raise KeysError(str(error)) from None
        except (OSError, ValueError) as error:
            raise KeysError(f"{path} is no key file: {error}.") from None

    @property
    def public(self) -> X25519PublicKey:
        return self.private.public_key()

    @property
    def public_hex(self) -> str:
        return self.public.public_bytes_raw().hex()


@dataclass(frozen=True, slots=True)
class KeyBundle:
    """What the ledger lets a device know: whose signatures to trust, and, for readers
    of cards, the masters of the keys they operate with."""

    origin: str
    issuer_keys: Mapping[bytes, Ed25519PublicKey]
    masters: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def fetch(
        cls, gateway: LedgerGateway, *, device_id: UUID, key: DeviceKey
    ) -> KeyBundle:
        """Ask for the bundle and open it. Raises `SealBroken` or `KeysError`."""
        sealed = gateway.device_keys(device_id)
        return cls.read(open_bundle(sealed, key=key.private, device_id=device_id))

    @classmethod
    def read(cls, plain: bytes) -> KeyBundle:
        try:
            return cls._of(json.loads(plain))
        except (AttributeError, LookupError, TypeError, ValueError):
            raise KeysError("The ledger's key bundle is not in this form.") from None

    @classmethod
    def _of(cls, said: Mapping[str, Any]) -> KeyBundle:
        return cls(
            origin=said["origin"],
            issuer_keys={
                bytes.fromhex(kid): Ed25519PublicKey.from_public_bytes(
                    bytes.fromhex(public)
                )
                for kid, public in said["issuer_keys"].items()
            },
            masters={
                name: bytes.fromhex(said[name])
                for name in _MASTER_OF.values()
                if name in said
            },
        )


class LocalKeys:
    """A reader's own masters: no line is needed to authenticate a card."""

    def __init__(self, bundle: KeyBundle) -> None:
        self._bundle = bundle

    def __call__(self, uid: bytes, key_no: int) -> KeyAuthority:
        return LocalKey(self._key(uid, key_no), secrets.token_bytes(RND_LENGTH))

    def record_key(self, uid: bytes) -> X25519PrivateKey:
        """Return the key that opens what is recorded on this card."""
        return record_private_key(self._key(uid, RECORD_KEY))

    def _key(self, uid: bytes, key_no: int) -> bytes:
        name = _MASTER_OF.get(key_no, "")
        if name not in self._bundle.masters:
            raise KeysError(f"This device holds no master of key {key_no}.")
        if key_no == FIND_KEY:
            return self._bundle.masters[name]
        m = diversification_input(
            uid=uid, aid=APPLICATION_ID, key_no=key_no, system_id=SYSTEM_ID
        )
        return diversified(self._bundle.masters[name], m)


class RemoteKeys:
    """A terminal's way to a card: the ledger answers the challenge each time."""

    def __init__(self, gateway: LedgerGateway, *, terminal_id: UUID) -> None:
        self._gateway = gateway
        self._terminal_id = terminal_id

    def __call__(self, uid: bytes, key_no: int) -> KeyAuthority:
        return _RemoteAuthority(self._gateway, self._terminal_id, uid)


class _RemoteAuthority:
    """One authentication of one card through the ledger."""

    def __init__(self, gateway: LedgerGateway, terminal_id: UUID, uid: bytes) -> None:
        self._gateway = gateway
        self._terminal_id = terminal_id
        self._uid = uid
        self._continuation: bytes | None = None

    def answer(self, *, key_no: int, enc_rnd_b: bytes) -> bytes:
        part2, self._continuation = self._gateway.begin_authentication(
            self._uid,
            key_no=key_no,
            challenge=enc_rnd_b,
            terminal_id=self._terminal_id,
        )
        return part2

    def finish(self, response: bytes) -> SessionKeys:
        if self._continuation is None:
            raise AuthenticationFailed
        return self._gateway.finish_authentication(
            self._uid,
            continuation=self._continuation,
            response=response,
            terminal_id=self._terminal_id,
        )
