"""What a benchmark is, how two sides are compared, and where figures are kept.

Machines differ and are noisy, ratios much less: every figure is measured together with
its baseline in one run, the sides taking turns, and the median of the rounds counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar, cast

from rich.table import Table

from ledger.adapters.embedded_postgres import EmbeddedPostgres

ROUNDS = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure. `value` and `baseline` are in `unit`; ratio = value / baseline."""

    value: float
    unit: str
    baseline: float
    n: int
    """How many operations of ours the value rests on."""

    note: str

    @property
    def ratio(self) -> float:
        return self.value / self.baseline

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio}


class Place:
    """What benchmarks share in one run: made when asked for, closed at its end."""

    def __init__(
        self, opened: ExitStack, folder: Path, tell: Callable[[str], None]
    ) -> None:
        """`folder` is empty, on a disk like that of an installation; `tell` hears
        what is being done."""
        self._opened = opened
        self._made: dict[Callable[..., Any], Any] = {}
        self.folder = folder
        self.tell = tell

    def once(self, make: Callable[[Place], _T]) -> _T:
        """Return what `make` makes, made once a run."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("_T", self._made[make])

    def enter(self, context: AbstractContextManager[_T]) -> _T:
        """Keep something open until the run ends."""
        return self._opened.enter_context(context)

    def alternate(
        self, sides: Mapping[str, Callable[[], float]], *, rounds: int = ROUNDS
    ) -> dict[str, float]:
        """Let the sides take turns, one uncounted turn first; return their medians."""
        figures: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            for side, measure in sides.items():
                said = f"round {number} of {rounds}" if number else "warming up"
                self.tell(f"{side}: {said}")
                figures[side].append(measure())
        return {side: median(found[1:]) for side, found in figures.items()}


def database(place: Place) -> str:
    """Start a PostgreSQL as an installation has it, fsync on; return its address."""
    place.tell("starting PostgreSQL")
    return place.enter(EmbeddedPostgres(place.folder / "postgres")).url


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A name that stays the same over the years, and what measures it."""

    name: str
    measure: Callable[[Place], Result]


def keep(results: Mapping[str, Result], path: Path) -> None:
    """Write results beside those of other benchmarks that were measured before."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept |= {name: result.as_json() for name, result in results.items()}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    draft.replace(path)


def table(results: Iterable[tuple[str, Result]]) -> Table:
    """Draw the results; ratio is value to baseline, whichever way is better."""
    drawn = Table()
    for heading in ("name", "value", "unit", "baseline", "ratio", "n", "note"):
        right = heading in {"value", "baseline", "ratio", "n"}
        drawn.add_column(
            heading,
            justify="right" if right else "left",
            no_wrap=heading != "note",
            min_width=30 if heading == "note" else None,
        )
    for name, result in results:
        drawn.add_row(
            name,
            _short(result.value),
            result.unit,
            _short(result.baseline),
            f"{result.ratio:.2f}",
            f"{result.n:,}",
            result.note,
        )
    return drawn


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:,.2f}"
