"""The web application: every route, behind one guard, with one way of refusing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, cast

from flask import Flask, Response, g, request
from werkzeug.exceptions import NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from api import advice, conditions, metrics, problems, tracing
from api.auth import Guard
from api.idempotency import Idempotency
from api.lane import Lane
from api.limits import Limits, Rate
from api.log_lines import make_log
from api.oauth import authorization, endpoints, refusals, sign_in_page
from api.oauth.assertions import Assertions
from api.oauth.code_grants import (
    AUTHORIZATION_CODE,
    REFRESH_TOKEN,
    authorization_code,
    refresh_token,
)
from api.oauth.grants import CLIENT_CREDENTIALS, Grant, client_credentials
from api.openapi.document import Document
from api.positions import Waiting
from api.receipts import Receipts, heard
from api.request_log import RequestLog, trace_of
from api.v1 import (
    accounts,
    authentications,
    card_purses,
    case_decisions,
    cases,
    catalogue,
    clients,
    consents,
    coupons,
    deny_list,
    devices,
    dispenses,
    exchanges,
    gift_answers,
    gift_offers,
    gifts,
    grants,
    health,
    issuer_keys,
    listings,
    log,
    lost_media,
    machines,
    mandates,
    market,
    media,
    media_records,
    modification_requests,
    notices,
    offering_changes,
    offline,
    oidc,
    order_lists,
    orders,
    papers,
    parties,
    payments,
    payouts,
    people,
    projections,
    purses,
    redemptions,
    refunds,
    registered_sales,
    sales,
    sessions,
    signing_keys,
    stock,
    subjects,
    taps,
    tickets,
    tlog,
    webhooks,
)
from ledger.adapters.evidence import EvidenceStore
from ledger.adapters.oidc import OpenIdProvider, Registered
from ledger.bootstrap import Installation, verifiers_of
from ledger.clock import new_id
from ledger.projections.gate import Gate
from ledger.projections.runner import Runner
from ledger.usecases.signing_in_elsewhere import Elsewhere

BODY_MAX = 64 * 1024
LONG_BODY_MAX = 4 * 1024 * 1024
# A stadium has many places, evidence may be a picture, and a night without the line
# was long.
LONG_BODIES = frozenset(
    {
        "/v1/offerings",
        "/v1/offerings/<uuid:offering_id>/places",
        "/v1/cases/<uuid:case_id>/evidence",
        "/v1/dispensers/<uuid:device_id>/facts",
        "/v1/points-of-sale/<uuid:device_id>/facts",
    }
)


def create_app(installation: Installation) -> Flask:
    """Make the application of one installation, which stays its caller's to close."""
    app = Flask("eticket-ledger", static_folder=None)
    app.config |= {
        "MAX_CONTENT_LENGTH": BODY_MAX,
        "PROVIDE_AUTOMATIC_OPTIONS": False,
    }
    app.url_map.strict_slashes = True
    app.url_map.merge_slashes = False
    log_to = make_log(installation.settings.log_level)
    requests = RequestLog(log_to)
    _log_requests(app, requests)
    problems.install(app, log_to)
    refusals.install(app)
    _guard(app, installation, requests)
    conditions.install(app)
    _receipts(installation).install(app)
    Idempotency(
        installation.answers, installation.ledger.recorder, installation.clock
    ).install(app)
    installation.ledger.hear(heard)
    installation.ledger.recorder.on_append = _appended
    _serve_document(app, _routes(app, installation))
    return app


def describe() -> dict[str, Any]:
    """Return the OpenAPI document; it needs no installation behind the routes."""
    app = Flask("eticket-ledger", static_folder=None)
    return _routes(app, cast("Installation", _Nothing())).as_dict()


class _Nothing:
    """Stands where the parts of an installation would, for routes nobody calls."""

    def __getattr__(self, _: str) -> _Nothing:
        return self


def _routes(app: Flask, its: Installation) -> Document:
    document = Document(app)
    origin, views = its.origin, its.views
    runner = Runner(its.ledger)
    waiting = Waiting(runner.wait_for)
    for blueprint in (
        health.blueprint(its.ledger),
        parties.blueprint(its.ledger, its.personal, its.tokens, its.clock),
        endpoints.blueprint(
            its.tokens,
            its.consents,
            _grants(its),
            its.clock,
            base_url=its.settings.base_url,
        ),
        authorization.blueprint(
            its.clients, its.consents, its.clock, base_url=its.settings.base_url
        ),
        sign_in_page.blueprint(
            its.clients,
            its.people,
            its.clock,
            has_provider=its.settings.oidc_issuer is not None,
        ),
        clients.blueprint(its.ledger, its.clients, its.clock),
        consents.blueprint(its.ledger, its.consents, its.clock),
        signing_keys.blueprint(its.ledger, its.signing_keys, its.tokens, its.clock),
        people.blueprint(its.ledger, its.people, its.clock),
        sessions.blueprint(its.ledger, its.people, its.clock),
        oidc.blueprint(its.ledger, _elsewhere(its), its.clock),
        subjects.blueprint(its.ledger, its.personal, its.traces, its.clock),
        accounts.blueprint(its.ledger, views.accounts, waiting, its.clock),
        purses.blueprint(its.ledger, views.accounts, views.entries, waiting, its.clock),
        catalogue.blueprint(its.ledger, its.desk, views.offerings, waiting, its.clock),
        stock.blueprint(its.ledger, its.desk, its.clock),
        offering_changes.blueprint(its.ledger, its.clock),
        order_lists.blueprint(its.ledger, views.orders, waiting, its.clock),
        orders.blueprint(its.ledger, its.desk, its.provider, its.personal, its.clock),
        payments.blueprint(its.ledger, its.desk, its.provider, its.clock),
        tickets.blueprint(
            its.ledger,
            its.personal,
            its.secrets,
            views.wallet,
            views.ownership,
            waiting,
            its.clock,
            origin=origin,
        ),
        modification_requests.blueprint(its.ledger, its.clock),
        refunds.blueprint(its.ledger, its.desk, its.clock),
        exchanges.blueprint(its.ledger, its.desk, its.personal, its.clock),
        gift_offers.blueprint(its.ledger, its.personal, its.clock),
        gifts.blueprint(its.ledger, its.personal, views.gifts, waiting, its.clock),
        gift_answers.blueprint(its.ledger, its.personal, its.clock),
        listings.blueprint(its.ledger, its.personal, its.clock),
        market.blueprint(views.market, waiting, its.clock),
        sales.blueprint(
            its.ledger, its.provider, its.personal, views.sales, waiting, its.clock
        ),
        payouts.blueprint(views.sales, waiting),
        mandates.blueprint(its.ledger, views.elsewhere, waiting, its.clock),
        registered_sales.blueprint(
            its.ledger, its.desk, its.personal, views.elsewhere, waiting, its.clock
        ),
        grants.blueprint(its.ledger, its.desk, its.personal, its.clock),
        coupons.blueprint(its.ledger, views.redemptions, waiting, its.clock),
        papers.blueprint(its.ledger, its.secrets, its.clock, origin=origin),
        notices.blueprint(views.notices, waiting),
        webhooks.blueprint(
            its.ledger,
            its.subscriptions,
            its.clock,
            loopback=its.settings.webhooks_loopback,
        ),
        cases.blueprint(
            its.ledger,
            its.personal,
            EvidenceStore(its.datastore, its.personal),
            views.cases,
            waiting,
            its.clock,
        ),
        case_decisions.blueprint(its.ledger, its.desk, its.personal, its.clock),
        devices.blueprint(
            its.ledger, its.cards, its.secrets, its.tokens, its.clock, origin=origin
        ),
        media.blueprint(
            its.ledger, its.cards, its.personal, its.secrets, its.clock, origin=origin
        ),
        machines.blueprint(its.ledger, views.devices, waiting, its.clock),
        offline.blueprint(its.ledger, views.devices, waiting, its.clock),
        deny_list.blueprint(views.media, waiting),
        media_records.blueprint(its.ledger, views.media, waiting),
        lost_media.blueprint(its.ledger, its.clock),
        authentications.blueprint(its.ledger, its.cards, its.clock),
        taps.blueprint(its.ledger, views.freshness, views.wallet, waiting, its.clock),
        dispenses.blueprint(
            its.ledger, its.cards, its.secrets, its.clock, origin=origin
        ),
        card_purses.blueprint(its.ledger, its.cards, its.clock),
        redemptions.blueprint(its.ledger, its.cards, its.clock, origin=origin),
        issuer_keys.blueprint(
            its.secrets, lambda: verifiers_of(origin, its.log_keys), origin=origin
        ),
        projections.blueprint(runner, its.clock),
        log.blueprint(its.ledger, its.proofs, its.policy, _receipts(its)),
        tlog.blueprint(its.proofs, its.policy),
    ):
        document.register_blueprint(blueprint)
    return document


def _guard(app: Flask, its: Installation, requests: RequestLog) -> None:
    """Limits stand on both sides of who may come in."""
    says = its.settings
    limits = Limits(
        principals=Rate(says.rate, says.rate_burst),
        addresses=Rate(says.address_rate, says.address_burst),
    )
    gate = Gate(its.datastore)
    app.wsgi_app = Lane(app.wsgi_app, gate, limits, requests, its.clock)  # type: ignore[method-assign]
    if says.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=says.proxies, x_proto=says.proxies)  # type: ignore[method-assign]
    app.before_request(limits.before_guard)
    Guard(its.tokens, its.people.sessions, its.clock).install(app)
    app.before_request(limits.after_guard)
    app.after_request(limits.after_answer)


def _grants(its: Installation) -> Mapping[str, Grant]:
    base_url = its.settings.base_url
    audiences = frozenset({base_url, f"{base_url}{endpoints.TOKEN}", its.origin})
    assertions = Assertions(its.signing_keys, its.clock, audiences)
    return {
        CLIENT_CREDENTIALS: client_credentials(its.ledger, assertions),
        AUTHORIZATION_CODE: authorization_code(its.consents, its.clock),
        REFRESH_TOKEN: refresh_token(its.consents, its.clock),
    }


def _elsewhere(its: Installation) -> Elsewhere:
    """Return how people sign in at a provider, if the settings name one."""
    says, provider = its.settings, None
    if says.oidc_issuer and says.oidc_client_id:
        registered = Registered(
            issuer=says.oidc_issuer,
            client_id=says.oidc_client_id,
            client_secret=says.oidc_client_secret,
            redirect_uri=f"{says.base_url}/v1/oidc/callback",
            hosts=says.oidc_hosts,
        )
        provider = OpenIdProvider(registered)
    return Elsewhere(links=its.links, sessions=its.people.sessions, provider=provider)


def _appended(seconds: float) -> None:
    metrics.appended(seconds)
    tracing.appended(seconds)


def _receipts(its: Installation) -> Receipts:
    return Receipts(its.proofs, its.receipt_signer, its.clock, origin=its.origin)


def _serve_document(app: Flask, document: Document) -> None:
    app.extensions["document"] = document

    @app.get("/v1/openapi.json")
    def openapi() -> Response:
        return Response(json.dumps(document.as_dict()), mimetype="application/json")

    @app.get("/v1/docs")
    def docs() -> str:
        return document.as_page()

    @app.get("/problems/<code>")
    def about_problem(code: str) -> str:
        try:
            return advice.as_page(code)
        except KeyError:
            raise NotFound from None


def _log_requests(app: Flask, log_to: RequestLog) -> None:
    """Number each request, and log what became of it."""

    @app.before_request
    def begin() -> None:
        g.request_id = str(new_id())
        g.trace = trace_of(request.headers.get("traceparent", ""))
        g.started = time.perf_counter()
        if request.url_rule is not None and request.url_rule.rule in LONG_BODIES:
            request.max_content_length = LONG_BODY_MAX

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers["Request-Id"] = g.request_id
        answer.headers.setdefault("Cache-Control", "no-store")
        answer.headers["X-Content-Type-Options"] = "nosniff"
        log_to.answered(
            request_id=g.request_id,
            trace=g.trace,
            method=request.method,
            route=request.url_rule.rule if request.url_rule else None,
            status=answer.status_code,
            code=g.get("code"),
            began=g.started,
        )
        return answer
