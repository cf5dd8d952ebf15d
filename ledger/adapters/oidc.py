"""The OpenID provider where people may sign in instead of by a password.

OpenID Connect Core 1.0 (authorization code flow), Discovery 1.0, RFC 7636 (S256).
Only hosts that are configured are asked; an answer is short and comes soon; no redirect
is followed. What the provider says of itself is kept for an hour, its keys until one is
missing.
"""

from __future__ import annotations

import hashlib
import json
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import urllib3
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key

from ledger.errors import Conflict, Denied

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
CONNECT_TIMEOUT_S = 2.0
TOTAL_TIMEOUT_S = 5.0
ANSWER_MAX = 256 * 1024
CHUNK = 16 * 1024
KEYS_MAX = 50
SUBJECT_MAX = 255
ID_TOKEN_MAX = 16 * 1024
METADATA_KEPT = timedelta(hours=1)
KEYS_APART = timedelta(seconds=30)
"""A token with an unknown key's name has the keys fetched so often at most."""

SKEW = timedelta(minutes=1)
AGE_MAX = timedelta(minutes=10)
_KINDS = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
_NOT_AS_AGREED = (JoseError, LookupError, OverflowError, TypeError, ValueError)


class ProviderDown(Conflict):
    code = "provider_unavailable"
    says = "The provider of this sign-in does not answer as it should just now."

    def __init__(self) -> None:
        super().__init__(retry_after_s=5)


class ProviderRefused(Denied):
    code = "provider_refused"
    says = "The provider's answer signs nobody in here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """How this server is registered at the provider."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    redirect_uri: str
    hosts: frozenset[str] = frozenset()
    """Besides the issuer's, the hosts (`name` or `name:port`) it may be asked at."""


class OpenIdProvider:
    """One provider, asked over HTTP."""

    def __init__(self, its: Registered) -> None:
        self._its = its
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, total=TOTAL_TIMEOUT_S),
            retries=False,
        )
        self._metadata: tuple[datetime, Mapping[str, Any]] | None = None
        self._keys: tuple[datetime, tuple[Key, ...]] | None = None

    @property
    def issuer(self) -> str:
        return self._its.issuer

    def address(self, *, state: str, nonce: str, verifier: str, at: datetime) -> str:
        """Return where a browser goes to sign in. Raises `ProviderDown`."""
        challenge = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self._its.client_id,
            "redirect_uri": self._its.redirect_uri,
            "state": state,
            "nonce": nonce,
            "code_challenge": urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        there = self._endpoint("authorization_endpoint", at)
        return f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(asked)}"

    def require_sender(self, issuer: str | None, *, at: datetime) -> None:
        """Refuse an answer that another provider has sent (RFC 9207 section 2.4)."""
        says_so = "authorization_response_iss_parameter_supported"
        if issuer is None and self._about(at).get(says_so) is not True:
            return
        if issuer != self._its.issuer:
            raise ProviderRefused

    def subject(self, code: str, *, nonce: str, verifier: str, at: datetime) -> str:
        """Return whose a code is (`sub`). Raises `ProviderRefused`, `ProviderDown`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._its.redirect_uri,
            "client_id": self._its.client_id,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self._its.client_secret is not None:  # RFC 6749 section 2.3.1.
            names = (self._its.client_id, self._its.client_secret)
            said = ":".join(quote_plus(each) for each in names).encode()
            headers["Authorization"] = f"Basic {b64encode(said).decode()}"
        given = self._ask(
            "POST",
            self._endpoint("token_endpoint", at),
            body=urlencode(form).encode(),
            headers=headers,
        )
        try:
            return self._subject(str(given["id_token"]), nonce=nonce, at=at)
        except _NOT_AS_AGREED:
            raise ProviderRefused from None

    def _subject(self, token: str, *, nonce: str, at: datetime) -> str:
        """Validate an ID token (OpenID Connect Core section 3.1.3.7)."""
        if len(token) > ID_TOKEN_MAX:
            raise ProviderRefused
        said = jws.extract_compact(token.encode("ascii"))
        header = said.headers()
        algorithm = header["alg"]
        if algorithm not in ALGORITHMS:
            raise ProviderRefused
        key = self._key(algorithm, header.get("kid"), at)
        if not jws.validate_compact(said, key, algorithms=[algorithm]):
            raise ProviderRefused
        claims = json.loads(said.payload)
        audience = claims["aud"]
        named = audience if isinstance(audience, list) else [audience]
        ours = self._its.client_id
        issued, until = _time(claims["iat"]), _time(claims["exp"])
        subject = claims["sub"]
        if (
            claims["iss"] != self._its.issuer
            or ours not in named
            or claims.get("azp", ours) != ours
            or (len(named) > 1 and "azp" not in claims)
            or claims["nonce"] != nonce
            or not at - AGE_MAX - SKEW <= issued <= at + SKEW
            or until <= at - SKEW
            or not isinstance(subject, str)
            or not 0 < len(subject) <= SUBJECT_MAX
        ):
            raise ProviderRefused
        return subject

    def _key(self, algorithm: str, kid: object, at: datetime) -> Key:
        """Return the key a token names, fetched anew if it is not among those kept."""
        if self._keys is not None:
            found = _fitting(self._keys[1], algorithm, kid)
            if found is not None:
                return found
            if at < self._keys[0] + KEYS_APART:
                raise ProviderRefused
        said = self._ask("GET", self._endpoint("jwks_uri", at))
        self._keys = at, _keys_of(said)
        found = _fitting(self._keys[1], algorithm, kid)
        if found is None:
            raise ProviderRefused
        return found

    def _endpoint(self, name: str, at: datetime) -> str:
        address = self._about(at).get(name)
        if not isinstance(address, str):
            raise ProviderDown
        self._require_known(address)
        return address

    def _about(self, at: datetime) -> Mapping[str, Any]:
        """Return the provider's metadata (OpenID Connect Discovery section 4)."""
        if self._metadata is None or at >= self._metadata[0] + METADATA_KEPT:
            base = self._its.issuer.rstrip("/")
            said = self._ask("GET", f"{base}/.well-known/openid-configuration")
            if said.get("issuer") != self._its.issuer:
                raise ProviderDown
            self._metadata = at, said
        return self._metadata[1]

    def _require_known(self, address: str) -> None:
        parts, home = urlsplit(address), urlsplit(self._its.issuer)
        if parts.scheme != home.scheme or parts.netloc not in self._its.hosts | {
            home.netloc
        }:
            raise ProviderDown

    def _ask(
        self,
        method: str,
        address: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        """Return a JSON object; a 4xx of a POST is a refusal, all else is down."""
        try:
            status, raw = self._answer(method, address, body, dict(headers or {}))
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            raise ProviderDown from None
        if method == "POST" and status in {400, 401, 403}:
            raise ProviderRefused
        try:
            said = json.loads(raw) if status == 200 else None
        except (ValueError, RecursionError):
            raise ProviderDown from None
        if not isinstance(said, dict):
            raise ProviderDown
        return said

    def _answer(
        self, method: str, address: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        deadline = time.monotonic() + TOTAL_TIMEOUT_S
        answer = self._pool.request(
            method,
            address,
            body=body,
            headers={"Accept": "application/json", **headers},
            redirect=False,
            preload_content=False,
        )
        raw = b""
        try:
            while chunk := answer.read1(CHUNK):
                raw += chunk
                if len(raw) > ANSWER_MAX or time.monotonic() > deadline:
                    raise ProviderDown
        except BaseException:
            answer.close()  # What else it would say is not read by anybody.
            raise
        answer.release_conn()
        return answer.status, raw


def _keys_of(said: Mapping[str, Any]) -> tuple[Key, ...]:
    """Return the public keys of a JWK Set; those of unknown kinds are passed over."""
    found = []
    keys = said.get("keys")
    for jwk in keys[:KEYS_MAX] if isinstance(keys, list) else ():
        try:
            if jwk["kty"] in {"RSA", "EC", "OKP"} and jwk.get("use", "sig") == "sig":
                found.append(JWKRegistry.import_key(jwk))
        except (AttributeError, *_NOT_AS_AGREED):
            continue
    return tuple(found)


def _fitting(keys: tuple[Key, ...], algorithm: str, kid: object) -> Key | None:
    """Return the key of a name and a kind; without a name, if there is one alone."""
    kind = _KINDS.get(algorithm, "OKP")
    fitting = [each for each in keys if each.key_type == kind]
    if kid is not None:
        return next((each for each in fitting if each.kid == kid), None)
    return fitting[0] if len(fitting) == 1 else None


def _time(said: object) -> datetime:
    """Read a NumericDate (RFC 7519 section 2)."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise ValueError("no NumericDate")
    return datetime.fromtimestamp(said, UTC)
