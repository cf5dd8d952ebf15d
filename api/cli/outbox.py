"""`ledgerctl outbox`: what is to be told, what could not be, and trying that again."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from api.cli.opened import opened
from ledger.adapters.outbox import Outbox


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def outbox(context: click.Context, *, as_json: bool) -> None:
    """Count what waits, was sent, dropped or given up."""
    if context.invoked_subcommand is not None:
        return
    with opened() as its:
        state = Outbox(its.datastore).state(at=its.clock.now())
    if as_json:
        click.echo(json.dumps(asdict(state), default=str))
        return
    since = f", the oldest since {state.oldest_due_at}" if state.oldest_due_at else ""
    click.echo(
        f"{state.waiting} wait{since}; {state.sent} sent, {state.dropped} dropped,"
        f" {state.dead} given up."
    )


@outbox.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def dead(*, as_json: bool) -> None:
    """List what was given up, the newest first, and why."""
    with opened() as its:
        found = Outbox(its.datastore).dead()
    for each in found:
        if as_json:
            click.echo(json.dumps(asdict(each), default=str))
        else:
            click.echo(
                f"{each.settled_at:%Y-%m-%d %H:%M:%S}  {each.channel} of {each.kind},"
                f" position {each.position}, to party {each.party_id}:"
                f" {each.said}, {each.attempts} attempts"
            )


@outbox.command()
def revive() -> None:
    """Have everything that was given up tried anew."""
    with opened() as its:
        count = Outbox(its.datastore).revive(at=its.clock.now())
    click.echo(f"{count} are tried again.")
