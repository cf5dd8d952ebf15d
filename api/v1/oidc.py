"""Signing in at an OpenID provider, where one is configured."""

from __future__ import annotations

import re

from flask import Response, jsonify, make_response, request
from flask_smorest import Blueprint
from marshmallow import ValidationError, fields

from api import session_cookie
from api.openapi.fields import Strict, Text, about
from api.openapi.routes import Json, Routes
from api.positions import recorded
from ledger.adapters.links import AWAY, RETURN_TO_MAX
from ledger.adapters.logins import CODE_MAX
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.usecases import signing_in_elsewhere
from ledger.usecases.signing_in_elsewhere import Answer, Elsewhere

# A path of this server, in no browser's reading another's: neither //host nor /\host.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")
_RETURN = "A path of this server, where the browser goes on signed in."


def _local(path: str) -> None:
    if not _LOCAL.fullmatch(path):
        raise ValidationError("This is not a path of this server.")


class ReturnTo(Text):
    def __init__(self) -> None:
        super().__init__(
            most=RETURN_TO_MAX, load_default="/", metadata=about(_RETURN, "/tickets")
        )
        self.validators.append(_local)


class LeaveQuery(Strict):
    return_to = ReturnTo()


class LinkIn(Strict):
    invitation = Text(most=CODE_MAX, required=True)
    return_to = ReturnTo()


class LinkOut(Strict):
    """The page sends the browser there, which comes back with an account."""

    location = fields.String(
        metadata=about("", "https://id.example.org/authorize?state=…")
    )


def blueprint(ledger: Ledger, its: Elsewhere, clock: Clock) -> Blueprint:
    routes = Routes("oidc", "/v1/oidc", "Signing in at an OpenID provider.")

    @routes.redirect("/login", asks=LeaveQuery)
    def leave(query: Json) -> Response:
        """Send the browser to the provider, if one is configured."""
        at = clock.now()
        there, secret = signing_in_elsewhere.leave(
            its, return_to=query["return_to"], at=at
        )
        answer = Response(status=303, headers={"Location": there})
        session_cookie.put_departure(answer, secret, until=at + AWAY)
        return answer

    @routes.post("/sign-ups", takes=LinkIn, gives=LinkOut)
    def sign_up(body: Json) -> Response:
        """Set out to open an account by an invitation, with no password here."""
        session_cookie.require_page()
        at = clock.now()
        there, secret = signing_in_elsewhere.leave(
            its, return_to=body["return_to"], invitation=body["invitation"], at=at
        )
        answer = make_response(
            jsonify(location=there), 201, recorded(ledger.position())
        )
        session_cookie.put_departure(answer, secret, until=at + AWAY)
        return answer

    @routes.redirect("/callback")
    def come_back() -> Response:
        """Take the browser back from the provider, and begin its session."""
        at = clock.now()
        session, there = signing_in_elsewhere.come_back(
            its,
            Answer(
                state=request.args.get("state", ""),
                code=request.args.get("code"),
                issuer=request.args.get("iss"),
            ),
            secret=session_cookie.read_departure(),
            instead_of=session_cookie.read() or "",
            at=at,
        )
        found = its.sessions.find(session, at=at)
        answer = Response(status=303, headers={"Location": there})
        session_cookie.take_departure(answer)
        if found is not None:
            session_cookie.put(answer, session, until=found.expires_at)
        return answer

    return routes.blueprint
