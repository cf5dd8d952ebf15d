"""How the story is told: readable lines under a numbered headline, with progress."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

WIDTH = 96
INDENT = 3


class Tell(Protocol):
    """Hears what happened, after it was asserted."""

    def __call__(self, line: str, /) -> None: ...


def silently(_line: str) -> None:
    """Tell nobody: for tests, and for steps that only prepare another."""


class Teller:
    """Tells on a terminal, and can draw what it told as a picture."""

    def __init__(self, *, steps_max: int) -> None:
        self._console = Console(highlight=False, soft_wrap=False)
        # What was told, once more without control codes, for the picture.
        self._kept = Console(
            record=True, width=WIDTH, highlight=False, file=io.StringIO()
        )
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("preparing", total=steps_max)

    def __enter__(self) -> Teller:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def doing(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[Tell]:
        """Announce a step, hear its lines, and say how long it took."""
        self.doing(title)
        self._both(f"\n[bold]{number}. {title}[/bold]")
        began = time.monotonic()
        yield self._indented
        self._indented(f"[dim]{time.monotonic() - began:.1f} s[/dim]")
        self._progress.advance(self._task)

    def say(self, line: str) -> None:
        self._both(line)

    def draw(self, path: Path) -> None:
        """Write what was told as a picture of a terminal."""
        self._kept.save_svg(str(path), title="make demo")

    def _indented(self, line: str) -> None:
        self._both(Padding(Text.from_markup(line), (0, 0, 0, INDENT)))

    def _both(self, told: RenderableType) -> None:
        self._progress.console.print(told)
        self._kept.print(told)
