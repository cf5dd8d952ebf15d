"""The authorization endpoint: a person lets a program act for him, or does not.

RFC 6749 section 4.1 with PKCE (RFC 7636, S256 alone), `iss` in every answer (RFC 9207),
and what RFC 9700 adds. Until client and redirect URI are known to belong together,
nothing is redirected. The page has no script; its form carries the session's token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from flask import Response, g, render_template_string, request
from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import party, principal
from api.oauth.endpoints import AUTHORIZE
from api.oauth.refusals import OAuthError
from api.openapi.fields import Strict, about
from api.openapi.routes import Routes
from api.problems import BadFields, Unauthenticated
from ledger.adapters.consents import Consent, Consents
from ledger.adapters.oauth_clients import OAuthClient, OAuthClients
from ledger.adapters.sessions import csrf_token
from ledger.clock import Clock, new_id
from ledger.errors import Unknown
from ledger.vocabulary.codes import Role

SIGN_IN = "/oauth/sign-in"
UNAUTHENTICATED = 401
STATE_MAX = 500
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # SHA-256 in base64url.
ASKED = (
    *("response_type", "client_id", "redirect_uri", "scope", "state"),
    *("code_challenge", "code_challenge_method"),
)


class ConsentForm(Strict):
    """The page's form: what was asked, once more, and what the person says."""

    client_id = fields.String()
    redirect_uri = fields.String()
    response_type = fields.String(metadata=about("", "code"))
    scope = fields.String(metadata=about("Roles, by spaces.", "buyer"))
    state = fields.String()
    code_challenge = fields.String()
    code_challenge_method = fields.String(metadata=about("", "S256"))
    csrf_token = fields.String()
    says = fields.String(metadata=about("", "yes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that can be answered by a redirect."""

    client: OAuthClient
    redirect_uri: str
    state: str | None


def blueprint(
    clients: OAuthClients, consents: Consents, clock: Clock, *, base_url: str
) -> Blueprint:
    routes = Routes("authorization", "", "Programs that people let act for them.")

    def back(asked: Asked, **says: str) -> Response:
        return _back(asked, {**says, "iss": base_url})

    def sign_in_first(answer: Response) -> Response:
        """Send who is not signed in to the page for that, which leads back here."""
        if request.method == "GET" and answer.status_code == UNAUTHENTICATED:
            query = request.query_string.decode("ascii", "replace")
            there = {"Location": f"{SIGN_IN}?{query}"}
            return shut_in(Response(status=303, headers=there))
        return answer

    routes.blueprint.after_request(sign_in_first)

    @routes.text(AUTHORIZE, "text/html")
    def ask() -> Response:
        """Ask the person who is signed in, on a page, whether a program may."""
        session = _session()
        said = once(request.args)
        asked = asked_by(clients, said)
        try:
            roles = _roles(said, asked.client)
        except OAuthError as error:
            return back(asked, error=error.error, error_description=error.says)
        page = render_template_string(
            _PAGE,
            name=asked.client.name,
            where=urlsplit(asked.redirect_uri).netloc,
            roles=sorted(roles),
            said={name: said[name] for name in ASKED if name in said},
            token=csrf_token(session),
            style=STYLE,
        )
        return shut_in(Response(page, mimetype="text/html"), asked.redirect_uri)

    @routes.form(AUTHORIZE, takes=ConsentForm)
    def answer() -> Response:
        """Send the person back to the program: with a code, or with his no."""
        _session()
        said = once(request.form)
        asked = asked_by(clients, said)
        try:
            roles = _roles(said, asked.client)
        except OAuthError as error:
            return back(asked, error=error.error, error_description=error.says)
        if said.get("says") != "yes":
            return back(asked, error="access_denied")
        code = consents.give(
            Consent(
                consent_id=new_id(),
                client_id=asked.client.client_id,
                party_id=party(),
                roles=roles,
            ),
            redirect_uri=asked.redirect_uri,
            challenge=said["code_challenge"],
            at=clock.now(),
        )
        return back(asked, code=code)

    return routes.blueprint


def asked_by(clients: OAuthClients, said: Mapping[str, str]) -> Asked:
    """Return who asks and where the answer goes; nothing is redirected before."""
    try:
        client = clients.find(UUID(said.get("client_id", "")))
    except ValueError:
        client = None
    if client is None:
        raise Unknown(what="client")
    redirect_uri = said.get("redirect_uri", "")
    if not client.goes_back_to(redirect_uri):
        raise BadFields(says="redirect_uri: It is not one of the client's.")
    state = said.get("state")
    if state is not None and len(state) > STATE_MAX:
        raise BadFields(says=f"state: At most {STATE_MAX} characters.")
    return Asked(client=client, redirect_uri=redirect_uri, state=state)


def _back(asked: Asked, says: Mapping[str, str]) -> Response:
    """Send the browser back to the program, its `state` with it."""
    query = {**says, **({} if asked.state is None else {"state": asked.state})}
    joined = "&" if urlsplit(asked.redirect_uri).query else "?"
    there = f"{asked.redirect_uri}{joined}{urlencode(query)}"
    return shut_in(Response(status=303, headers={"Location": there}))


def _session() -> str:
    """Return the person's session; a bearer token consents to nothing."""
    if "session" not in g:
        raise Unauthenticated
    session: str = g.session
    return session


def once(said: Any) -> dict[str, str]:
    if any(len(values) > 1 for _, values in said.lists()):
        raise BadFields(says="A parameter is sent more than once.")
    found: dict[str, str] = said.to_dict()
    return found


def _roles(said: Mapping[str, str], client: OAuthClient) -> frozenset[Role]:
    """Return what the program gets. Raises `OAuthError` (RFC 6749 section 4.1.2.1)."""
    if said.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "The response_type is code.")
    challenge = said.get("code_challenge", "")
    if said.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
        challenge
    ):
        raise OAuthError("invalid_request", "A code_challenge of S256 is needed.")
    may = client.roles & principal().roles
    wanted = set(said.get("scope", "").split()) or set(may)
    if not wanted or not wanted <= may:
        raise OAuthError("invalid_scope", "The scope is of roles that you both have.")
    return frozenset(Role(name) for name in wanted)


def shut_in(answer: Response, redirect_uri: str | None = None) -> Response:
    """Let no frame hold the page, and its form lead nowhere else."""
    leads = "'self'"
    if redirect_uri is not None:  # A browser looks at where a form is sent on to.
        parts = urlsplit(redirect_uri)
        leads += f" {parts.scheme}://{parts.netloc}"
    answer.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
        f" form-action {leads}; frame-ancestors 'none'"
    )
    answer.headers["X-Frame-Options"] = "DENY"
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


STYLE = """
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 32rem; margin: 2rem auto;
         padding: 0 1rem; }
  button { font: inherit; padding: .5rem 1.5rem; margin-right: 1rem; }
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>May {{ name }} act for you?</title>
<style>{{ style }}</style>
<h1>May {{ name }} act for you?</h1>
<p>It asks to act for you for 30 days, as: <strong>{{ roles | join(", ") }}</strong>.
You are sent back to <strong>{{ where }}</strong> then. Say yes only if you began this
there yourself.</p>
<form method="post" action="/oauth/authorize">
{% for each, value in said.items() %}\
<input type="hidden" name="{{ each }}" value="{{ value }}">
{% endfor %}\
<input type="hidden" name="csrf_token" value="{{ token }}">
<button name="says" value="yes">Yes</button>
<button name="says" value="no">No</button>
</form>
"""
