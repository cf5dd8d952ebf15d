"""`ledgerctl audit`: what happened to a ticket, and who owned it when."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click

from api.cli.opened import opened
from ledger.usecases import audit as tell

_ticket = click.argument("ticket_id", type=click.UUID)
_as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line."
)


@click.group()
def audit() -> None:
    """Replay a ticket from the log."""


@audit.command()
@_ticket
@_as_json
def history(ticket_id: UUID, *, as_json: bool) -> None:
    """Print every event recorded about a ticket, oldest first."""
    with opened() as its:
        lines = tell.history(its.ledger, ticket_id=ticket_id)
    if as_json:
        _print_json(lines)
        return
    for line in lines:
        when = line.at.isoformat(timespec="seconds")
        facts = ", ".join(f"{name}={value}" for name, value in line.facts.items())
        click.echo(f"{line.version:>4}  {line.position:>8}  {when}  {line.event}")
        click.echo(f"      by {line.by or 'nobody known'}: {facts}")


@audit.command()
@_ticket
@_as_json
def owners(ticket_id: UUID, *, as_json: bool) -> None:
    """Print who owned a ticket when, and by which event."""
    with opened() as its:
        lines = tell.owners(its.ledger, ticket_id=ticket_id)
    if as_json:
        _print_json(lines)
        return
    for line in lines:
        since = line.since.isoformat(timespec="seconds")
        until = line.until.isoformat(timespec="seconds") if line.until else "now"
        click.echo(
            f"{line.owner_id}  {since} to {until}"
            f"  by {line.event} at position {line.position}"
        )


def _print_json(lines: Iterable[Any]) -> None:
    for line in lines:
        click.echo(json.dumps(asdict(line), default=str))
