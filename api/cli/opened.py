"""What most commands begin with: an installation, ready to be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import PersistenceError

from ledger.adapters.roles import DatabaseRole, speaking_as
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
    role = DatabaseRole.AUDITOR
    with database(settings) as url:
        its = environment(speaking_as(url, settings.schema, role), settings.schema, 1)
        ledger = Ledger(its)
        try:
            ledger.recorder.size()
        except PersistenceError as error:
            ledger.close()
            raise InstallationError(
                f"The log {settings.schema} cannot be read: {_sentence(error)}."
                " `ledgerctl init` makes a log and its auditor's role."
            ) from None
        try:
            yield ledger
        finally:
            ledger.close()


def _sentence(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].rstrip(".")
