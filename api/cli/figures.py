"""`/metrics` for Prometheus, on a port of its own, answered by the supervisor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector

from api.cli.gauges import Gauges
from ledger.bootstrap import Installation

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where processes count together; the library reads it when it is imported."""


@contextmanager
def shown(
    installation: Installation, folder: str, *, host: str, port: int
) -> Iterator[int]:
    """Answer `GET /metrics` within; yield the port, a free one for 0.

    Raises OSError if the port cannot be had.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
    registry.register(Gauges(installation))
    server, thread = start_http_server(port, addr=host, registry=registry)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
