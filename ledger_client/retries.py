"""Asking again: what may be repeated, how often, and after how long.

    asked ─┬─ answered ───────────────────────────────► done
           ├─ no answer, or 429, 502, 503, 504,
           │  or 409 `in_flight` with Retry-After ──► wait, ask the very same again
           └─ any other refusal ──────────────────────► refused

Waiting is exponential with full jitter: a random part of a span that doubles, so that
many clients which lost one server do not come back together.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from ledger_client.problems import ClientError, Problem, Unreachable

TRIES_MAX = 4
BASE_S = 0.2
SPAN_MAX_S = 5.0
WAIT_MAX_S = 60.0
"""A server that wants to be left alone for longer is told to the caller."""

PASSING = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
IN_FLIGHT = "in_flight"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How something is asked again. `chance` gives a number from 0.0 up to 1.0."""

    tries_max: int = TRIES_MAX
    base_s: float = BASE_S
    span_max_s: float = SPAN_MAX_S
    wait_max_s: float = WAIT_MAX_S
    statuses: frozenset[int] = PASSING
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = secrets.SystemRandom().random

    def carry_out(self, ask: Callable[[], _T]) -> _T:
        """Ask until there is an answer or a refusal that stays.

        Raises `Problem` or `Unreachable`: the last one, when all tries are used up.
        """
        for tried in range(1, self.tries_max):
            try:
                return ask()
            except (Problem, Unreachable) as failed:
                if not self._passes(failed):
                    raise
                wait_s = self._wait_s(failed, tried)
                if wait_s > self.wait_max_s:
                    raise
            self.sleep(wait_s)
        return ask()

    def _passes(self, failed: ClientError) -> bool:
        if not isinstance(failed, Problem):
            return True
        if failed.status == HTTPStatus.CONFLICT:
            return failed.code == IN_FLIGHT and failed.retry_after_s is not None
        return failed.status in self.statuses

    def _wait_s(self, failed: ClientError, tried: int) -> float:
        """Wait as long as was asked for, and a random part of the span on top."""
        span_s = min(self.span_max_s, self.base_s * 2.0 ** (tried - 1))
        return (failed.retry_after_s or 0) + span_s * self.chance()


ONCE = Retries(tries_max=1)
"""Ask once: for what nobody may repeat."""
