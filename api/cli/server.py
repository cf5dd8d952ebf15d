"""`ledgerctl serve` and `ledgerctl openapi`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from api import tracing
from api.cli.parent import end_with_parent
from api.cli.serve import serve as run
from ledger.settings import PORT_MAX, Settings


@click.command()
@click.option("--host", help="Instead of LEDGER_HOST.")
@click.option(
    "--port",
    type=click.IntRange(0, PORT_MAX),
    help="Instead of LEDGER_PORT; 0 takes a free one.",
)
@click.option(
    "--port-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the port here once the server is ready.",
)
@click.option(
    "--with-parent",
    is_flag=True,
    help="End when standard input is closed: for programs that start this one.",
)
def serve(
    host: str | None, port: int | None, port_file: Path | None, *, with_parent: bool
) -> None:
    """Serve the API until a signal says stop."""
    settings = Settings.load()
    tracing.wanted()  # Refused before anything is begun.
    if with_parent:
        end_with_parent()
    if host is not None:
        settings = replace(settings, host=host)
    if port is not None:
        settings = replace(settings, port=port)
    run(settings, port_file=port_file)


@click.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from api.app import describe

    click.echo(json.dumps(describe(), indent=2))
