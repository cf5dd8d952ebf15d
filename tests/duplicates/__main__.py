"""`make duplicates`: ten thousand commands, sent several times each to a real server.

    make duplicates ARGS="--seed 7 --commands 20000"

The server has worker processes of its own; the commands come over as many lines, mixed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import SystemRandom
from urllib.parse import urlsplit

from api.app import create_app
from ledger.adapters.embedded_postgres import EmbeddedPostgres
from ledger.bootstrap import open_installation
from ledger.settings import RATE_MAX, Settings
from tests.api.callers import Callers
from tests.duplicates.campaign import Result, over_http, run
from tests.story.server import Server

CALLERS = 8
WORKERS = 2
TOLD_MAX = 20


def main() -> int:
    """Print what was sent and what was wrong; return 0 if nothing was."""
    wanted = argparse.ArgumentParser(prog="make duplicates", description=__doc__)
    wanted.add_argument("--seed", default=str(SystemRandom().randrange(10**6)))
    wanted.add_argument("--commands", type=int, default=10_000)
    given = wanted.parse_args()
    with tempfile.TemporaryDirectory(prefix="eticket-duplicates-") as folder:
        Path(folder).chmod(0o755)  # To be reached by the user that root lends it to.
        began = time.monotonic()
        result = campaign(Path(folder), given.commands, given.seed)
    seconds = time.monotonic() - began
    say(
        f"seed {given.seed}: {result.sent:,} commands under {result.keys:,} keys in"
        f" {seconds:.0f} s; {result.later:,} were told to come again,"
        f" {result.refused:,} refused as another request's"
    )
    for each in result.wrong[:TOLD_MAX]:
        say(each)
    say(
        f"{len(result.wrong)} things are wrong" if result.wrong else "Nothing is wrong."
    )
    return 1 if result.wrong else 0


def campaign(folder: Path, commands: int, seed: str) -> Result:
    with EmbeddedPostgres(folder / "postgres") as database:
        settings = Settings(
            database_url=database.url,
            home=folder / "ledger",
            log_level="error",
            rate=RATE_MAX,
            rate_burst=RATE_MAX,
        )
        environ = {
            "LEDGER_DATABASE_URL": database.url,
            "LEDGER_WORKERS": str(WORKERS),
            "LEDGER_LOG_LEVEL": "error",
            "LEDGER_RATE": str(RATE_MAX),
            "LEDGER_RATE_BURST": str(RATE_MAX),
        }
        with (
            open_installation(settings) as its,
            Server(settings.home, settings=environ) as server,
        ):
            settlers = Callers(create_app(its).test_client(), its)
            port = urlsplit(server.url).port
            assert port is not None
            lines = [over_http(port)] * CALLERS
            return run(its, lines, settlers, commands=commands, seed=seed)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
