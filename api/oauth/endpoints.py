"""The endpoints: tokens given and taken back, and what this server can do.

RFC 6749 (token), RFC 7009 (revocation), RFC 8414 (metadata).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, make_response, request
from flask_smorest import Blueprint
from marshmallow import EXCLUDE, Schema, fields

from api.oauth.assertions import ALGORITHMS, TYPE
from api.oauth.grants import Form, Grant, required
from api.oauth.refusals import OAuthError
from api.openapi.fields import Strict, about
from api.openapi.routes import Routes
from ledger.adapters.consents import Consents
from ledger.adapters.tokens import TokenStore
from ledger.clock import Clock

FORM = "application/x-www-form-urlencoded"
TOKEN = "/oauth/token"  # noqa: S105, an address
REVOKE = "/oauth/revoke"
AUTHORIZE = "/oauth/authorize"
METADATA = "/.well-known/oauth-authorization-server"


class _Form(Schema):
    """What is not known is passed over (RFC 6749 section 3.2)."""

    class Meta:
        unknown = EXCLUDE


class TokenForm(_Form):
    """Which of these are needed, the grant says."""

    grant_type = fields.String(metadata=about("", "client_credentials"))
    client_id = fields.String(metadata=about("If sent, the assertion's."))
    code = fields.String(metadata=about("Of /oauth/authorize; good once."))
    redirect_uri = fields.String(metadata=about("The one the code was sent to."))
    code_verifier = fields.String(metadata=about("Of PKCE (RFC 7636)."))
    refresh_token = fields.String(metadata=about("Good once; the next comes along."))
    client_assertion_type = fields.String(metadata=about("", TYPE))
    client_assertion = fields.String(
        metadata=about("A JWT signed by an enrolled key; good once (RFC 7523).")
    )


class RevocationForm(_Form):
    token = fields.String(metadata=about("Whoever has it may end it."))
    token_type_hint = fields.String(metadata=about("Not needed here."))


class RefusalOut(Strict):
    """RFC 6749 section 5.2."""

    error = fields.String(metadata=about("", "invalid_client"))
    error_description = fields.String(metadata=about("One sentence."))


class BearerOut(Strict):
    access_token = fields.String()
    token_type = fields.String(metadata=about("", "Bearer"))
    expires_in = fields.Integer(metadata=about("In seconds.", 600))
    refresh_token = fields.String(metadata=about("If a person consented."))
    scope = fields.String(metadata=about("Roles, by spaces.", "buyer"))


class MetadataOut(Schema):
    """RFC 8414 section 2."""

    issuer = fields.String(metadata=about("", "https://tickets.example.org"))
    token_endpoint = fields.String()
    revocation_endpoint = fields.String()
    grant_types_supported = fields.List(fields.String())
    authorization_endpoint = fields.String()
    code_challenge_methods_supported = fields.List(fields.String())
    authorization_response_iss_parameter_supported = fields.Boolean()
    response_types_supported = fields.List(fields.String())
    token_endpoint_auth_methods_supported = fields.List(fields.String())
    token_endpoint_auth_signing_alg_values_supported = fields.List(fields.String())
    revocation_endpoint_auth_methods_supported = fields.List(fields.String())
    service_documentation = fields.String()


def blueprint(
    tokens: TokenStore,
    consents: Consents,
    grants: Mapping[str, Grant],
    clock: Clock,
    *,
    base_url: str,
) -> Blueprint:
    routes = Routes("oauth", "", "Tokens for programs, by OAuth 2.")

    @routes.form(TOKEN, takes=TokenForm, gives=BearerOut, refuses=RefusalOut)
    def give() -> Response:
        """Give a token for what a grant asks: of a device, its signed assertion."""
        form = _form()
        name = required(form, "grant_type")
        if name not in grants:
            raise OAuthError(
                "unsupported_grant_type", f"Grants are {', '.join(sorted(grants))}."
            )
        granted = grants[name](form)
        token, _ = tokens.issue(
            party_id=granted.party_id,
            device_id=granted.device_id,
            roles=granted.roles,
            lifetime_s=granted.lifetime_s,
            label=granted.label,
            at=clock.now(),
        )
        # Whoever revokes ends the tokens there are, and this one came later perhaps.
        try:
            granted.confirm()
        except OAuthError:
            tokens.revoke(token, at=clock.now())
            raise
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": granted.lifetime_s,
            **granted.more,
        }
        return make_response(jsonify(answer))

    @routes.form(REVOKE, takes=RevocationForm, refuses=RefusalOut)
    def take_back() -> Response:
        """End a token at once; a refresh token ends all it is of. No other errs."""
        token, at = required(_form(), "token"), clock.now()
        if not tokens.revoke(token, at=at):
            consents.take_back(token, at=at)
        return Response(status=200)

    @routes.get(METADATA, gives=MetadataOut)
    def metadata() -> Any:
        """Tell programs where to ask for tokens, and how."""
        return {
            "issuer": base_url,
            "token_endpoint": f"{base_url}{TOKEN}",
            "revocation_endpoint": f"{base_url}{REVOKE}",
            "grant_types_supported": sorted(grants),
            "authorization_endpoint": f"{base_url}{AUTHORIZE}",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
            "revocation_endpoint_auth_methods_supported": ["none"],
            "service_documentation": f"{base_url}/v1/docs",
        }

    return routes.blueprint


def _form() -> Form:
    """Return the request's form, each parameter once (RFC 6749 section 3.2)."""
    if request.mimetype != FORM:
        raise OAuthError("invalid_request", f"A form is sent as {FORM}.")
    if any(len(values) > 1 for _, values in request.form.lists()):
        raise OAuthError("invalid_request", "A parameter is sent more than once.")
    return request.form.to_dict()
