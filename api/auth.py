"""Who may come in, and as what: one table for all routes.

A route without a row cannot be made. Roles open a door here; whose ticket it is, the
rules decide behind it. Nothing here says why a token was refused.
"""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from flask import Flask, g, request

from api import session_cookie
from api.problems import Unauthenticated
from ledger.adapters.sessions import Sessions
from ledger.adapters.tokens import Principal, TokenStore
from ledger.application import Cause, CommitTerms
from ledger.clock import Clock
from ledger.errors import Denied, RoleMissing
from ledger.vocabulary.codes import Role

Who = frozenset[Role]


def _any_of(*roles: Role) -> Who:
    return frozenset(roles)


PUBLIC: Who = frozenset()
ANY: Who = frozenset(Role)
BUYER = _any_of(Role.BUYER)
OPERATOR = _any_of(Role.OPERATOR)
ISSUER = _any_of(Role.ISSUER)
DISPENSER = _any_of(Role.DISPENSER)
SHOP = _any_of(Role.SHOP)
PERSONALISER = _any_of(Role.PERSONALISER)
AUDITOR = _any_of(Role.AUDITOR)
PEOPLE = _any_of(Role.BUYER, Role.ISSUER, Role.SHOP, Role.OPERATOR, Role.AUDITOR)
AT_TERMINAL = _any_of(Role.BUYER, Role.TERMINAL)
READS_TICKETS = _any_of(Role.BUYER, Role.ISSUER, Role.OPERATOR, Role.AUDITOR)
TAPS = _any_of(Role.BUYER, Role.TERMINAL, Role.DISPENSER, Role.SHOP)
OWN_DEVICES = _any_of(Role.BUYER, Role.OPERATOR)
KEYS = TAPS | PERSONALISER
TOLD = _any_of(Role.BUYER, Role.ISSUER, Role.SHOP, Role.OPERATOR)
HOLDS_MEDIA = _any_of(Role.BUYER, Role.OPERATOR)
DISPUTES = _any_of(Role.BUYER, Role.ISSUER, Role.OPERATOR)
READS_CASES = DISPUTES | AUDITOR
READS_ALL = OPERATOR | AUDITOR
AT_THE_DOOR = _any_of(Role.ISSUER, Role.DISPENSER, Role.SHOP, Role.OPERATOR)
READS_MEDIA = TAPS | PERSONALISER | READS_ALL
AT_THE_MACHINE = _any_of(Role.TERMINAL, Role.DISPENSER, Role.SHOP)
KEEPS_DEVICES = _any_of(Role.BUYER, Role.SHOP, Role.OPERATOR)
READS_DEVICES = KEEPS_DEVICES | KEYS | AUDITOR

_OFFERING = "/v1/offerings/<uuid:offering_id>"
_EXCHANGE = "/v1/exchanges/<uuid:exchange_id>"
_TICKET = "/v1/tickets/<uuid:ticket_id>"
_REQUEST = f"{_TICKET}/modification-requests/<uuid:request_id>"
_GIFT = f"{_TICKET}/gift-offers/<uuid:offer_id>"
_GIVEN = "/v1/gifts/<uuid:offer_id>"
_LISTING = f"{_TICKET}/listings/<uuid:listing_id>"
_SALE = "/v1/sales/<uuid:sale_id>"
_REGISTERED = "/v1/registered-sales/<uuid:sale_id>"
_DISPENSE = f"{_TICKET}/dispenses/<uuid:job_id>"
_CASE = "/v1/cases/<uuid:case_id>"
_MEDIUM = "/v1/media/<uid:uid>"
_DEVICE = "/v1/devices/<uuid:device_id>"
_PARTY = "/v1/parties/<uuid:party_id>"
_ACCOUNT = "/v1/accounts/<uuid:account_id>"

ACCESS: Mapping[str, Who] = MappingProxyType(
    {
        "GET /health/live": PUBLIC,
        "GET /health/ready": PUBLIC,
        "GET /v1/openapi.json": PUBLIC,
        "GET /v1/docs": PUBLIC,
        "GET /problems/<code>": PUBLIC,
        "GET /v1/issuer-keys": PUBLIC,
        "GET /v1/log/checkpoint": PUBLIC,
        "GET /v1/log/export": AUDITOR,
        "GET /v1/log/proofs/inclusion": PUBLIC,
        "GET /v1/log/proofs/consistency": PUBLIC,
        "GET /v1/log/receipts/<int:position>": ANY,
        # Hashes tell nothing; the leaves' lines tell whose history goes on, and when.
        "GET /log/checkpoint": PUBLIC,
        "GET /log/tile/<level>/<path:tile>": PUBLIC,
        "GET /log/tile/entries/<path:bundle>": AUDITOR,
        "GET /v1/projections": READS_ALL,
        "GET /v1/projections/<name>": READS_ALL,
        "POST /v1/parties": OPERATOR,
        f"GET {_PARTY}": TOLD | AUDITOR,
        f"POST {_PARTY}/erasure-request": TOLD,
        f"POST {_PARTY}/erasure": OPERATOR,
        "POST /v1/tokens": OPERATOR,
        "POST /oauth/token": PUBLIC,
        "POST /oauth/revoke": PUBLIC,
        "GET /.well-known/oauth-authorization-server": PUBLIC,
        f"POST {_DEVICE}/signing-keys": KEEPS_DEVICES,
        f"GET {_DEVICE}/signing-keys": KEEPS_DEVICES,
        f"DELETE {_DEVICE}/signing-keys/<kid>": KEEPS_DEVICES,
        "POST /v1/invitations": OPERATOR,
        "POST /v1/sign-ups": PUBLIC,
        "GET /oauth/sign-in": PUBLIC,
        "POST /oauth/sign-in": PUBLIC,
        "GET /oauth/authorize": PEOPLE,
        "POST /oauth/authorize": PEOPLE,
        "GET /v1/me/consents": PEOPLE,
        "DELETE /v1/me/consents/<uuid:consent_id>": PEOPLE,
        "POST /v1/clients": OPERATOR,
        "GET /v1/clients": OPERATOR,
        "DELETE /v1/clients/<uuid:client_id>": OPERATOR,
        "GET /v1/oidc/login": PUBLIC,
        "POST /v1/oidc/sign-ups": PUBLIC,
        "GET /v1/oidc/callback": PUBLIC,
        "POST /v1/password-resets": PUBLIC,
        "POST /v1/password-resets/completion": PUBLIC,
        "PUT /v1/me/password": PEOPLE,
        "POST /v1/sessions": PUBLIC,
        "GET /v1/me/session": PEOPLE,
        "DELETE /v1/sessions/current": PEOPLE,
        "GET /v1/me": ANY,
        "GET /v1/me/accounts": BUYER | ISSUER,
        "GET /v1/me/accounts/<path:account>/entries": BUYER | ISSUER,
        "GET /v1/accounts": READS_ALL,
        "GET /v1/accounts/trial-balance": READS_ALL,
        "GET /v1/accounts/entries": READS_ALL,
        f"GET {_ACCOUNT}": BUYER | ISSUER | READS_ALL,
        f"GET {_ACCOUNT}/entries": BUYER | ISSUER | READS_ALL,
        "GET /v1/me/notices": BUYER,
        "GET /v1/webhooks": TOLD,
        "POST /v1/webhooks": TOLD,
        "POST /v1/webhooks/<uuid:subscription_id>/rotation": TOLD,
        "DELETE /v1/webhooks/<uuid:subscription_id>": TOLD,
        "POST /v1/accounts/top-ups": OPERATOR,
        "POST /v1/offerings": ISSUER,
        "GET /v1/offerings": ANY,
        f"GET {_OFFERING}": ANY,
        f"GET {_OFFERING}/stock": ANY,
        f"GET {_OFFERING}/seats": ANY,
        f"POST {_OFFERING}/waiting": BUYER,
        f"GET {_OFFERING}/waiting": BUYER,
        f"DELETE {_OFFERING}/waiting": BUYER,
        f"POST {_OFFERING}/places": ISSUER,
        f"PUT {_OFFERING}/price": ISSUER,
        f"POST {_OFFERING}/cancellation": ISSUER,
        f"POST {_OFFERING}/cancellation/repayments": ISSUER | OPERATOR,
        f"POST {_OFFERING}/cancellation/closure": OPERATOR,
        f"GET {_OFFERING}/orders": ISSUER | READS_ALL,
        "GET /v1/orders": BUYER,
        "POST /v1/orders": BUYER,
        "GET /v1/orders/<uuid:order_id>": BUYER,
        "POST /v1/orders/<uuid:order_id>/payment": BUYER,
        "POST /v1/orders/<uuid:order_id>/payment/check": BUYER,
        "POST /v1/orders/<uuid:order_id>/payment/decision": OPERATOR,
        "POST /v1/payments/callbacks": PUBLIC,
        "DELETE /v1/orders/<uuid:order_id>": BUYER,
        "POST /v1/orders/<uuid:order_id>/voiding": ISSUER,
        "POST /v1/refunds": BUYER | ISSUER,
        f"GET {_TICKET}/refund": BUYER | ISSUER,
        f"POST {_TICKET}/revocation": ISSUER,
        "POST /v1/exchanges": BUYER | ISSUER,
        f"GET {_EXCHANGE}": BUYER,
        f"POST {_EXCHANGE}/confirmation": BUYER,
        f"DELETE {_EXCHANGE}": BUYER,
        "GET /v1/tickets": BUYER,
        f"GET {_TICKET}": READS_TICKETS,
        f"GET {_TICKET}/history": READS_TICKETS,
        f"GET {_TICKET}/owners": READS_TICKETS,
        f"POST {_TICKET}/transmissions": BUYER,
        f"POST {_TICKET}/modifications": ISSUER,
        f"POST {_TICKET}/modification-requests": BUYER,
        f"GET {_TICKET}/modification-requests": READS_TICKETS,
        f"POST {_REQUEST}/grant": ISSUER,
        f"POST {_REQUEST}/refusal": ISSUER,
        f"DELETE {_REQUEST}": BUYER,
        f"POST {_TICKET}/gift-offers": BUYER,
        f"GET {_GIFT}": BUYER,
        f"POST {_GIFT}/acceptance": BUYER,
        f"POST {_GIFT}/decline": BUYER,
        f"POST {_GIFT}/withdrawal": BUYER,
        "POST /v1/gifts": BUYER,
        "GET /v1/gifts": BUYER,
        f"GET {_GIVEN}": BUYER,
        f"POST {_GIVEN}/claim": BUYER,
        f"POST {_GIVEN}/acceptance": BUYER,
        f"POST {_GIVEN}/decline": BUYER,
        f"POST {_GIVEN}/withdrawal": BUYER,
        f"POST {_GIVEN}/replacement": BUYER,
        f"DELETE {_GIVEN}/contact": BUYER | OPERATOR,
        f"POST {_TICKET}/listings": BUYER,
        "GET /v1/listings": BUYER,
        f"GET {_LISTING}": BUYER,
        f"PUT {_LISTING}/price": BUYER,
        f"DELETE {_LISTING}": BUYER,
        f"POST {_LISTING}/purchase": BUYER,
        "POST /v1/sales": BUYER,
        "GET /v1/sales": BUYER,
        f"GET {_SALE}": BUYER | READS_ALL,
        f"POST {_SALE}/check": BUYER | OPERATOR,
        f"DELETE {_SALE}": BUYER | OPERATOR,
        f"POST {_SALE}/payout": OPERATOR,
        "GET /v1/me/payouts": BUYER,
        "GET /v1/mandates": ISSUER | SHOP,
        "PUT /v1/mandates/<uuid:seller_id>": ISSUER,
        "DELETE /v1/mandates/<uuid:seller_id>": ISSUER,
        "POST /v1/registered-sales": SHOP,
        "GET /v1/registered-sales": ISSUER | SHOP,
        f"GET {_REGISTERED}": ISSUER | SHOP | READS_ALL,
        f"POST {_REGISTERED}/cancellation": SHOP,
        "POST /v1/grants": ISSUER,
        "GET /v1/grants/<uuid:grant_id>": READS_TICKETS,
        "POST /v1/coupons": ISSUER,
        f"GET {_TICKET}/redemptions": READS_TICKETS | SHOP,
        f"POST {_TICKET}/redemptions/<uuid:session_id>/reversal": SHOP,
        "GET /v1/coupon-settlements": ISSUER | SHOP | READS_ALL,
        f"GET {_TICKET}/papers": READS_TICKETS,
        "POST /v1/papers/checks": AT_THE_DOOR,
        "POST /v1/papers/surrenders": DISPENSER | OPERATOR,
        "PUT /v1/papers/replacements/<uuid:job_id>": DISPENSER,
        "GET /v1/devices": KEEPS_DEVICES | AUDITOR,
        "GET /v1/terminals": KEEPS_DEVICES | AUDITOR,
        "GET /v1/dispensers": KEEPS_DEVICES | AUDITOR,
        "GET /v1/points-of-sale": KEEPS_DEVICES | AUDITOR,
        f"GET {_DEVICE}": READS_DEVICES,
        f"PUT {_DEVICE}/rights": KEEPS_DEVICES,
        # An operator brings in what a machine that was revoked has kept.
        "POST /v1/dispensers/<uuid:device_id>/facts": DISPENSER | OPERATOR,
        "GET /v1/dispensers/<uuid:device_id>/facts": DISPENSER | READS_ALL,
        "POST /v1/points-of-sale/<uuid:device_id>/facts": SHOP | OPERATOR,
        "GET /v1/points-of-sale/<uuid:device_id>/facts": SHOP | READS_ALL,
        "GET /v1/deny-list": AT_THE_MACHINE | READS_ALL,
        "POST /v1/devices": OWN_DEVICES,
        "DELETE /v1/devices/<uuid:device_id>": OWN_DEVICES,
        "POST /v1/devices/<uuid:device_id>/keys": KEYS,
        "GET /v1/media": HOLDS_MEDIA | AUDITOR,
        f"GET {_MEDIUM}/history": HOLDS_MEDIA | AUDITOR,
        f"GET {_MEDIUM}/taps": READS_ALL,
        f"POST {_MEDIUM}/personalisation": PERSONALISER,
        f"PUT {_MEDIUM}": PERSONALISER,
        f"GET {_MEDIUM}": READS_MEDIA,
        f"POST {_MEDIUM}/authentications": AT_TERMINAL,
        f"POST {_MEDIUM}/authentications/answer": AT_TERMINAL,
        f"POST {_MEDIUM}/loss": HOLDS_MEDIA,
        f"DELETE {_MEDIUM}/loss": HOLDS_MEDIA,
        f"POST {_MEDIUM}/block": HOLDS_MEDIA,
        f"POST {_MEDIUM}/replacement": HOLDS_MEDIA,
        f"POST {_MEDIUM}/return": HOLDS_MEDIA,
        f"POST {_MEDIUM}/clearance": OPERATOR,
        "POST /v1/taps": TAPS,
        f"POST {_MEDIUM}/writes": AT_TERMINAL,
        f"PUT {_MEDIUM}/writes/<uuid:write_id>": AT_TERMINAL,
        f"POST {_TICKET}/dispenses": DISPENSER,
        f"PUT {_DISPENSE}/mark": DISPENSER,
        f"PUT {_DISPENSE}/printed": DISPENSER,
        f"PUT {_DISPENSE}/aborted": DISPENSER,
        "GET /v1/cases": READS_CASES,
        "POST /v1/cases": DISPUTES,
        f"GET {_CASE}": READS_CASES,
        f"POST {_CASE}/evidence": DISPUTES,
        f"GET {_CASE}/evidence/<uuid:evidence_id>": READS_CASES,
        f"POST {_CASE}/unused-papers": OPERATOR,
        f"POST {_CASE}/review": OPERATOR,
        f"POST {_CASE}/decision": OPERATOR,
        f"POST {_CASE}/appeal": DISPUTES,
        f"GET {_CASE}/plan": READS_ALL,
        f"POST {_CASE}/execution": OPERATOR,
        f"POST {_CASE}/closure": OPERATOR,
        f"POST {_CASE}/withdrawal": DISPUTES,
        f"POST {_CASE}/merger": OPERATOR,
        f"POST {_TICKET}/redemptions": SHOP,
        f"POST {_MEDIUM}/purse/top-ups": PERSONALISER,
        f"PUT {_MEDIUM}/purse/top-ups/<uuid:top_up_id>": PERSONALISER,
        f"PUT {_MEDIUM}/purse/debits/<uuid:payment_id>": SHOP,
        f"PUT {_TICKET}/redemptions/<uuid:session_id>": SHOP,
    }
)


class WrongToken(Denied):
    code = "role_missing"
    says = "This needs a token that speaks for a {what}."


class Guard:
    """Stands before every route; what it found out is asked of it behind."""

    def __init__(self, tokens: TokenStore, sessions: Sessions, clock: Clock) -> None:
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock

    def install(self, app: Flask) -> None:
        app.before_request(self._check)

    def _check(self) -> None:
        if request.url_rule is None:
            return  # No such route: the framework says so.
        method = "GET" if request.method == "HEAD" else request.method
        who = ACCESS[f"{method} {request.url_rule.rule}"]
        if not who:
            return
        principal = self._principal()
        if not principal.roles & who:
            raise RoleMissing(roles=", ".join(sorted(who)))
        g.principal = principal

    def _principal(self) -> Principal:
        session = None
        if "Authorization" not in request.headers:
            session = session_cookie.read()
        return self._of_token() if session is None else self._of_session(session)

    def _of_session(self, session: str) -> Principal:
        found = self._sessions.find(session, at=self._clock.now())
        if found is None:
            raise Unauthenticated
        session_cookie.require_token(session)
        g.session, g.session_until = session, found.expires_at
        return found.principal

    def _of_token(self) -> Principal:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        principal = self._tokens.find(token.strip(), at=self._clock.now())
        if principal is None:
            raise Unauthenticated
        return principal


def principal() -> Principal:
    """Return whom this request speaks for."""
    found: Principal = g.principal
    return found


def party() -> UUID:
    """Return the party this request speaks for, or refuse a device's own token."""
    found = principal().party_id
    if found is None:
        raise WrongToken(what="party")
    return found


def device() -> UUID:
    """Return the device this request comes from, or refuse a person's token."""
    found = principal().device_id
    if found is None:
        raise WrongToken(what="device")
    return found


def has(role: Role) -> bool:
    return role in principal().roles


def terms() -> CommitTerms:
    """Return what this request wants of its commits; its headers fill it in."""
    found: CommitTerms = g.setdefault("terms", CommitTerms())
    return found


def cause(*, device_time: str | None = None) -> Cause:
    """Return who and what is recorded with the events of this request."""
    who = principal()
    return Cause(
        actor=str(who.party_id or who.device_id),
        credential=who.credential,
        device=str(who.device_id) if who.device_id else None,
        command=g.request_id,
        correlation=g.get("trace"),
        device_time=device_time,
        terms=terms(),
    )
