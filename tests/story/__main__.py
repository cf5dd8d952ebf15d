"""`make demo`: tell the whole story, or one step of it, on real parts.

Whatever an earlier run left in the folder is cleared away; a run that was killed at any
moment leaves nothing that the next one trips over.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

import click
import psycopg
from psycopg import sql

from ledger.adapters.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.story import steps
from tests.story.field import best_field
from tests.story.server import ServerFailed
from tests.story.telling import Teller
from tests.story.world import World, open_world

FOLDER = Path(".demo")
SCHEMA = "eticket_demo"
FAILED = 1


@click.command()
@click.option("--step", "number", type=click.IntRange(1, len(steps.STEPS)))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    help="Where what is made is left.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="Draw it as an SVG.")
def main(number: int | None, folder: Path, picture: Path | None) -> None:
    """Tell the story of one e-ticket, from its purchase to a refused clone."""
    began = time.monotonic()
    told = [number] if number else sorted(steps.STEPS)
    _clear(folder)
    with Teller(steps_max=len(told)) as teller:
        teller.say("[bold]eticket-ledger[/bold]: who owns a ticket, and how one knows")
        teller.doing("starting PostgreSQL, the ledger and a card reader")
        try:
            with (
                best_field() as field,
                open_world(folder.resolve(), field=field, **_database()) as world,
            ):
                _tell(teller, world, told)
        except ServerFailed as failed:
            teller.say(f"[red]{failed}[/red]")
            sys.exit(FAILED)
        took = time.monotonic() - began
        teller.say(f"\n[bold green]All of it asserted, in {took:.0f} s.[/bold green]")
        _say_where(teller, folder)
    if picture is not None:
        teller.draw(picture)


def _tell(teller: Teller, world: World, told: list[int]) -> None:
    for number in told:
        step = steps.STEPS[number]
        for needed in step.needs:
            teller.doing(f"preparing: {steps.STEPS[needed].title}")
            steps.ensure(world, needed)
        if number not in world.done:
            with teller.step(number, step.title) as tell:
                steps.run(world, number, tell)


def _say_where(teller: Teller, folder: Path) -> None:
    teller.say(f"What was made is in {folder}/:")
    made = {
        "dispenser/papers": "the printed ticket, as PDF and as ESC/POS bytes",
        "log.jsonl": "the whole log, to be verified by anybody",
        "log-with-one-byte-flipped.jsonl": "the same with one byte flipped",
        "cards": "the cards, as files",
        "ledger": "the database and its keys",
    }
    for name, what in made.items():
        if (folder / name).exists():
            teller.say(f"  {name:<34} {what}")
    teller.say("Next: README.md, docs/architecture.md; `make serve`; `make test`.")


def _database() -> dict[str, str]:
    """With a server of one's own, the demo has a schema to itself, made anew."""
    url = os.environ.get("LEDGER_DATABASE_URL")
    if not url:
        return {}
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(SCHEMA)
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
    return {"LEDGER_SCHEMA": SCHEMA}


def _clear(folder: Path) -> None:
    """Make the folder anew; one that is not of our making is left alone."""
    mark = folder / ".made-by-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise click.ClickException(f"{folder} holds something else; name another one.")
    # What a killed run left running ends by itself; its files are its own till then.
    try:
        EmbeddedPostgres(folder / "ledger" / "postgres").await_end()
    except EmbeddedPostgresError:
        raise click.ClickException(f"Another demo is running in {folder}.") from None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()


if __name__ == "__main__":
    main(prog_name="demo")
