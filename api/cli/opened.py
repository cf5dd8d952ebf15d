"""What most commands begin with: an installation, ready to be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.adapters.embedded_postgres import EmbeddedPostgres
from ledger.bootstrap import Installation, open_installation
from ledger.settings import Settings


@contextmanager
def opened() -> Iterator[Installation]:
    """Open the installation that the environment names, making it if it is new."""
    with open_installation(Settings.load()) as installation:
        yield installation


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the database's address as it is, nothing brought up to date."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with EmbeddedPostgres(settings.postgres_home) as server:
        yield server.url
