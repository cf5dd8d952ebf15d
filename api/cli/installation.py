"""`ledgerctl init` and `ledgerctl migrate`: making an installation, bringing it on."""

from __future__ import annotations

import click

from api.cli.opened import database, opened
from ledger.adapters import migrator
from ledger.settings import Settings


@click.command()
def init() -> None:
    """Make the database's tables and the installation's keys; again: change nothing."""
    with opened() as its:
        click.echo(f"The log {its.origin} is ready.")
        click.echo(f"Keep a copy of its keys, in {its.settings.keys_home}, safe.")


@click.command()
def migrate() -> None:
    """Apply the migrations that the database lacks."""
    settings = Settings.load()
    with database(settings) as url:
        applied = migrator.migrate(url, schema=settings.schema)
    for each in applied:
        click.echo(each.file)
    if not applied:
        click.echo("The database is up to date.")
