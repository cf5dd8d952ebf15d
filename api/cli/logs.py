"""`ledgerctl log create` and `log list`: several logs, side by side in one database."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from api.cli.opened import database
from ledger.adapters.secrets import FileSecrets
from ledger.bootstrap import open_installation
from ledger.errors import Conflict
from ledger.operation.logs import logs_of, require_new, schema_for
from ledger.settings import Settings


class HomeTaken(Conflict):
    code = "not_empty"
    says = "{home} holds the keys of another log; choose another folder by --home."


@click.command()
@click.argument("origin")
@click.option("--schema", help="Its place in the database; else named by the origin.")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of its keys; else logs/SCHEMA in LEDGER_HOME.",
)
def create(origin: str, schema: str | None, home: Path | None) -> None:
    """Make a log of its own beside the others, and print the settings that name it."""
    if not origin:  # As a setting it would be one that is not set.
        raise click.BadParameter("say the log's public name", param_hint="ORIGIN")
    around = Settings.load()
    named = Settings.from_environ(
        {"LEDGER_ORIGIN": origin, "LEDGER_SCHEMA": schema or schema_for(origin)}
    )
    home = (home or around.home / "logs" / named.schema).absolute()
    settings = replace(around, origin=origin, schema=named.schema, home=home)
    said = {"ORIGIN": origin, "SCHEMA": settings.schema, "HOME": home}
    if around.database_url is None:
        server_home = around.postgres_home.absolute()
        settings = replace(settings, server_home=server_home)
        said |= {"SERVER_HOME": server_home}
    with database(settings) as url:
        require_new(url, schema=settings.schema, origin=origin)
        if FileSecrets.load(settings.keys_home) is not None:
            raise HomeTaken(home=home)
        with open_installation(settings):
            click.echo(
                f"The log {origin} is ready. Its programs are told so:", err=True
            )
    for name, value in said.items():
        click.echo(f"LEDGER_{name}={value}")


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_logs(*, as_json: bool) -> None:
    """Print the logs of the database."""
    with database(Settings.load()) as url:
        found = logs_of(url)
    for each in found:
        if as_json:
            click.echo(json.dumps(asdict(each), default=str))
        else:
            since = each.created_at.date()
            click.echo(
                f"{each.schema}  {each.origin}  {each.size} events since {since}"
            )
