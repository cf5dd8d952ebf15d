"""An empty schema's settings, for clients to open by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.settings import Settings
from tests.databases import Database


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database.server_url,
        home=tmp_path,
        schema=database.schema,
        pool_size=3,
    )
