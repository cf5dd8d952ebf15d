"""What the person at the machine types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TextIO

LINE_MAX = 200


class Keyboard(Protocol):
    def line(self) -> str | None:
        """Return what was typed; None when the person gave up."""


class LineKeyboard:
    """A keyboard that is a stream of lines, such as standard input."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self) -> str | None:
        typed = self._stream.readline(LINE_MAX)
        rest = typed
        while len(rest) == LINE_MAX and not rest.endswith("\n"):
            rest = self._stream.readline(LINE_MAX)  # No further answer: the same one.
        return typed.strip() or None


class AnswersKeyboard:
    """A keyboard whose answers were given beforehand; then the person gives up."""

    def __init__(self, answers: Iterable[str]) -> None:
        self._answers = iter(answers)

    def line(self) -> str | None:
        return next(self._answers, None)
