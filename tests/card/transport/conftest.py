"""A PC/SC service for the tests that need one; without it they are left out by name.

Where CI=true they are never left out: they fail instead.
"""

import os
from collections.abc import Iterator

import pytest

from card_bridge.transport.daemon import PrivateDaemon, installed


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Deselect what needs pcscd where it is not installed, and say so."""
    if installed() is not None or os.environ.get("CI") == "true":
        return
    needing = [item for item in items if "daemon" in getattr(item, "fixturenames", ())]
    if needing:
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            names = "pcscd and vsmartcard-vpcd"
            reporter.write_line(f"Left out: {len(needing)} tests that need {names}.")


@pytest.fixture(scope="session")
def daemon() -> Iterator[PrivateDaemon]:
    """One for all: libpcsclite looks for its service once in a process."""
    with PrivateDaemon() as running:
        yield running
