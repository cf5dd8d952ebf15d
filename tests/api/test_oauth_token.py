"""A device asks for tokens by assertions that it signs, and gets them for nothing else.

Bugs planted one at a time, each of which made a test fail: the audience not compared;
an assertion good twice; a signature not verified; a life of any length; an assertion
good after its end; a revoked key, a revoked device, still good, or revoked just while a
token is made; a device that nobody knows refused without a signature verified.
"""

from __future__ import annotations

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey
from joserfc.jws import JWSRegistry

from api.app import create_app
from api.oauth.assertions import TYPE
from ledger.adapters.signing_keys import KEYS_MAX
from ledger.adapters.tokens import TokenStore
from ledger.vocabulary.codes import Role
from ledger_client import DeviceCredentials
from tests.api.statements import listening

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")

AUDIENCE = "eticket-ledger.local/log"
GRANT = "client_credentials"


class Signer:
    """A device with a key of its own, that asks for tokens."""

    def __init__(self, callers, kind="dispenser", key=None, by=None):
        self.client = callers.client
        self.clock = callers.its.clock
        self.by = by or callers.operator
        self.device_id = callers.device(kind, Role.DISPENSER, by=by).device_id
        self.key = key or OKPKey.generate_key("Ed25519")
        self.enrolled = self.enrol(self.key)
        self.kid = (self.enrolled.json or {}).get("kid")

    def enrol(self, key, **more):
        jwk = {**key.as_dict(private=False), **more}
        return self.by.post(f"/v1/devices/{self.device_id}/signing-keys", jwk=jwk)

    def assertion(self, header=None, key=None, **changes):
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": str(self.device_id),
            "sub": str(self.device_id),
            "aud": AUDIENCE,
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + 60,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        alg = "ES256" if isinstance(self.key, ECKey) else "Ed25519"
        header = {"alg": alg, "kid": self.kid} | (header or {})
        return jwt.encode(
            {name: value for name, value in header.items() if value is not None},
            claims,
            key or self.key,
            registry=JWSRegistry(algorithms=[header["alg"]]),
        )

    def ask(self, assertion=None, **changes):
        form = {
            "grant_type": GRANT,
            "client_assertion_type": TYPE,
            "client_assertion": assertion or self.assertion(),
        } | changes
        return self.client.post("/oauth/token", data=form)

    def token(self):
        return self.ask().get_json()["access_token"]

    def opens(self, token):
        headers = {"Authorization": f"Bearer {token}"}
        return self.client.get("/v1/me", headers=headers)


def refusal(answer):
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    said = answer.get_json()
    assert said["error_description"].endswith(".")
    return answer.status_code, said["error"]


NOT_LET_IN = (401, "invalid_client")


@pytest.fixture
def device(callers):
    return Signer(callers)


def test_a_device_gets_a_token_of_its_own_kind_for_some_minutes(callers):
    for kind, role in (
        ("terminal", "terminal"),
        ("dispenser", "dispenser"),
        ("point_of_sale", "shop"),
        ("personaliser", "personaliser"),
    ):
        device = Signer(callers, kind)
        answer = device.ask()
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        said = answer.get_json()
        assert (said["token_type"], said["expires_in"]) == ("Bearer", 600)
        assert device.opens(said["access_token"]).get_json() == {
            "party_id": None,
            "device_id": str(device.device_id),
            "roles": [role],
        }


def test_a_key_on_p_256_signs_as_well(callers):
    assert Signer(callers, key=ECKey.generate_key("P-256")).ask().status_code == 200


def test_the_older_name_of_the_algorithm_is_understood(device):
    with pytest.warns(match="RFC 9864"):
        assertion = device.assertion({"alg": "EdDSA"})
    assert device.ask(assertion).status_code == 200


def test_one_key_alone_needs_no_name_and_of_two_one_is_named(device):
    assert device.ask(device.assertion({"kid": None})).status_code == 200
    device.enrol(OKPKey.generate_key("Ed25519"))
    assert refusal(device.ask(device.assertion({"kid": None}))) == NOT_LET_IN
    assert device.ask().status_code == 200


def test_what_an_assertion_says_has_to_be_right(device):
    for changes in (
        {"aud": "https://elsewhere.example.org/oauth/token"},
        {"aud": None},
        {"aud": ["https://elsewhere.example.org"]},
        {"aud": 7},
        {"sub": str(UUID(int=1))},
        {"iss": "dispenser 1"},
        {"iss": None},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 129},
        {"jti": 1},
        {"exp": None},
        {"iat": None},
        {"exp": True},
        {"exp": "soon"},
        {"exp": 10**300},
    ):
        refused = refusal(device.ask(device.assertion(**changes)))
        assert refused == NOT_LET_IN, changes


def test_an_assertion_is_of_now_and_of_minutes(device):
    now = int(device.clock.now().timestamp())
    for why, iat, exp in (
        ("old", -400, -100),
        ("just over", -60, -31),
        ("of the future", 60, 120),
        ("long", 0, 301),
        ("no life", 0, 0),
        ("backwards", 10, 5),
    ):
        said = device.assertion(iat=now + iat, exp=now + exp)
        assert refusal(device.ask(said)) == NOT_LET_IN, why


def test_one_that_begins_later_is_not_good_yet(device):
    now = int(device.clock.now().timestamp())
    assert refusal(device.ask(device.assertion(nbf=now + 31))) == NOT_LET_IN
    assert device.ask(device.assertion(nbf=now)).status_code == 200


def test_clocks_may_differ_a_little(device):
    now = int(device.clock.now().timestamp())
    for ahead in (-80, 20):
        said = device.assertion(iat=now + ahead, exp=now + ahead + 60)
        assert device.ask(said).status_code == 200


def test_a_replayed_assertion_is_refused_for_as_long_as_it_is_good(device, clock):
    said = device.assertion()
    assert device.ask(said).status_code == 200
    assert refusal(device.ask(said)) == NOT_LET_IN
    clock.passes(seconds=59)
    assert refusal(device.ask(said)) == NOT_LET_IN


def test_of_two_who_send_one_assertion_at_once_one_is_let_in(installation, device):
    said, both = device.assertion(), Barrier(2)

    def ask(_):
        client = create_app(installation).test_client()
        form = {
            "grant_type": GRANT,
            "client_assertion_type": TYPE,
            "client_assertion": said,
        }
        both.wait()
        return client.post("/oauth/token", data=form).status_code

    with ThreadPoolExecutor(2) as at_once:
        assert sorted(at_once.map(ask, range(2))) == [200, 401]


def test_the_key_of_another_device_signs_nothing_for_this_one(callers, device):
    other = Signer(callers)
    for kid in (device.kid, other.kid):
        said = device.assertion({"kid": kid}, key=other.key)
        assert refusal(device.ask(said)) == NOT_LET_IN


def test_no_algorithm_and_no_shared_secret_stand_for_a_signature(device):
    header, body, _ = device.assertion().split(".")

    def part(said):
        raw = json.dumps(said).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    unsigned = f"{part({'alg': 'none', 'kid': device.kid})}.{body}."
    public = OctKey.import_key(device.key.as_dict(private=False)["x"] * 2)
    hashed = device.assertion({"alg": "HS256"}, key=public)
    cut = f"{header}.{body}."
    for said in (unsigned, hashed, cut, "", "a.b.c", "é.é.é", "x" * 5000, "..", "[]"):
        assert refusal(device.ask(said or " ")) == NOT_LET_IN


def test_an_algorithm_of_another_kind_of_key_is_refused(callers):
    device = Signer(callers)
    said = device.assertion({"alg": "ES256"}, key=ECKey.generate_key("P-256"))
    assert refusal(device.ask(said)) == NOT_LET_IN


def test_a_revoked_key_opens_nothing_and_its_tokens_neither(callers, device):
    token = device.token()
    path = f"/v1/devices/{device.device_id}/signing-keys/{device.kid}"
    assert callers.operator.delete(path).status == 204
    assert device.opens(token).status_code == 401
    assert refusal(device.ask()) == NOT_LET_IN
    assert device.enrol(device.key).refusal == (409, "revoked")
    assert device.enrol(OKPKey.generate_key("Ed25519")).status == 201


def test_what_is_revoked_while_a_token_is_made_gets_none(installation, callers):
    """The token is there when the revocation has ended all that were before it."""
    device = Signer(callers)
    path = f"/v1/devices/{device.device_id}"
    revoked, made = [path, f"{path}/signing-keys/{device.kid}"], []

    class RevokedMeanwhile(TokenStore):
        def issue(self, **whom):
            assert callers.operator.delete(revoked.pop()).status == 204
            made.append(super().issue(**whom))
            return made[-1]

    between = RevokedMeanwhile(installation.datastore)
    device.client = create_app(replace(installation, tokens=between)).test_client()
    assert refusal(device.ask()) == NOT_LET_IN
    device.key = OKPKey.generate_key("Ed25519")
    device.kid = device.enrol(device.key).json["kid"]
    assert refusal(device.ask()) == NOT_LET_IN
    assert [device.opens(token).status_code for token, _ in made] == [401, 401]


def test_nobody_learns_which_devices_there_are(callers, device, monkeypatch):
    """The same words, the same statements, the same work for a signature."""
    on_p_256 = Signer(callers, key=ECKey.generate_key("P-256"))
    verified = []
    for name in ("Ed25519", "EdDSA", "ES256"):
        algorithm = type(JWSRegistry.algorithms[name])

        def verify(self, *said, real=algorithm.verify, name=name):
            verified.append(name)
            return real(self, *said)

        monkeypatch.setattr(algorithm, "verify", verify)

    def told(signer, alg, **changes):
        kind = ECKey.generate_key("P-256") if alg == "ES256" else None
        key = kind or OKPKey.generate_key("Ed25519")
        said = signer.assertion({"alg": alg}, key=key, **changes)
        verified.clear()
        with listening(monkeypatch) as statements:
            answer = signer.ask(said)
        assert refusal(answer) == NOT_LET_IN
        return answer.data, statements, list(verified)

    nobody = str(uuid4())
    for alg in ("Ed25519", "ES256"):
        unknown = told(device, alg, iss=nobody, sub=nobody)
        assert len(unknown[1]) == len(unknown[2]) == 1
        assert told(device, alg) == told(on_p_256, alg) == unknown


def test_a_revoked_device_opens_nothing(callers, device):
    token = device.token()
    assert callers.operator.delete(f"/v1/devices/{device.device_id}").status == 204
    assert device.opens(token).status_code == 401
    assert refusal(device.ask()) == NOT_LET_IN


def test_a_stolen_token_is_over_after_minutes(device, clock):
    token = device.token()
    clock.passes(seconds=599)
    assert device.opens(token).status_code == 200
    clock.passes(seconds=1)
    assert device.opens(token).status_code == 401


def test_whoever_has_a_token_may_end_it_and_learns_nothing_of_others(device):
    token = device.token()
    for each in (token, token, "etl_wrong", "x" * 500):
        answer = device.client.post("/oauth/revoke", data={"token": each})
        assert (answer.status_code, answer.data) == (200, b"")
    assert device.opens(token).status_code == 401


def test_a_form_that_asks_for_nothing_is_told_what_is_missing(client):
    for form, error in (
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": GRANT}, "invalid_request"),
        ({"grant_type": GRANT, "client_assertion_type": TYPE}, "invalid_request"),
    ):
        assert refusal(client.post("/oauth/token", data=form)) == (400, error), form


def test_a_parameter_is_sent_once(device):
    refused = device.ask(grant_type=[GRANT, GRANT])
    assert refusal(refused) == (400, "invalid_request")


def test_a_form_is_no_json(client):
    answer = client.post("/oauth/token", json={"grant_type": GRANT})
    assert refusal(answer) == (400, "invalid_request")


def test_another_client_id_than_the_assertions_is_refused(device):
    assert refusal(device.ask(client_id=str(uuid4()))) == NOT_LET_IN
    for same in (str(device.device_id), ""):  # What is empty is as good as not sent.
        assert device.ask(client_id=same).status_code == 200


def test_programs_find_the_endpoints_and_what_they_do(client, installation):
    said = client.get("/.well-known/oauth-authorization-server").get_json()
    base = installation.settings.base_url
    assert said["issuer"] == base
    assert said["token_endpoint"] == f"{base}/oauth/token"
    assert GRANT in said["grant_types_supported"]
    assert "private_key_jwt" in said["token_endpoint_auth_methods_supported"]


def test_an_assertion_is_for_any_of_this_servers_names(device, installation):
    base = installation.settings.base_url
    for name in (base, f"{base}/oauth/token", installation.origin):
        assert device.ask(device.assertion(aud=name)).status_code == 200
        assert device.ask(device.assertion(aud=["x", name])).status_code == 200


def test_the_client_library_is_understood(installation, device):
    private = Ed25519PrivateKey.generate()
    public = OKPKey.import_key(
        private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
    )
    kid = device.enrol(public).json["kid"]
    said = DeviceCredentials(
        f"{installation.settings.base_url}/oauth/token",
        device.device_id,
        private,
        kid,
        now=lambda: device.clock.now().timestamp(),
    ).assertion()
    assert device.ask(said).status_code == 200


def test_the_page_shows_how_an_assertion_is_made(installation, device):
    (shown,) = re.findall(r"```python\n(.*?assertion.*?)```", PAGE, re.DOTALL)
    names = {
        "DEVICE": str(device.device_id),
        "KEY": device.key,
        "URL": installation.settings.base_url,
        "time": device.clock.now().timestamp,
    }
    exec(shown.replace("from time import time\n", ""), names)  # noqa: S102
    assert device.client.post("/oauth/token", data=names["form"]).status_code == 200


def test_a_keeper_enrols_keys_of_his_terminal_and_strangers_do_not_see_it(callers):
    terminal = Signer(callers, "terminal", by=callers.ada)
    assert terminal.enrolled.status == 201
    path = f"/v1/devices/{terminal.device_id}/signing-keys"
    (key,) = callers.ada.get(path).json["signing_keys"]
    assert (key["kid"], key["revoked_at"]) == (terminal.kid, None)
    assert callers.ben.get(path).refusal == (404, "unknown")
    jwk = terminal.key.as_dict(private=False)
    assert callers.ben.post(path, jwk=jwk).refusal == (404, "unknown")
    assert callers.ben.delete(f"{path}/{terminal.kid}").refusal == (404, "unknown")
    assert callers.ada.delete(f"{path}/nothing").refusal == (404, "unknown")


def test_a_private_key_is_refused_and_not_kept(callers, device):
    key = OKPKey.generate_key("Ed25519")
    refused = device.enrol(key, d=key.as_dict(private=True)["d"])
    assert refused.refusal == (422, "malformed")
    path = f"/v1/devices/{device.device_id}/signing-keys"
    assert len(callers.operator.get(path).json["signing_keys"]) == 1


def test_what_is_no_key_is_refused_in_a_sentence(device):
    for changes in (
        {"x": "AAAA"},
        {"x": "é" * 43},
        {"crv": "P-256"},
        {"kty": "EC"},
        {"crv": "X25519"},
        {"kty": "RSA"},
        {"y": "A" * 43, "kty": "EC", "crv": "P-256", "x": "A" * 43},
    ):
        refused = device.enrol(OKPKey.generate_key("Ed25519"), **changes)
        assert refused.refusal == (422, "malformed"), changes


def test_a_key_is_enrolled_once_and_a_device_has_a_handful(device):
    assert device.enrol(device.key).json == {"kid": device.kid}
    for _ in range(KEYS_MAX - 1):
        assert device.enrol(OKPKey.generate_key("Ed25519")).status == 201
    refused = device.enrol(OKPKey.generate_key("Ed25519"))
    assert refused.refusal == (409, "limit")


def test_used_assertions_are_forgotten_when_they_are_too_old(installation, device):
    device.ask()
    keys, now = installation.signing_keys, device.clock.now()
    assert keys.clean(at=now, limit=10) == 0
    device.clock.passes(seconds=121)
    assert keys.clean(at=device.clock.now(), limit=10) == 1
