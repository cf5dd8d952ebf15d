"""A machine's own key opens the door: assertions, tokens, and when they are renewed.

The token endpoint here is a real server which checks assertions as RFC 7523, section
3, wants. Planted and caught: one assertion for all tries; a token that is used to its
very end; two threads that fetch two tokens; a token that is asked for by a stranger.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwk, jwt
from joserfc.errors import JoseError
from werkzeug.wrappers import Request, Response

from ledger_client import (
    AddressRefused,
    Client,
    DeviceCredentials,
    Problem,
    Unreachable,
)
from ledger_client.credentials import ASSERTION_TYPE, PrivateKey
from tests.card.bridge.stage import served

DEVICE = UUID(int=5)
LIFE_S = 300
KEYS: dict[str, tuple[PrivateKey, Any]] = {
    "Ed25519": (Ed25519PrivateKey.generate(), "OKP"),
    "ES256": (generate_private_key(SECP256R1()), "EC"),
}


@dataclass(slots=True)
class Now:
    at: float = 1_795_435_200.0

    def __call__(self) -> float:
        return self.at


@dataclass(slots=True)
class Endpoint:
    """A token endpoint for one device."""

    now: Now
    algorithm: str
    url: str = ""
    answers: list[Response] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    kids: list[str | None] = field(default_factory=list)

    def __call__(self, environ, start):
        return self._answer(Request(environ))(environ, start)

    def _answer(self, request: Request) -> Response:
        form = request.form
        try:
            assert form["grant_type"] == "client_credentials"
            assert form["client_assertion_type"] == ASSERTION_TYPE
            self._check(form["client_assertion"])
        except (AssertionError, JoseError, KeyError) as error:
            why = {"error": "invalid_client", "error_description": repr(error)}
            return Response(json.dumps(why), 401)
        if self.answers:
            return self.answers.pop(0)
        token = {"access_token": f"t{len(self.seen)}", "expires_in": LIFE_S}
        return Response(json.dumps(token | {"token_type": "Bearer"}))

    def _check(self, assertion: str) -> None:
        private, kind = KEYS[self.algorithm]
        pem = private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        found = jwt.decode(
            assertion, jwk.import_key(pem, kind), algorithms=[self.algorithm]
        )
        claims = found.claims
        self.kids.append(found.header.get("kid"))
        assert claims["iss"] == claims["sub"] == str(DEVICE)
        assert claims["aud"] == self.url
        assert claims["iat"] <= self.now() < claims["exp"] <= self.now() + 120
        assert claims["jti"] not in self.seen
        self.seen.append(claims["jti"])


@pytest.fixture(params=KEYS)
def endpoint(request):
    told = Endpoint(Now(), request.param)
    with served(told) as url:
        told.url = f"{url}/oauth/token"
        yield told


@pytest.fixture
def credentials(endpoint, rest):
    private, _ = KEYS[endpoint.algorithm]
    return DeviceCredentials(
        endpoint.url, DEVICE, private, "k1", now=endpoint.now, retries=rest.retries()
    )


def test_a_token_is_fetched_by_the_devices_key_and_sent(
    endpoint, credentials, server, url
):
    with Client(url, credentials) as client:
        client.get("/v1/me")
        client.get("/v1/me")
    sent = {asked.headers["Authorization"] for asked in server.asked}
    assert sent == {"Bearer t1"}
    assert endpoint.kids == ["k1"]


def test_a_token_is_renewed_shortly_before_its_end(endpoint, credentials):
    assert credentials() == "t1"
    endpoint.now.at += LIFE_S - 31
    assert credentials() == "t1"
    endpoint.now.at += 1
    assert credentials() == "t2"


def test_while_renewing_fails_the_token_that_is_still_good_is_used(
    endpoint, credentials
):
    assert credentials() == "t1"
    endpoint.answers = [Response("", 503) for _ in range(8)]
    endpoint.now.at += LIFE_S - 1
    assert credentials() == "t1"
    endpoint.now.at += 1
    with pytest.raises(Unreachable):
        credentials()
    assert credentials().startswith("t")


def test_every_try_has_an_assertion_of_its_own(endpoint, credentials, rest):
    endpoint.answers = [Response("", 503), Response("<html>", 502)]
    assert credentials() == "t3"
    assert len(set(endpoint.seen)) == 3
    assert len(rest.waited) == 2


def test_a_stranger_is_refused_in_the_endpoints_words(endpoint, rest):
    stranger = Ed25519PrivateKey.generate()
    asking = DeviceCredentials(
        endpoint.url, DEVICE, stranger, now=endpoint.now, retries=rest.retries()
    )
    with pytest.raises(Problem) as refused:
        asking()
    assert (refused.value.status, refused.value.code) == (401, "invalid_client")
    assert rest.waited == []


NO_TOKEN = [
    "{}",
    '{"access_token":"t","token_type":"Bearer","expires_in":0}',
    '{"access_token":"t","token_type":"Bearer"}',
    '{"access_token":5,"token_type":"Bearer","expires_in":60}',
    '{"access_token":"t","token_type":"mac","expires_in":60}',
]


@pytest.mark.parametrize("said", NO_TOKEN)
def test_an_answer_without_a_token_is_none(endpoint, credentials, said):
    endpoint.answers = [Response(said) for _ in range(8)]
    with pytest.raises(Unreachable, match="token"):
        credentials()


def test_many_threads_fetch_one_token(endpoint, credentials):
    together = threading.Barrier(4)

    def ask():
        together.wait()
        return credentials()

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask) for _ in range(4)]
    assert {each.result() for each in asked} == {"t1"}
    assert len(endpoint.seen) == 1


def test_a_key_that_no_ledger_takes_is_refused_here():
    with pytest.raises(ValueError, match="P-256"):
        DeviceCredentials(
            "https://t.example/token", DEVICE, generate_private_key(SECP384R1())
        )


def test_an_assertion_goes_nowhere_in_the_clear():
    private, _ = KEYS["ES256"]
    with pytest.raises(AddressRefused):
        DeviceCredentials("http://t.example/oauth/token", DEVICE, private)


def test_an_assertion_is_for_whom_the_server_says_it_should_be():
    private, kind = KEYS["ES256"]
    asking = DeviceCredentials(
        "https://t.example/oauth/token", DEVICE, private, audience="https://issuer"
    )
    pem = private.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    key = jwk.import_key(pem, kind)
    found = jwt.decode(asking.assertion(), key, algorithms=["ES256"])
    assert found.claims["aud"] == "https://issuer"
    assert "kid" not in found.header
