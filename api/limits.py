"""How much one caller may ask: a rate for each principal and for each address.

The generic cell rate algorithm (ITU-T I.371 annex A): of each caller one number is
kept, the time at which his bucket will be empty again. Every process keeps its own, so
a server with n workers lets through up to n times the rate; what is behind a balancer
that spreads over machines, the balancer limits. Nothing is asked of the database.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from threading import Lock

from flask import Response, g, request

from ledger.errors import Denied

NS = 1_000_000_000
CALLERS_MAX = 100_000
"""So many are remembered; the one that was silent longest is forgotten first."""

GUESS_COST = 10
"""What a token that opens nothing costs its address, in requests."""

HOUSE_PREFIX_BITS = 64

# What watches the server must see it when it is busiest.
_EXEMPT = "/health/"


class TooMany(Denied):
    code = "too_many_requests"
    says = "These are too many requests; ask again in {retry_after_s} seconds."


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests a second on the average, and so many at once."""

    per_s: int
    burst: int


class Limiter:
    """Remembers callers, a bounded number of them."""

    def __init__(self, rate: Rate, now: Callable[[], int] = time.monotonic_ns) -> None:
        """`now` tells nanoseconds from any beginning; it never goes back."""
        self._interval = NS // rate.per_s
        self._tolerance = rate.burst * self._interval
        self._now = now
        self._empty_at: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def wait(self, caller: str) -> float:
        """Return in how many seconds the caller may ask once more; 0: now."""
        with self._lock:
            now = self._now()
            empty_at = max(self._empty_at.get(caller, now), now)
            return max(0, empty_at + self._interval - self._tolerance - now) / NS

    def charge(self, caller: str, cost: int = 1) -> None:
        """Count so many requests, also beyond what the caller may."""
        with self._lock:
            now = self._now()
            empty_at = max(self._empty_at.pop(caller, now), now)
            self._empty_at[caller] = empty_at + cost * self._interval
            if len(self._empty_at) > CALLERS_MAX:
                self._empty_at.popitem(last=False)


class Limits:
    """Stands around the guard: an address is looked at before it, a principal after.

    Whoever has a token is counted by it alone; without one, or with one that opens
    nothing, the address pays, and dearly for the latter: guessing is slow.
    """

    def __init__(self, *, principals: Rate, addresses: Rate) -> None:
        self._principals = Limiter(principals)
        self._addresses = Limiter(addresses)

    def before_guard(self) -> None:
        if request.path.startswith(_EXEMPT):
            return
        address = address_of(request.remote_addr)
        _require(self._addresses.wait(address))
        if "Authorization" not in request.headers:
            self._addresses.charge(address)

    def after_guard(self) -> None:
        who = g.get("principal")
        if who is not None:
            name = str(who.party_id or who.device_id)
            _require(self._principals.wait(name))
            self._principals.charge(name)

    def after_answer(self, answer: Response) -> Response:
        guessed = "Authorization" in request.headers
        if guessed and answer.status_code == HTTPStatus.UNAUTHORIZED:
            self._addresses.charge(address_of(request.remote_addr), GUESS_COST)
        return answer

    def hear(self, address: str) -> bool:
        """Whether an address may ask; nothing is counted."""
        return not self._addresses.wait(address)

    def admit(self, principal: str) -> bool:
        """Count a principal's request, if he may make it now; else count nothing."""
        if self._principals.wait(principal):
            return False
        self._principals.charge(principal)
        return True


def address_of(remote: str | None) -> str:
    """Return a caller's address; of IPv6 the network, for a house has one of them."""
    said = remote or ""
    try:
        address = ip_address(said)
    except ValueError:
        return said
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((address, HOUSE_PREFIX_BITS), strict=False))
    return said


def _require(wait_s: float) -> None:
    if wait_s > 0:
        raise TooMany(retry_after_s=math.ceil(wait_s))
