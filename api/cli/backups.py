"""`ledgerctl backup` and `ledgerctl restore`: a copy of the log, and the way back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from api.cli.opened import database
from ledger.adapters.log_keys import LogKeys
from ledger.adapters.secrets import FileSecrets
from ledger.clock import SystemClock
from ledger.operation import backup as copying
from ledger.operation import restore as bringing_back
from ledger.operation.leaves import Tell
from ledger.operation.restore import KeysMissing
from ledger.settings import Settings

_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@_folder
def backup(folder: Path) -> None:
    """Copy the log into a new FOLDER, while it is written to."""
    settings = Settings.load()
    secrets = FileSecrets.load(settings.keys_home)
    if secrets is None:
        raise KeysMissing(folder=settings.keys_home)
    with database(settings) as url, _shown() as tell:
        made = copying.backup(
            url,
            folder,
            schema=settings.schema,
            origin=settings.origin,
            secrets=secrets,
            log_keys=LogKeys(settings.keys_home, secrets.log_key()),
            at=SystemClock().now(),
            tell=tell,
        )
    click.echo(f"{made.size} events of {made.origin} are in {folder}.")
    click.echo(
        f"Keep {settings.keys_home} apart from it, and of all {copying.KEYS_DUMP}"
        " files the newest alone: who is erased is erased from that one."
    )


@click.command()
@_folder
@click.option(
    "--subject-keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"The newest {copying.KEYS_DUMP}, instead of FOLDER's own.",
)
@click.option(
    "--without-subject-keys",
    is_flag=True,
    help="Bring no personal data back: what is sealed reads as erased.",
)
def restore(
    folder: Path, subject_keys: Path | None, *, without_subject_keys: bool
) -> None:
    """Bring the backup in FOLDER back where this log is not, and prove it."""
    if subject_keys and without_subject_keys:
        raise click.UsageError("Give a file of persons' keys or do without, not both.")
    settings = Settings.load()
    if not without_subject_keys:
        subject_keys = subject_keys or folder / copying.KEYS_DUMP
    with database(settings) as url, _shown() as tell:
        back = bringing_back.restore(
            url,
            folder,
            schema=settings.schema,
            origin=settings.origin,
            secrets=FileSecrets.load(settings.keys_home),
            keys_home=settings.keys_home,
            subject_keys=subject_keys,
            tell=tell,
        )
    made_at = back.manifest.made_at.isoformat(timespec="seconds")
    click.echo(
        f"{back.manifest.size} events are back and proven, as of {made_at};"
        f" {back.waiting} appends wait for positions; keys of {back.persons} persons."
    )
    click.echo(
        "Tokens revoked and persons erased since then are as they were before:"
        " revoke and erase them again. `ledgerctl subject reapply` destroys the keys of"
        " all whom this log calls erased."
    )


@contextmanager
def _shown() -> Iterator[Tell | None]:
    """Show on a terminal how far the hashing is."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1, label="hashing", file=sys.stderr) as bar:

        def tell(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield tell
