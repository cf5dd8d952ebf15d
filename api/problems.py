"""How a refusal leaves: `application/problem+json` (RFC 9457) with our codes.

Every answer that is no success has this form, also those that the web framework
makes by itself (no such route, a body too long) and those that are bugs of ours.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import Flask, Response, g, request
from structlog.stdlib import BoundLogger
from werkzeug.exceptions import HTTPException

from api.advice import DO, title_of
from api.limits import TooMany
from ledger.adapters.attempts import SlowDown
from ledger.adapters.oidc import ProviderDown
from ledger.application import VersionStale
from ledger.errors import Conflict, Denied, Malformed, Missing, Refusal
from ledger.log.patience import DATABASE_LOST, took_too_long

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1
RETRY_AFTER = "retry_after_s"
"""The fact of a refusal that says when to ask again."""

STATUS_BY_KIND: Mapping[type[Refusal], HTTPStatus] = {
    Missing: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Denied: HTTPStatus.FORBIDDEN,
    Malformed: HTTPStatus.UNPROCESSABLE_ENTITY,
}

# What the framework refuses: a code and a sentence of ours for each status.
FRAMEWORK: Mapping[int, tuple[str, str]] = {
    400: ("malformed_request", "The request is not valid HTTP for this server."),
    404: ("unknown", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know this method."),
    406: ("not_acceptable", "The answer cannot be given in the format asked for."),
    408: ("timeout", "The request took too long to arrive."),
    413: ("too_long", "The body is longer than this server accepts."),
    414: ("too_long", "The address is longer than this server accepts."),
    415: ("unsupported_media_type", "A body is sent as application/json."),
    500: ("internal_error", "Something went wrong here; nothing more was done."),
}


class Unauthenticated(Exception):
    """No token, or none that opens anything: said in one way for all reasons."""


class MalformedJson(Malformed):
    code = "malformed_json"
    says = "The body is not JSON: {why}."


class BadFields(Malformed):
    code = "malformed"
    says = "{says}"


class ProjectionBehind(Exception):
    """A read asked for a position that its view has not reached in time."""

    def __init__(self, *, wanted: int, reached: int) -> None:
        super().__init__(f"The view is at position {reached}, not yet at {wanted}.")
        self.wanted = wanted
        self.reached = reached


# Those that HTTP has a status of its own for.
STATUS_OF: Mapping[type[Refusal], HTTPStatus] = {
    MalformedJson: HTTPStatus.BAD_REQUEST,
    VersionStale: HTTPStatus.PRECONDITION_FAILED,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    SlowDown: HTTPStatus.TOO_MANY_REQUESTS,
    ProviderDown: HTTPStatus.SERVICE_UNAVAILABLE,
}


def install(app: Flask, log: BoundLogger) -> None:
    """Make every error of `app` leave as a problem."""
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(Unauthenticated, _unauthenticated)
    app.register_error_handler(ProjectionBehind, _behind)
    app.register_error_handler(HTTPException, framework)
    for lost in DATABASE_LOST:
        app.register_error_handler(lost, _unavailable)

    @app.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        log.error("bug", request=g.get("request_id"), exc_info=error)
        return _of_framework(HTTPStatus.INTERNAL_SERVER_ERROR)


def refused(refusal: Refusal) -> Response:
    status = next(s for kind, s in STATUS_BY_KIND.items() if isinstance(refusal, kind))
    status = STATUS_OF.get(type(refusal), status)
    facts = {
        name: value if isinstance(value, int) else str(value)
        for name, value in refusal.facts.items()
        if name != "says"
    }
    answer = problem(
        status,
        refusal.code,
        detail=str(refusal),
        facts=facts,
        because=refusal.because,
    )
    if RETRY_AFTER in facts:
        answer.headers["Retry-After"] = str(facts[RETRY_AFTER])
    return answer


def framework(error: HTTPException) -> Response:
    """Answer for the framework. A redirect is none: no route of ours makes one."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    answer = _of_framework(status)
    for name, value in error.get_headers(request.environ):
        if name in {"Allow", "Retry-After"}:
            answer.headers[name] = value
    return answer


def problem(
    status: HTTPStatus,
    code: str,
    *,
    detail: str,
    facts: Mapping[str, object] | None = None,
    because: Sequence[str] = (),
) -> Response:
    """Make one problem document; its members are those of `ProblemOut`."""
    g.code = code
    body = {
        "type": f"/problems/{code}",
        "title": title_of(code),
        "status": status.value,
        "detail": detail,
        "code": code,
        "facts": dict(facts or {}),
        "because": list(because),
        "do": DO.get(code, ""),
    }
    return Response(json.dumps(body), status, mimetype=MEDIA_TYPE)


def _unauthenticated(_: Unauthenticated) -> Response:
    answer = problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        detail="This needs a bearer token that is valid now.",
    )
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _unavailable(error: Exception) -> Response:
    code, detail = (
        ("took_too_long", "The database took longer over this than is allowed here.")
        if took_too_long(error)
        else ("unavailable", "The database cannot be reached just now.")
    )
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, code, detail=detail)
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def _behind(behind: ProjectionBehind) -> Response:
    answer = problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "projection_behind",
        detail=str(behind),
        facts={"wanted": behind.wanted, "reached": behind.reached},
    )
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


def _of_framework(status: HTTPStatus) -> Response:
    code, detail = FRAMEWORK.get(status, (status.name.lower(), status.description))
    return problem(status, code, detail=detail or status.phrase)
