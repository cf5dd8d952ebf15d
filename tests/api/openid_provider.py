"""A little OpenID provider, of this machine: it answers over HTTP and signs its tokens.

Nobody signs in at it: who asks for a code with `code_for` has said who he is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

from tests.api.callers import SetClock

CLIENT, SECRET = "theatre", "a secret: of two"


class OpenIdServer:
    """What it says can be changed by a test: `claims` over what is right."""

    def __init__(self, issuer: str, clock: SetClock) -> None:
        self.issuer = issuer
        self.clock = clock
        self.key = ECKey.generate_key("P-256", {"kid": "first"})
        self.algorithm = "ES256"
        self.claims: dict[str, Any] = {}
        self.about: dict[str, Any] = {}
        self.down = False
        self.asked: list[str] = []
        self._codes: dict[str, tuple[str, dict[str, list[str]]]] = {}

    def code_for(self, address: str, subject: str) -> tuple[str, str]:
        """Sign a subject in whom an address sent here; return code and state."""
        asked = parse_qs(urlsplit(address).query)
        assert asked["response_type"] == ["code"]
        assert asked["code_challenge_method"] == ["S256"]
        code = f"code{len(self._codes)}"
        self._codes[code] = subject, asked
        return code, asked["state"][0]

    def rotate(self, name: str) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": name})

    def answer(
        self, path: str, form: dict[str, list[str]], authorization: str
    ) -> tuple[int, Any]:
        self.asked.append(path)
        if self.down:
            return 500, {}
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            } | self.about
        if path == "/keys":
            return 200, {"keys": [{"kty": "odd"}, self.key.as_dict(private=False)]}
        assert path == "/token"
        return self._token(form, authorization)

    def _token(self, form: dict[str, list[str]], authorization: str) -> tuple[int, Any]:
        subject, asked = self._codes.pop(form["code"][0], ("", {}))
        hashed = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        basic = base64.b64encode(b"theatre:a+secret%3A+of+two").decode()
        if (
            authorization != f"Basic {basic}"
            or asked.get("code_challenge") != [challenge]
            or asked.get("redirect_uri") != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        return 200, {"id_token": self._id_token(subject, asked["nonce"][0])}

    def _id_token(self, subject: str, nonce: str) -> str:
        now = int(self.clock.at.timestamp())
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": CLIENT,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
        } | self.claims
        if self.algorithm == "none":
            parts = ({"alg": "none"}, claims)
            return ".".join(_coded(json.dumps(each)) for each in parts) + "."
        header = {"alg": self.algorithm, "kid": self.key.kid}
        if self.algorithm == "HS256":  # By what everybody knows.
            said = ".".join(_coded(json.dumps(each)) for each in (header, claims))
            public = self.key.as_pem(private=False)
            tag = hmac.digest(public, said.encode(), "sha256")
            return f"{said}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])


@contextmanager
def serving(clock: SetClock) -> Iterator[OpenIdServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(parse_qs(body.decode()))

        def _say(self, form: dict[str, list[str]]) -> None:
            authorization = self.headers.get("Authorization", "")
            status, said = its.answer(self.path, form, authorization)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    its = OpenIdServer(f"http://127.0.0.1:{server.server_port}", clock)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield its
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _coded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
