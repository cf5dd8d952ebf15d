"""`ledgerctl doctor`: is the log whole, and is all well around it?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from api.cli.opened import database
from ledger.clock import SystemClock
from ledger.operation.doctor import State, examine
from ledger.settings import Settings

FAILED = 1


@click.command()
@click.option("--deep", is_flag=True, help="Hash every leaf and tile anew, no sample.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def doctor(*, deep: bool, as_json: bool) -> None:
    """Examine the log and what it stands on; exit with 1 if something is wrong."""
    settings, failed = Settings.load(), False
    with database(settings) as url:
        for each in examine(settings, url, clock=SystemClock(), deep=deep):
            failed = failed or each.state == State.FAIL
            if as_json:
                click.echo(json.dumps(asdict(each)))
                continue
            click.echo(f"{each.state:<5} {each.check:<12} {each.says}")
            if each.do:
                click.echo(f"      {'':<12} {each.do}")
    if failed:
        sys.exit(FAILED)
