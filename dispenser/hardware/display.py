"""What the person at the machine reads: a few short lines at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.console import Console
from rich.panel import Panel

WIDTH = 64


class Display(Protocol):
    def show(self, *lines: str) -> None:
        """Replace what is shown."""


class TerminalDisplay:
    """A display that is a terminal window."""

    def __init__(self, console: Console, *, name: str) -> None:
        self._console = console
        self._name = name

    def show(self, *lines: str) -> None:
        self._console.print(
            Panel("\n".join(lines), title=self._name, width=WIDTH, padding=(1, 2)),
            markup=False,
        )


class KeptDisplay:
    """A display whose screens are kept, for machines without one of their own."""

    def __init__(self) -> None:
        self.screens: list[Sequence[str]] = []

    def show(self, *lines: str) -> None:
        self.screens.append(lines)
