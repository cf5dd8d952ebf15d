"""One client as a process of its own: threads of one Python hardly meet.

A program: `python -m tests.history.worker URL SCHEMA HOME NUMBER SEED OPERATIONS CUTS`,
CUTS being the share of appends whose line is cut. Its notebook is `HOME/NUMBER.notes`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ledger.bootstrap import open_installation
from ledger.settings import Settings
from tests.history.client import Client
from tests.history.doings import Doings, Habits
from tests.history.operations import Notebook

POOL_SIZE = 3


def main(
    url: str,
    schema: str,
    home: str,
    number: str,
    seed: str,
    operations: str,
    cut_share: str,
) -> None:
    folder = Path(home)
    settings = Settings(
        database_url=url, home=folder, schema=schema, pool_size=POOL_SIZE
    )
    with (
        open_installation(settings) as installation,
        (folder / f"{number}.notes").open("w") as file,
    ):
        notebook = Notebook(f"client-{number}", file)
        client = Client(
            installation,
            notebook,
            number=int(number),
            seed=seed,
            cut_share=float(cut_share),
        )
        doings = Doings(client, Habits())
        while notebook.count < int(operations):
            doings.do()


if __name__ == "__main__":
    main(*sys.argv[1:])
