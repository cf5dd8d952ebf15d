"""A key-encryption key that never leaves its module: PKCS#11 3.0, AES-GCM.

The module may be a hardware security module or SoftHSM. The key is an AES-256 secret
key on a token, not extractable; persons' keys are wrapped by it inside of the token.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ledger.adapters.key_encryption import KEY_LENGTH, NONCE_LENGTH, does_not_open
from ledger.adapters.secrets import SecretsError

if TYPE_CHECKING:
    import pkcs11

_TAG_BITS = 128
_MISSING = (
    "python-pkcs11 is not installed; install the package with its extra:"
    " pip install eticket-ledger[pkcs11]."
)


@dataclass(frozen=True, slots=True)
class Token:
    """Where the key is: the module's library, the token's and the key's label."""

    module: Path
    token: str
    key: str
    pin: str = field(repr=False)


class Pkcs11Key:
    """Implements `WrappingKey`; its name is that of token and key."""

    def __init__(self, where: Token, *, make: bool = False) -> None:
        """Open a session; with `make` a key is made if there is none.

        Raises `SecretsError`.
        """
        self.name = f"pkcs11-{where.token}-{where.key}"
        self._lock = Lock()  # A session does one thing at a time.
        try:
            import pkcs11 as its
        except ImportError:
            raise SecretsError(_MISSING) from None
        self._its = its
        try:
            token = its.lib(str(where.module)).get_token(token_label=where.token)
            session = self._opened(token, where.pin, rw=make)
            self._key = self._found(session, where.key, make=make)
        except (its.exceptions.PKCS11Error, RuntimeError) as error:
            said = str(error) or type(error).__name__
            raise SecretsError(
                f"The token {where.token} of {where.module} cannot be used: {said}."
            ) from None

    def wrap(self, key: bytes, *, about: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_LENGTH)
        with self._lock:
            sealed: bytes = self._key.encrypt(key, **self._gcm(nonce, about))
        return nonce + sealed

    def unwrap(self, wrapped: bytes, *, about: bytes) -> bytes:
        nonce, ciphertext = wrapped[:NONCE_LENGTH], wrapped[NONCE_LENGTH:]
        try:
            with self._lock:
                key: bytes = self._key.decrypt(ciphertext, **self._gcm(nonce, about))
        except self._its.exceptions.PKCS11Error:
            raise does_not_open(self.name) from None
        return key

    def _gcm(self, nonce: bytes, about: bytes) -> dict[str, Any]:
        param = self._its.GCMParams(nonce, about, _TAG_BITS)
        return {"mechanism": self._its.Mechanism.AES_GCM, "mechanism_param": param}

    def _opened(self, token: pkcs11.Token, pin: str, *, rw: bool) -> pkcs11.Session:
        try:
            return token.open(rw=rw, user_pin=pin)
        except self._its.exceptions.UserAlreadyLoggedIn:
            return token.open(rw=rw)  # A process logs in once, for all its sessions.

    def _found(self, session: pkcs11.Session, label: str, *, make: bool) -> Any:
        its = self._its
        try:
            return session.get_key(
                object_class=its.ObjectClass.SECRET_KEY,
                key_type=its.KeyType.AES,
                label=label,
            )
        except its.exceptions.NoSuchKey:
            if not make:
                raise SecretsError(
                    f"The token has no AES key {label}; `ledgerctl subject make-key`"
                    " makes one there."
                ) from None
        return session.generate_key(
            its.KeyType.AES,
            KEY_LENGTH * 8,
            label=label,
            store=True,
            template={its.Attribute.EXTRACTABLE: False, its.Attribute.SENSITIVE: True},
        )
