"""`ledgerctl jobs`: what is done of itself, how it stands, and doing it now."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict

import click

from api import metrics
from api.cli.opened import opened
from api.cli.parent import end_with_parent, until_signalled
from api.log_lines import make_log
from ledger.errors import Conflict
from ledger.jobs.schedule import JobStatus


class JobRunning(Conflict):
    code = "in_flight"
    says = "Another process is at the job {name} just now."


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.pass_context
def jobs(context: click.Context, *, as_json: bool) -> None:
    """List the jobs: when each ran last, what came of it, and how it stands."""
    if context.invoked_subcommand is not None:
        return
    with opened() as its:
        found = its.schedule().status()
    for each in found:
        if as_json:
            click.echo(json.dumps(asdict(each), default=str))
        else:
            _tell(each)


@jobs.command()
@click.argument("name")
def run(name: str) -> None:
    """Run one job now, due or not."""
    with (
        until_signalled() as stop,
        opened() as its,
        closing(its.schedule()) as schedule,
    ):
        if not schedule.run_now(name, stop):
            raise JobRunning(name=name)
        last = schedule.status_of(name).last
    click.echo(f"{name}: done, {last.count} things.")


@jobs.command()
@click.option("--with-parent", is_flag=True, hidden=True)
def work(*, with_parent: bool) -> None:
    """Run all jobs at their times until a signal says stop."""
    if with_parent:
        end_with_parent()
    with until_signalled() as stop, opened() as its:
        log = make_log(its.settings.log_level)
        its.ledger.recorder.on_append = metrics.appended
        log.info("jobs", state="running")
        its.schedule().run_forever(stop)
        log.info("jobs", state="ended")


def _tell(each: JobStatus) -> None:
    last = each.last
    when = f"{last.started_at:%Y-%m-%d %H:%M:%S}" if last.started_at else "never"
    came = f", {last.outcome}, {last.count} things" if last.outcome else ""
    often = f", {last.failures} times in a row" if last.failures > 1 else ""
    why = f": {last.said}{often}" if last.said else ""
    by = f" by {last.runner}" if last.runner else ""
    click.echo(
        f"{each.name:<10} {each.state:<8} every {each.every_s:>6,.0f} s,"
        f" last {when}{by}{came}{why}"
    )
