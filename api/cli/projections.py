"""`ledgerctl projections`: how far the views are, run them, derive them anew."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict
from threading import Event

import click

from api.app import make_log
from api.cli.opened import opened
from api.cli.parent import end_with_parent
from ledger.adapters.roles import DatabaseRole
from ledger.projections.registry import NAMES
from ledger.projections.runner import Runner


@click.group()
def projections() -> None:
    """The views of the log."""


@projections.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def status(*, as_json: bool) -> None:
    """Print how far every view is behind the log."""
    with opened() as its:
        found = Runner(its.ledger).status(its.clock.now())
    for each in found:
        if as_json:
            click.echo(json.dumps(asdict(each)))
        else:
            click.echo(
                f"{each.name:<12} {each.state:<11} position {each.position},"
                f" {each.lag_events} events behind" + _why(each.error)
            )


@projections.command()
@click.argument("name", required=False, type=click.Choice(NAMES))
def rebuild(name: str | None) -> None:
    """Derive one view, or all of them, anew from the whole log."""
    with opened(DatabaseRole.VIEWS) as its:
        runner = Runner(its.ledger)
        for each in (name,) if name else NAMES:
            taken = runner.rebuild(each)
            click.echo(f"{each}: rebuilt from {taken} events.")


@projections.command()
@click.option("--with-parent", is_flag=True, hidden=True)
def run(*, with_parent: bool) -> None:
    """Keep the views up to date until a signal says stop."""
    stop = Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    if with_parent:
        end_with_parent()
    with opened(DatabaseRole.VIEWS) as its:
        log = make_log(its.settings.log_level)
        log.info("projections", state="following")
        Runner(its.ledger).run_forever(stop)
        log.info("projections", state="ended")


def _why(error: str | None) -> str:
    return f": {error}" if error else ""
