"""`ledgerctl roles`: make the log's roles in the database, or say how they are made."""

from __future__ import annotations

import click

from api.cli.opened import database
from ledger.adapters import roles as its
from ledger.settings import Settings


@click.command()
@click.option(
    "--sql",
    "as_sql",
    is_flag=True,
    help="Print what an administrator runs where the login may not create roles.",
)
def roles(*, as_sql: bool) -> None:
    """Make the database roles of the log, or say how they are made."""
    settings = Settings.load()
    with database(settings) as url:
        if as_sql:
            login = its.login_of(url)
            click.echo(its.administrators_sql(settings.schema, login), nl=False)
            return
        its.ensure(url, settings.schema)
    for name in its.names_of(settings.schema):
        click.echo(name)
