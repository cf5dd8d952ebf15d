"""The page on which a person signs in before letting a program act for him.

The authorization endpoint sends there whoever has no session, and is come back to. No
script; what was asked goes with the form, and nothing leads anywhere but back.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from flask import Response, render_template_string, request
from flask_smorest import Blueprint
from marshmallow import fields

from api import session_cookie
from api.limits import address_of
from api.oauth.authorization import ASKED, SIGN_IN, STYLE, asked_by, once, shut_in
from api.oauth.endpoints import AUTHORIZE
from api.openapi.fields import Strict, about
from api.openapi.routes import Routes
from api.problems import BadFields, Unauthenticated, refused
from ledger.adapters.oauth_clients import OAuthClient, OAuthClients
from ledger.adapters.passwords import LENGTH_MAX
from ledger.adapters.smtp import ADDRESS_MAX
from ledger.clock import Clock
from ledger.errors import Refusal
from ledger.usecases import signing_in
from ledger.usecases.signing_in import People

_WITH_PROVIDER = "/v1/oidc/login"


class SignInForm(Strict):
    """The page's form: who signs in, and what the program asked."""

    login_name = fields.String(metadata=about("", "ada@example.org"))
    password = fields.String(load_only=True)
    client_id = fields.String()
    redirect_uri = fields.String()
    response_type = fields.String(metadata=about("", "code"))
    scope = fields.String(metadata=about("Roles, by spaces.", "buyer"))
    state = fields.String()
    code_challenge = fields.String()
    code_challenge_method = fields.String(metadata=about("", "S256"))


def blueprint(
    clients: OAuthClients, people: People, clock: Clock, *, has_provider: bool
) -> Blueprint:
    """`has_provider`: people may also sign in at an OpenID provider."""
    routes = Routes("sign_in_page", "", "Where people sign in for a program.")

    def page(said: Mapping[str, str], client: OAuthClient, says: str = "") -> Response:
        asked = {name: said[name] for name in ASKED if name in said}
        back = urlencode({"return_to": f"{AUTHORIZE}?{urlencode(asked)}"})
        drawn = render_template_string(
            _PAGE,
            name=client.name,
            says=says,
            said=asked,
            elsewhere=f"{_WITH_PROVIDER}?{back}" if has_provider else None,
            style=STYLE + _STYLE,
        )
        return shut_in(Response(drawn, mimetype="text/html"))

    @routes.text(SIGN_IN, "text/html")
    def show() -> Response:
        """Show a page to sign in on, for a program that asks to act for a person."""
        said = once(request.args)
        return page(said, asked_by(clients, said).client)

    @routes.form(SIGN_IN, takes=SignInForm)
    def sign_in() -> Response:
        """Sign in by the page's form, and go on to what the program asks."""
        session_cookie.require_page()
        said, at = once(request.form), clock.now()
        client = asked_by(clients, said).client
        name, password = said.get("login_name", ""), said.get("password", "")
        if len(name) > ADDRESS_MAX or len(password) > 2 * LENGTH_MAX:
            raise BadFields(says="login_name, password: They are too long.")
        try:
            session = signing_in.sign_in(
                people,
                login_name=name,
                password=password,
                address=address_of(request.remote_addr),
                instead_of=session_cookie.read() or "",
                at=at,
            )
        except Refusal as refusal:
            told, shown = refused(refusal), page(said, client, str(refusal))
            shown.status_code = told.status_code
            if "Retry-After" in told.headers:
                shown.headers["Retry-After"] = told.headers["Retry-After"]
            return shown
        found = people.sessions.find(session, at=at)
        if found is None:
            raise Unauthenticated
        asked = {name: said[name] for name in ASKED if name in said}
        there = {"Location": f"{AUTHORIZE}?{urlencode(asked)}"}
        answer = shut_in(Response(status=303, headers=there))
        session_cookie.put(answer, session, until=found.expires_at)
        return answer

    return routes.blueprint


_STYLE = """
  label { display: block; margin: 1rem 0; }
  input { font: inherit; display: block; width: 100%; box-sizing: border-box;
          padding: .5rem; }
  .says { border-left: .25rem solid #a00; padding-left: .75rem; }
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in</title>
<style>{{ style }}</style>
<h1>Sign in</h1>
<p><strong>{{ name }}</strong> asks to act for you. Sign in to see what it asks; nothing
is allowed yet. Your password is for this page alone.</p>
{% if says %}<p class="says" role="alert">{{ says }}</p>
{% endif %}\
<form method="post" action="/oauth/sign-in">
{% for each, value in said.items() %}\
<input type="hidden" name="{{ each }}" value="{{ value }}">
{% endfor %}\
<label>Login name
<input name="login_name" autocomplete="username" autocapitalize="none"
required autofocus></label>
<label>Password
<input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button>
</form>
{% if elsewhere %}<p><a href="{{ elsewhere }}">Sign in with your provider</a></p>
{% endif %}\
"""
