"""Signed assertions, by which a device says who it is: `private_key_jwt`.

RFC 7523 sections 2.2 and 3, with OpenID Connect Core 1.0 section 9. An assertion is
for this server, of minutes, signed by a key that was enrolled, and good once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey
from joserfc.jws import CompactSignature, JWSRegistry

from api.oauth.refusals import InvalidClient
from ledger.adapters.signing_keys import SigningKey, SigningKeys
from ledger.clock import Clock

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Mapping[str, str] = {"ES256": "EC", "Ed25519": "OKP", "EdDSA": "OKP"}
"""Each algorithm of a signature, and the `kty` of the keys that it is made by."""

ASSERTION_MAX = 4096
LIFETIME_MAX = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
JTI_MAX = 128

_NO_ASSERTION = (
    *(JoseError, AttributeError, LookupError),
    *(OverflowError, TypeError, ValueError),
)

# Who is not known waits as long as who is: a key that nobody has is tried.
_NOBODYS_OKP = OKPKey.generate_key("Ed25519").as_dict(private=False)
_NOBODYS: Mapping[str, Mapping[str, Any]] = {
    "Ed25519": _NOBODYS_OKP,
    "EdDSA": _NOBODYS_OKP,
    "ES256": ECKey.generate_key("P-256").as_dict(private=False),
}


class _Quiet(JWSRegistry):
    """`EdDSA` says less than `Ed25519` (RFC 9864), and is what most libraries say."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise InvalidClient
        return self.algorithms[name]


_REGISTRY = _Quiet(algorithms=list(ALGORITHMS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Which device signed, and by which of its keys."""

    device_id: UUID
    kid: str


class Assertions:
    """Finds out which device signed."""

    def __init__(
        self, keys: SigningKeys, clock: Clock, audiences: frozenset[str]
    ) -> None:
        """`audiences` are this server's names, one of which an assertion is for."""
        self._keys = keys
        self._clock = clock
        self._audiences = audiences

    def signed(self, assertion: str) -> Signed:
        """Return who signed, and use the assertion up. Raises `InvalidClient`."""
        try:
            return self._signed(assertion)
        except _NO_ASSERTION:
            raise InvalidClient from None

    def is_good(self, signed: Signed) -> bool:
        """Tell whether the key is still trusted."""
        return any(
            each.kid == signed.kid and each.revoked_at is None
            for each in self._keys.of(signed.device_id)
        )

    def _signed(self, assertion: str) -> Signed:
        if len(assertion) > ASSERTION_MAX:
            raise InvalidClient
        said = jws.extract_compact(assertion.encode("ascii"), registry=_REGISTRY)
        claims = json.loads(said.payload)
        device_id = UUID(claims["iss"])
        if not claims["iss"] == claims["sub"] == str(device_id):
            raise InvalidClient
        key = _key(self._keys.of(device_id), said.headers())
        if not _verifies(said, key) or key is None or not self._is_for_us(claims):
            raise InvalidClient
        until = self._until(claims)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= JTI_MAX:
            raise InvalidClient
        if not self._keys.use(device_id, jti, expires_at=until + 2 * SKEW):
            raise InvalidClient
        return Signed(device_id=device_id, kid=key.kid)

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        said = claims.get("aud")
        named = said if isinstance(said, list) else [said]
        return any(each in self._audiences for each in named if isinstance(each, str))

    def _until(self, claims: Mapping[str, Any]) -> datetime:
        """Return the end of an assertion that is good now."""
        now = self._clock.now()
        issued, until = _time(claims["iat"]), _time(claims["exp"])
        begins = _time(claims["nbf"]) if "nbf" in claims else issued
        if not max(issued, begins) - SKEW <= now < until + SKEW:
            raise InvalidClient
        if not timedelta(0) < until - issued <= LIFETIME_MAX:
            raise InvalidClient
        return until


def thumbprint(jwk: Mapping[str, str]) -> str:
    """Return a public key's name (RFC 7638). Raises ValueError for one that is none."""
    return str(_imported(jwk).thumbprint())


def _key(keys: Sequence[SigningKey], header: Mapping[str, Any]) -> SigningKey | None:
    """Return the key that a header names; one alone needs no name."""
    good = [each for each in keys if each.revoked_at is None]
    kid = header.get("kid")
    if kid is None:
        return good[0] if len(good) == 1 else None
    return next((each for each in good if each.kid == kid), None)


def _verifies(said: CompactSignature, key: SigningKey | None) -> bool:
    """Verify by the key. Without one that fits as much is done, and it is no."""
    alg = said.headers()["alg"]
    fits = key is not None and key.jwk["kty"] == ALGORITHMS[alg]
    tried = key.jwk if key is not None and fits else _NOBODYS[alg]
    return jws.validate_compact(said, _imported(tried), registry=_REGISTRY) and fits


def _imported(jwk: Mapping[str, str]) -> Key:
    try:
        if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519":
            return OKPKey.import_key(dict(jwk))
        if jwk["kty"] == "EC" and jwk["crv"] == "P-256":
            return ECKey.import_key(dict(jwk))
    except (JoseError, KeyError):
        pass
    raise ValueError("neither Ed25519 nor a point of P-256")


def _time(said: object) -> datetime:
    """Read a NumericDate (RFC 7519 section 2)."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise InvalidClient
    return datetime.fromtimestamp(said, UTC)
