"""What this process counts and times, for Prometheus.

    workers, jobs ── files in PROMETHEUS_MULTIPROC_DIR ──► `ledgerctl serve` adds up

Without that folder the figures are this process's own. Labels are of routes, codes and
verdicts, never of persons, tickets or cards: there are few of them, and none tells.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
NO_ROUTE = "none"
DONE = "done"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

_REQUESTS = Counter(
    "ledger_http_requests",
    "Requests answered, by method, route and status.",
    ("method", "route", "status"),
)
_REQUEST_SECONDS = Histogram(
    "ledger_http_request_seconds",
    "From a request's first line to its answer, by method and route.",
    ("method", "route"),
    buckets=SECONDS,
)
_COMMANDS = Counter(
    "ledger_commands",
    "Commands by what became of them: done, or the code of the refusal.",
    ("route", "outcome"),
)
_APPENDS = Histogram(
    "ledger_append_seconds",
    "Until the log had taken in what one command recorded.",
    buckets=SECONDS,
)
_VERDICTS = Counter(
    "ledger_verdicts", "Cards judged at machines and terminals.", ("verdict",)
)


def answered(
    *, method: str, route: str | None, status: int, code: str | None, seconds: float
) -> None:
    """A request was answered. `route` is the template, without ids."""
    named = route or NO_ROUTE
    _REQUESTS.labels(method, named, str(status)).inc()
    _REQUEST_SECONDS.labels(method, named).observe(seconds)
    if method not in _READS and route is not None:
        _COMMANDS.labels(f"{method} {route}", code or DONE).inc()


def appended(seconds: float) -> None:
    """The log took in one command's events."""
    _APPENDS.observe(seconds)


def judged(verdict: str) -> None:
    """A card was told its verdict."""
    _VERDICTS.labels(verdict).inc()
