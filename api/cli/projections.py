"""`ledgerctl projections`: how far the views are, run them, derive them anew."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import click

from api.cli.opened import opened
from api.cli.parent import end_with_parent, until_signalled
from api.log_lines import make_log
from ledger.adapters.roles import DatabaseRole
from ledger.projections.rebuild import Progress
from ledger.projections.registry import NAMES
from ledger.projections.runner import ProjectionStatus, Runner

LINE_EVERY_S = 2.0


@click.group()
def projections() -> None:
    """The views of the log."""


@projections.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def status(*, as_json: bool) -> None:
    """Print how far every view is behind the log, and what is being rebuilt."""
    with opened() as its:
        found = Runner(its.ledger).status(its.clock.now())
    for each in found:
        if as_json:
            click.echo(json.dumps(asdict(each), default=str))
        else:
            _tell_status(each)


@projections.command()
@click.argument("name", required=False, type=click.Choice(NAMES))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--abandon", is_flag=True, help="Throw away what was rebuilt so far.")
def rebuild(name: str | None, *, as_json: bool, abandon: bool) -> None:
    """Derive one view, or all of them, anew from the whole log.

    Beside the one that is read: it is put in its place when it has caught up. Cut
    short, the next rebuild goes on from there.
    """
    with opened(DatabaseRole.VIEWS) as its:
        runner = Runner(its.ledger)
        for each in (name,) if name else NAMES:
            if abandon:
                runner.abandon(each)
                continue
            with _shown(each, as_json=as_json) as tell:
                taken = runner.rebuild(each, tell)
            if as_json:
                click.echo(json.dumps({"name": each, "rebuilt": taken}))
            else:
                click.echo(f"{each}: rebuilt from {taken} events.")


@projections.command()
@click.option("--with-parent", is_flag=True, hidden=True)
def run(*, with_parent: bool) -> None:
    """Keep the views up to date until a signal says stop."""
    if with_parent:
        end_with_parent()
    with until_signalled() as stop, opened(DatabaseRole.VIEWS) as its:
        log = make_log(its.settings.log_level)
        log.info("projections", state="following")
        Runner(its.ledger).run_forever(stop)
        log.info("projections", state="ended")


def _tell_status(each: ProjectionStatus) -> None:
    age = "" if not each.lag_s else f" ({each.lag_s:.1f} s)"
    why = f": {each.error}" if each.error else ""
    click.echo(
        f"{each.name:<12} {each.state:<11} position {each.position},"
        f" {each.lag_events} events behind{age}{why}"
    )
    if each.rebuild:
        how = "running" if each.rebuild.running else "cut short"
        why = f": {each.rebuild.error}" if each.rebuild.error else ""
        total = each.position + each.lag_events
        click.echo(
            f"{'':<12} rebuild {how}, {each.rebuild.position} of {total} events{why}"
        )


@contextmanager
def _shown(name: str, *, as_json: bool) -> Iterator[Callable[[Progress], None]]:
    """Show a rebuild's progress: a bar on a terminal, else a line now and then."""
    if not as_json and sys.stderr.isatty():
        with click.progressbar(
            length=1, label=name, file=sys.stderr, show_pos=True, item_show_func=_pace
        ) as bar:

            def advance(progress: Progress) -> None:
                bar.length = max(progress.total, 1)
                bar.update(progress.done - bar.pos, progress)

            yield advance
        return
    told_at = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at < LINE_EVERY_S and progress.done < progress.total:
            return
        told_at = now
        line = f"{name}: {progress.done} of {progress.total} events{_per_s(progress)}"
        click.echo(json.dumps(asdict(progress)) if as_json else line, err=not as_json)

    yield tell


def _pace(progress: Progress | None) -> str:
    return _per_s(progress).removeprefix(", ") if progress else ""


def _per_s(progress: Progress) -> str:
    return f", {progress.events_s:,.0f} a second" if progress.events_s else ""
