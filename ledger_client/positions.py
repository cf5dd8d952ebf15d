"""Reading one's own writes: the furthest position of the log that was told so far.

A command answers with `Ledger-Position`; a read that carries it as `At-Least-Position`
is answered from a view that has come that far. What is remembered never goes back,
whatever order the answers come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

LEDGER_POSITION = "Ledger-Position"
AT_LEAST_POSITION = "At-Least-Position"
_DIGITS_MAX = 18


class HighWater:
    """The furthest position that was told. Threads may share it, and clients too."""

    def __init__(self, position: int = 0) -> None:
        self._position = position
        self._lock = Lock()

    @property
    def position(self) -> int:
        """Return the position, 0 if none was told."""
        return self._position

    def note(self, headers: Mapping[str, str]) -> int | None:
        """Remember what an answer's headers tell; return its own position, if any."""
        said = headers.get(LEDGER_POSITION, "")
        if not (said.isascii() and said.isdigit() and len(said) <= _DIGITS_MAX):
            return None
        told = int(said)
        self.reach(told)
        return told

    def reach(self, position: int) -> None:
        """Remember a position, such as one that another program has handed over."""
        with self._lock:
            self._position = max(self._position, position)

    def headers(self) -> dict[str, str]:
        """Return what a read carries."""
        return {AT_LEAST_POSITION: str(self._position)} if self._position else {}
