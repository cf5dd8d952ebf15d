"""What most commands begin with: an installation, ready to be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.adapters.roles import DatabaseRole
from ledger.bootstrap import Installation, database, open_installation
from ledger.settings import Settings

__all__ = ["database", "opened"]


@contextmanager
def opened(role: DatabaseRole | None = DatabaseRole.APP) -> Iterator[Installation]:
    """Open the installation that the environment names, making it if it is new."""
    with open_installation(Settings.load(), role=role) as installation:
        yield installation
