"""How a machine says who it is: its own key signs, and a short-lived token comes back.

    assertion, signed on the device ──► token endpoint ──► access token, for minutes

`private_key_jwt`: the client credentials grant (RFC 6749, section 4.4) with a signed
assertion (RFC 7523, sections 2.2 and 3). The private key never leaves the device.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from urllib.parse import urlencode, urlsplit, urlunsplit
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwk, jwt

from ledger_client.connection import Connection
from ledger_client.problems import Unreachable
from ledger_client.reading import read_answer
from ledger_client.retries import Retries

ASSERTION_S = 60
RENEW_BEFORE_S = 30.0
GRANT = "client_credentials"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = "application/x-www-form-urlencoded"

PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    renew_at: float
    expires_at: float


class DeviceCredentials:
    """A token's provider for `Client`: call it, and it returns a token good just now.

    A token is renewed `RENEW_BEFORE_S` before its end, or when half of a shorter life
    is over. While that fails, the one that is still good is used. Threads may share it.
    """

    def __init__(
        self,
        token_url: str,
        device_id: UUID,
        private_key: PrivateKey,
        kid: str | None = None,
        *,
        audience: str | None = None,
        retries: Retries | None = None,
        ca_file: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`private_key` is an Ed25519 key (EdDSA) or one on P-256 (ES256); `kid` names
        it, if the device has several. `audience` is whom an assertion is for, if that
        is not `token_url`. `now` gives Unix time in seconds.

        Raises ValueError for another key, and `AddressRefused` as `Connection` does.
        """
        parts = urlsplit(token_url)
        self._connection = Connection(
            urlunsplit((parts.scheme, parts.netloc, "", "", "")), ca_file=ca_file
        )
        self._path = parts.path
        self._audience = audience or token_url
        self._device_id = str(device_id)
        self._algorithm, self._key = _signing(private_key)
        self._kid = kid
        self._retries = retries or Retries()
        self._now = now
        self._held: _Held | None = None
        self._lock = Lock()

    def __call__(self) -> str:
        """Return a token. Raises `Problem` if it is refused, or `Unreachable`."""
        with self._lock:
            held, now = self._held, self._now()
            if held is not None and now < held.renew_at:
                return held.token
            try:
                self._held = self._retries.carry_out(self._fetch)
            except Unreachable:
                if held is None or self._now() >= held.expires_at:
                    raise
                return held.token
            return self._held.token

    def assertion(self) -> str:
        """Sign a new assertion; each is good once, and for `ASSERTION_S` seconds."""
        now = int(self._now())
        header = {"alg": self._algorithm, "typ": "JWT"}
        if self._kid is not None:
            header["kid"] = self._kid
        claims = {
            "iss": self._device_id,
            "sub": self._device_id,
            "aud": self._audience,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + ASSERTION_S,
        }
        return jwt.encode(header, claims, self._key, algorithms=[self._algorithm])

    def _fetch(self) -> _Held:
        asked_at = self._now()
        form = {
            "grant_type": GRANT,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(),
        }
        answer = self._connection.ask(
            "POST",
            self._path,
            body=urlencode(form).encode(),
            headers={"Content-Type": FORM},
        )
        said = read_answer(answer)
        token, life_s = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not isinstance(life_s, int) or life_s <= 0:
            raise Unreachable("The token endpoint's answer holds no token.")
        if str(said.get("token_type", "")).lower() != "bearer":
            raise Unreachable("The token endpoint's token is no bearer token.")
        early_s = min(RENEW_BEFORE_S, life_s / 2)
        return _Held(token, asked_at + life_s - early_s, asked_at + life_s)


def _signing(key: PrivateKey) -> tuple[str, jwk.Key]:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, Ed25519PrivateKey):
        return "Ed25519", jwk.import_key(pem, "OKP")
    if isinstance(key.curve, SECP256R1):
        return "ES256", jwk.import_key(pem, "EC")
    raise ValueError("a device signs with Ed25519, or with ECDSA on P-256")
