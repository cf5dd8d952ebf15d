"""A process that imports a stadium, for a test to kill: URL, schema and home are its
words."""

import sys
from pathlib import Path

from ledger.bootstrap import open_installation
from ledger.settings import Settings
from ledger.usecases.bulk import Progress
from tests.usecases.test_bulk import rows_of, run


def tell(progress: Progress) -> None:
    sys.stdout.write(f"issued {progress.issued}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    url, schema, home = sys.argv[1:]
    with open_installation(
        Settings(database_url=url, home=Path(home), schema=schema)
    ) as its:
        run(its, rows_of(1_500), tell=tell)
