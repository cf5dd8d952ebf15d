"""Sessions of pages: people sign in by name and password, and out."""

from __future__ import annotations

from typing import Any

from flask import Response, g, jsonify, make_response, request
from flask_smorest import Blueprint
from marshmallow import fields

from api import session_cookie
from api.auth import principal
from api.limits import address_of
from api.openapi.fields import Choice, Strict, Text, Time, about, words
from api.openapi.routes import Json, Routes
from api.positions import recorded
from api.problems import Unauthenticated
from ledger.adapters.passwords import LENGTH_MAX
from ledger.adapters.sessions import csrf_token
from ledger.adapters.smtp import ADDRESS_MAX
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.usecases import signing_in
from ledger.usecases.signing_in import People
from ledger.vocabulary.codes import Role


class SignInIn(Strict):
    login_name = Text(
        most=ADDRESS_MAX, required=True, metadata=about("", "ada@example.org")
    )
    password = Text(
        most=2 * LENGTH_MAX,
        required=True,
        load_only=True,
        metadata=about("", "a kettle of seven fish"),
    )


class PageSessionOut(Strict):
    """The session itself is in a cookie that scripts cannot read."""

    party_id = fields.UUID()
    roles = fields.List(Choice(*words(Role)))
    expires_at = Time(metadata=about("At the latest; after 30 idle minutes before."))
    csrf_token = fields.String(
        metadata=about(
            f"Sent as {session_cookie.TOKEN_HEADER} with whatever changes something."
        )
    )


def blueprint(ledger: Ledger, people: People, clock: Clock) -> Blueprint:
    routes = Routes("sessions", "/v1", "Signing in and out, for pages.")

    @routes.post("/sessions", takes=SignInIn, gives=PageSessionOut)
    def sign_in(body: Json) -> Response:
        """Sign in; a session that came along ends."""
        session_cookie.require_page()
        at = clock.now()
        session = signing_in.sign_in(
            people,
            login_name=body["login_name"],
            password=body["password"],
            address=address_of(request.remote_addr),
            instead_of=session_cookie.read() or "",
            at=at,
        )
        found = people.sessions.find(session, at=at)
        if found is None:
            raise Unauthenticated
        told = PageSessionOut().dump(_told(session, found.principal, found.expires_at))
        answer = make_response(jsonify(told), 201, recorded(ledger.position()))
        session_cookie.put(answer, session, until=found.expires_at)
        return answer

    @routes.get("/me/session", gives=PageSessionOut)
    def mine() -> Any:
        """Tell of the session that this request came with."""
        if "session" not in g:
            raise Unknown(what="session behind a bearer token")
        return _told(g.session, principal(), g.session_until)

    @routes.delete("/sessions/current")
    def sign_out() -> Response:
        """Sign out: the session ends now."""
        if "session" not in g:
            raise Unknown(what="session behind a bearer token")
        people.sessions.end(g.session)
        answer = Response(status=204, headers=recorded(ledger.position()))
        session_cookie.take_away(answer)
        return answer

    return routes.blueprint


def _told(session: str, who: Any, until: Any) -> Json:
    return {
        "party_id": who.party_id,
        "roles": sorted(who.roles),
        "expires_at": until,
        "csrf_token": csrf_token(session),
    }
