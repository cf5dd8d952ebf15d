"""A PC/SC service for the tests that need one; where none runs they are left out.

With CI=true they are never left out: they fail instead.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from card_bridge.transport.daemon import PrivateDaemon

TRIAL_TIMEOUT_S = 30
TRIAL = """
import sys
from card_bridge.transport.daemon import DaemonUnavailable, PrivateDaemon
try:
    with PrivateDaemon():
        pass
except DaemonUnavailable as reason:
    sys.exit(str(reason))
"""


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Deselect what needs pcscd where it does not run, and say why."""
    needing = [item for item in items if "daemon" in getattr(item, "fixturenames", ())]
    if not needing or os.environ.get("CI") == "true":
        return
    if reason := _why_not():
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"Left out: {len(needing)} PC/SC tests. {reason}")


@pytest.fixture(scope="session")
def daemon() -> Iterator[PrivateDaemon]:
    """One for all: libpcsclite looks for its service once in a process."""
    with PrivateDaemon() as running:
        yield running


def _why_not() -> str:
    """Try it in another process, for the same reason; empty if it runs here."""
    trial = subprocess.run(
        [sys.executable, "-c", TRIAL],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=TRIAL_TIMEOUT_S,
    )
    return trial.stderr.strip()
