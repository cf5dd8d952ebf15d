"""`make fuzz`: schemathesis asks a real server what nobody would think of.

    make fuzz ARGS="--max-examples 200 --seed 7"
    make fuzz ARGS="--include-path-regex /v1/orders"

Whatever is given goes to `schemathesis run`. The token opens every door: which door
opens to whom is tests/api/test_access.py's question.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from api.app import create_app
from ledger.adapters.embedded_postgres import EmbeddedPostgres
from ledger.bootstrap import Installation, open_installation
from ledger.settings import RATE_MAX, Settings
from ledger.vocabulary.codes import Role
from tests.api.callers import DAY_S, Callers
from tests.story.server import Server

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")


def main() -> int:
    return campaign(sys.argv[1:])


def campaign(arguments: Sequence[str]) -> int:
    """Return what schemathesis returns: 0 if nothing was found."""
    with tempfile.TemporaryDirectory(prefix="eticket-fuzz-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # To be reached by the user that root lends it to.
        with EmbeddedPostgres(folder / "postgres") as database:
            settings = Settings(
                database_url=database.url, home=folder / "ledger", log_level="error"
            )
            environ = {
                "LEDGER_DATABASE_URL": database.url,
                "LEDGER_LOG_LEVEL": "error",
                "LEDGER_RATE": str(RATE_MAX),
                "LEDGER_RATE_BURST": str(RATE_MAX),
                "LEDGER_ADDRESS_RATE": str(RATE_MAX),
                "LEDGER_ADDRESS_BURST": str(RATE_MAX),
            }
            with (
                open_installation(settings) as its,
                Server(settings.home, settings=environ) as server,
            ):
                return fuzz(server.url, token_of_all(its), folder, arguments)


def token_of_all(its: Installation) -> str:
    """Return a token of a party with a device, in every role."""
    callers = Callers(create_app(its).test_client(), its)
    device_id = callers.device("dispenser", Role.DISPENSER).device_id
    token, _ = its.tokens.issue(
        party_id=callers.ada.party_id,
        device_id=device_id,
        roles=Role,
        lifetime_s=DAY_S,
        at=its.clock.now(),
    )
    return token


def fuzz(url: str, token: str, folder: Path, arguments: Sequence[str]) -> int:
    """Run schemathesis with all checks; what it leaves behind is left in `folder`."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIG}"),
            *("run", f"{url}/v1/openapi.json", "--checks=all"),
            f"--header=Authorization: Bearer {token}",
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
