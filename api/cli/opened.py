"""What most commands begin with: an installation, ready to be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import PersistenceError

from ledger.adapters.roles import DatabaseRole, RolesError, login_of, speaking_as
from ledger.application import Ledger
from ledger.bootstrap import (
    Installation,
    InstallationError,
    database,
    open_installation,
)
from ledger.log.recorder import environment
from ledger.settings import Settings

__all__ = ["database", "opened", "read_log"]


@contextmanager
def opened(role: DatabaseRole | None = DatabaseRole.APP) -> Iterator[Installation]:
    """Open the installation that the environment names, making it if it is new."""
    with open_installation(Settings.load(), role=role) as installation:
        yield installation


@contextmanager
def read_log() -> Iterator[Ledger]:
    """Open the log with an auditor's rights: neither keys nor migrations are needed.

    Raises `InstallationError` if there is no log that this login may read so.
    """
    settings = Settings.load()
    with database(settings) as url:
        url = speaking_as(url, settings.schema, DatabaseRole.AUDITOR)
        try:
            login_of(url)  # A pool would wait for a database that is not there.
            ledger = Ledger(environment(url, settings.schema, 1))
            ledger.recorder.size()
        except (PersistenceError, RolesError) as error:
            said = str(error.__cause__ or error).strip().splitlines()[0]
            raise InstallationError(
                f"The log {settings.schema} cannot be read as its auditor: {said}."
                " `ledgerctl init` makes a log and its roles."
            ) from None
        try:
            yield ledger
        finally:
            ledger.close()
