"""Tokens for programs that act for people: by a code first, by a refresh token then.

RFC 6749 sections 4.1.3 and 6, RFC 7636 section 4.5. A client keeps no secret, so each
refresh token opens once (RFC 9700 section 4.14.2).
"""

from __future__ import annotations

from uuid import UUID

from api.oauth.grants import Form, Grant, Granted, required
from api.oauth.refusals import OAuthError
from ledger.adapters.consents import Consent, Consents
from ledger.clock import Clock

AUTHORIZATION_CODE = "authorization_code"
REFRESH_TOKEN = "refresh_token"  # noqa: S105, a grant's name
ACCESS_S = 600


def authorization_code(consents: Consents, clock: Clock) -> Grant:
    def grant(form: Form) -> Granted:
        redeemed = consents.redeem(
            required(form, "code"),
            client_id=_client(form),
            redirect_uri=required(form, "redirect_uri"),
            verifier=required(form, "code_verifier"),
            at=clock.now(),
        )
        return _granted(consents, redeemed)

    return grant


def refresh_token(consents: Consents, clock: Clock) -> Grant:
    def grant(form: Form) -> Granted:
        renewed = consents.renew(
            required(form, "refresh_token"), client_id=_client(form), at=clock.now()
        )
        return _granted(consents, renewed)

    return grant


def _granted(consents: Consents, given: tuple[Consent, str] | None) -> Granted:
    if given is None:
        raise _over()
    consent, token = given

    def confirm() -> None:
        if not consents.stands(consent.consent_id):
            raise _over()

    return Granted(
        roles=consent.roles,
        lifetime_s=ACCESS_S,
        party_id=consent.party_id,
        label=consent.label,
        more={"refresh_token": token, "scope": " ".join(sorted(consent.roles))},
        confirm=confirm,
    )


def _client(form: Form) -> UUID:
    try:
        return UUID(required(form, "client_id"))
    except ValueError:
        raise _over() from None


def _over() -> OAuthError:
    return OAuthError("invalid_grant", "This opens nothing, or not any more.")
