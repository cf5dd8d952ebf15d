"""A real installation, its command line, and a story in its log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from api.cli import main
from ledger.bootstrap import Installation, open_installation
from ledger.settings import Settings
from tests.databases import Database
from tests.operation.logs import settings_of

Ledgerctl: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return settings_of(database, tmp_path / "home")


@pytest.fixture
def ledgerctl(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    settings: Settings,
) -> Ledgerctl:
    """Run `ledgerctl` in this process; return its exit code, output and errors."""
    for name in ("database_url", "schema", "home", "origin"):
        monkeypatch.setenv(f"LEDGER_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["ledgerctl", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def its(settings: Settings) -> Iterator[Installation]:
    with open_installation(settings) as opened:
        yield opened
