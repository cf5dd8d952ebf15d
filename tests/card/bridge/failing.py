"""A program that dies, or a line that breaks, at one chosen call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """The program is no more; nothing of it runs after this."""


@dataclass(slots=True)
class Fate:
    """Fails the call with this number, before it is made or after."""

    at: int = -1
    after: bool = False
    failure: Callable[[], BaseException] = Killed
    only: str = ""  # Counts the calls of this name alone.
    calls: int = 0
    names: list[str] = field(default_factory=list)

    def begins(self) -> None:
        """Count from here."""
        self.calls = 0
        self.names.clear()

    @property
    def struck(self) -> bool:
        return 0 <= self.at < self.calls

    def through(self, name: str, call: Callable[[], Any]) -> Any:
        if self.only not in ("", name):
            return call()
        number = self.calls
        self.calls += 1
        self.names.append(name)
        if number == self.at and not self.after:
            raise self.failure()
        answer = call()
        if number == self.at:
            raise self.failure()
        return answer


class Fated:
    """Wraps a gateway or a journal: every call of it may be the fatal one."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner = inner
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **named: Any) -> Any:
            return self._fate.through(name, lambda: method(*arguments, **named))

        return call
