"""The cookie of a page's session, and whether a request comes from a page of ours.

A browser sends the cookie along with whatever any page makes it send. So what changes
something must carry, in a header that only a page of this server can set, a token made
from the session; and a browser that says where the request comes from must not say
elsewhere (OWASP CSRF Prevention Cheat Sheet; RFC 6265bis for the `__Host-` prefix).
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime

from flask import Response, request

from ledger.adapters.sessions import csrf_token
from ledger.errors import Denied

COOKIE = "__Host-session"
LOOPBACK_COOKIE = "session"
"""For development: browsers take no `__Host-` cookie by plain http."""

DEPARTURE = "__Host-departure"
LOOPBACK_DEPARTURE = "departure"
"""Of a browser that signs in at a provider: what binds its return to it."""

TOKEN_HEADER = "CSRF-Token"  # noqa: S105, a header's name
TOKEN_FIELD = "csrf_token"  # noqa: S105, a field's name
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LOOPBACK_ADDRESSES = frozenset({"127.0.0.1", "::1"})
_PORT = re.compile(r":[0-9]+\Z")
_FROM_HERE = frozenset({"same-origin", "none"})  # None: a person's own doing.


class FromElsewhere(Denied):
    code = "from_elsewhere"
    says = (
        "This was not sent by a page of this server, or without its token in"
        f" {TOKEN_HEADER}."
    )


def read() -> str | None:
    """Return the session that came with this request."""
    return request.cookies.get(_name())


def put(answer: Response, session: str, *, until: datetime) -> None:
    """Give the session to the browser, out of reach of scripts and other sites."""
    answer.set_cookie(
        _name(),
        session,
        expires=until,
        path="/",
        secure=_name() == COOKIE,
        httponly=True,
        samesite="Lax",
    )


def take_away(answer: Response) -> None:
    """Have the browser forget the session."""
    answer.delete_cookie(
        _name(), path="/", secure=_name() == COOKIE, httponly=True, samesite="Lax"
    )


def read_departure() -> str:
    """Return what this browser left with for a provider; empty: it did not."""
    return request.cookies.get(_departure(), "")


def put_departure(answer: Response, secret: str, *, until: datetime) -> None:
    """Give a browser what it comes back with; `Lax`, for it comes from elsewhere."""
    answer.set_cookie(
        _departure(),
        secret,
        expires=until,
        path="/",
        secure=_departure() == DEPARTURE,
        httponly=True,
        samesite="Lax",
    )


def take_departure(answer: Response) -> None:
    answer.delete_cookie(
        _departure(),
        path="/",
        secure=_departure() == DEPARTURE,
        httponly=True,
        samesite="Lax",
    )


def require_page() -> None:
    """Refuse what a browser says another site's page has sent."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    here = request.host_url.rstrip("/")
    if site not in _FROM_HERE or request.headers.get("Origin", here) != here:
        raise FromElsewhere


def require_token(session: str) -> None:
    """Refuse what would change something and does not come from the session's page."""
    if request.method in _SAFE:
        return
    require_page()
    given = request.headers.get(TOKEN_HEADER, "")
    if not given and request.mimetype == "application/x-www-form-urlencoded":
        given = request.form.get(TOKEN_FIELD, "")  # Of a page without scripts.
    if not hmac.compare_digest(given.encode(), csrf_token(session).encode()):
        raise FromElsewhere


def _name() -> str:
    """Return the cookie's name; the plain one from this machine to itself alone."""
    return LOOPBACK_COOKIE if _alone() else COOKIE


def _departure() -> str:
    return LOOPBACK_DEPARTURE if _alone() else DEPARTURE


def _alone() -> bool:
    return (
        not request.is_secure
        and request.remote_addr in _LOOPBACK_ADDRESSES
        and _PORT.sub("", request.host) in _LOOPBACK_HOSTS
    )
