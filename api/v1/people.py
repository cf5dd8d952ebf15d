"""How people come to an account, and to another password."""

from __future__ import annotations

from flask import Response, jsonify, make_response, request
from flask_smorest import Blueprint
from marshmallow import fields, validate

from api import session_cookie
from api.auth import party
from api.limits import address_of
from api.openapi.fields import Choice, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import recorded
from api.problems import BadFields
from ledger.adapters.logins import CODE_MAX, INVITATION_MAX_S
from ledger.adapters.passwords import LENGTH_MAX, LENGTH_MIN
from ledger.adapters.smtp import ADDRESS_MAX, is_address
from ledger.application import Ledger
from ledger.clock import Clock, new_id
from ledger.usecases import signing_in
from ledger.usecases.signing_in import People
from ledger.vocabulary.codes import Role

OF_PEOPLE = (Role.BUYER, Role.ISSUER, Role.SHOP, Role.OPERATOR, Role.AUDITOR)
_NAME = "An e-mail address; large and small letters are the same."
_NEW = f"{LENGTH_MIN} to {LENGTH_MAX} characters of any kind; none that is guessed."
_DAY_S = 24 * 3600


class InvitationIn(Strict):
    party_id = Id(required=True)
    roles = fields.List(
        Choice(*OF_PEOPLE),
        required=True,
        validate=validate.Length(min=1, max=len(OF_PEOPLE)),
        metadata=about("As what the account may act.", ["buyer"]),
    )
    lifetime_s = Whole(
        least=60,
        most=INVITATION_MAX_S,
        load_default=7 * _DAY_S,
        metadata=about("", _DAY_S),
    )


class InvitationOut(Strict):
    invitation = fields.String(metadata=about("Shown this once; it opens one account."))
    expires_at = Time()


class SignUpIn(Strict):
    invitation = Text(most=CODE_MAX, required=True)
    login_name = Text(
        most=ADDRESS_MAX, required=True, metadata=about(_NAME, "ada@example.org")
    )
    password = Text(
        least=LENGTH_MIN,
        most=LENGTH_MAX,
        required=True,
        load_only=True,
        metadata=about(_NEW, "a kettle of seven fish"),
    )


class SignUpOut(Strict):
    party_id = fields.UUID()


class PasswordIn(Strict):
    current = Text(
        most=2 * LENGTH_MAX,
        required=True,
        load_only=True,
        metadata=about("", "a kettle of seven fish"),
    )
    new = Text(
        least=LENGTH_MIN,
        most=LENGTH_MAX,
        required=True,
        load_only=True,
        metadata=about(_NEW, "nine boats upon a hill"),
    )


class PasswordOut(Strict):
    sessions_ended = fields.Integer(
        metadata=about("All there were, this one included.", 2)
    )


class ResetIn(Strict):
    login_name = Text(
        most=ADDRESS_MAX, required=True, metadata=about(_NAME, "ada@example.org")
    )


class ResetOut(Strict):
    """The same, whether somebody has this login name or not."""

    says = fields.String(
        metadata=about("", "If this is a login name, a letter is on its way to it.")
    )


class CompletionIn(Strict):
    code = Text(most=CODE_MAX, required=True, metadata=about("Of the letter."))
    new = Text(
        least=LENGTH_MIN,
        most=LENGTH_MAX,
        required=True,
        load_only=True,
        metadata=about(_NEW, "nine boats upon a hill"),
    )


def blueprint(ledger: Ledger, people: People, clock: Clock) -> Blueprint:
    routes = Routes("people", "/v1", "People's accounts and passwords.")

    @routes.post("/invitations", takes=InvitationIn, gives=InvitationOut)
    def invite(body: Json) -> Answer:
        """Invite a party to open an account; an earlier invitation is over."""
        code, until = signing_in.invite(
            ledger,
            people,
            party_id=body["party_id"],
            roles=[Role(name) for name in body["roles"]],
            lifetime_s=body["lifetime_s"],
            at=clock.now(),
        )
        answer = {"invitation": code, "expires_at": until}
        return answer, recorded(ledger.position())

    @routes.post("/sign-ups", takes=SignUpIn, gives=SignUpOut)
    def sign_up(body: Json) -> Answer:
        """Open an account by an invitation: choose a login name and a password."""
        session_cookie.require_page()
        if not is_address(body["login_name"]):
            raise BadFields(says="login_name: This is not an e-mail address.")
        party_id = signing_in.open_account(
            people,
            invitation=body["invitation"],
            login_name=body["login_name"],
            password=body["password"],
            at=clock.now(),
        )
        return {"party_id": party_id}, recorded(ledger.position())

    @routes.put("/me/password", takes=PasswordIn, gives=PasswordOut)
    def change(body: Json) -> Response:
        """Change my password; every session of mine ends, this one too."""
        ended = signing_in.change_password(
            people,
            party_id=party(),
            current=body["current"],
            new=body["new"],
            address=address_of(request.remote_addr),
            at=clock.now(),
        )
        return _ended(ended, ledger.position())

    @routes.post("/password-resets", takes=ResetIn, gives=ResetOut, status=202)
    def ask_reset(body: Json) -> Answer:
        """Have a letter sent that sets a new password, if the name is known."""
        session_cookie.require_page()
        signing_in.ask_reset(
            people, login_name=body["login_name"], reset_id=new_id(), at=clock.now()
        )
        says = "If this is a login name, a letter is on its way to it."
        return {"says": says}, recorded(ledger.position())

    @routes.post(
        "/password-resets/completion",
        takes=CompletionIn,
        gives=PasswordOut,
        status=200,
    )
    def complete(body: Json) -> Response:
        """Set a new password by the letter's code; every session ends."""
        session_cookie.require_page()
        ended = signing_in.set_by_code(
            people, code=body["code"], new=body["new"], at=clock.now()
        )
        return _ended(ended, ledger.position())

    return routes.blueprint


def _ended(count: int, position: int) -> Response:
    answer = make_response(jsonify(sessions_ended=count), recorded(position))
    session_cookie.take_away(answer)
    return answer
