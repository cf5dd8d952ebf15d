"""`make history`: a long campaign of many clients, and its seed.

    make history ARGS="--seed 7 --operations 20000 --clients 4"

A seed makes the clients want the same again; who is first is the machine's to say.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from ledger.adapters.embedded_postgres import EmbeddedPostgres
from ledger.settings import Settings
from tests.history import campaign

# Nothing is killed here, so nothing has to wait for the disk.
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def main() -> int:
    """Print what was done and found; return 0 if clients saw one history."""
    wanted = argparse.ArgumentParser(prog="make history", description=__doc__)
    wanted.add_argument("--seed", default=str(SystemRandom().randrange(10**6)))
    wanted.add_argument("--operations", type=int, default=200_000)
    wanted.add_argument("--clients", type=int, default=4)
    given = wanted.parse_args()
    say(f"seed {given.seed}, {given.clients} clients")
    with tempfile.TemporaryDirectory(prefix="eticket-history-") as folder:
        home = Path(folder)
        home.chmod(0o755)  # To be reached by the user that root lends it to.
        with EmbeddedPostgres(home / "server", server_settings=QUICK) as server:
            settings = Settings(database_url=server.url, home=home, schema="history")
            result = campaign.run(
                settings,
                clients=given.clients,
                operations=given.operations,
                seed=given.seed,
            )
    for line in result.lines():
        say(line)
    return 1 if result.anomalies else 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
