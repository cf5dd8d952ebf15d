"""Runs the benchmarks that are named, or all, and shows and keeps what they found."""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from tests.benchmarks.catalogue import BENCHMARKS
from tests.benchmarks.frame import Benchmark, Place, Result, keep, table

HOME = Path(".bench")
WIDTH_MIN = 150  # Notes in a log file are not cut into narrow columns.


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "listed", is_flag=True, help="Print the names alone.")
def main(names: tuple[str, ...], *, listed: bool) -> None:
    """Measure each figure against its baseline; results go to .bench/results.json."""
    if listed:
        click.echo("\n".join(each.name for each in BENCHMARKS))
        return
    known = {each.name: each for each in BENCHMARKS}
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(f"There is no benchmark {unknown[0]}; see --list.")
    console = Console()
    results = run([known[name] for name in names] or list(BENCHMARKS), console, HOME)
    wide = console if console.width >= WIDTH_MIN else Console(width=WIDTH_MIN)
    wide.print(table(results.items()))
    console.print(f"Kept in {HOME / 'results.json'}.")


def run(chosen: list[Benchmark], console: Console, home: Path) -> dict[str, Result]:
    """Measure one after the other; each result is kept as soon as it is there."""
    home.mkdir(exist_ok=True)
    results: dict[str, Result] = {}
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        console=console,
        transient=True,
    )
    with ExitStack() as opened:
        folder = Path(
            opened.enter_context(tempfile.TemporaryDirectory(prefix="run-", dir=home))
        )
        folder.chmod(0o755)  # To be reached by the user that root lends it to.
        opened.enter_context(progress)
        task = progress.add_task("", total=len(chosen))
        place = Place(
            opened,
            folder,
            lambda doing: progress.update(task, description=doing),
        )
        for benchmark in chosen:
            place.tell(benchmark.name)
            result = benchmark.measure(place)
            results[benchmark.name] = result
            keep({benchmark.name: result}, home / "results.json")
            console.print(f"{benchmark.name}: {result.ratio:.2f}")
            progress.advance(task)
    return results


if __name__ == "__main__":
    sys.exit(main())
