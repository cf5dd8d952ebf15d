"""Waiting for something to become so, and for no longer than a named time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from time import monotonic

PATIENCE_S = 40.0
LOOK_S = 0.005


class NeverHappened(AssertionError):
    """What was waited for did not become so; the message says what."""


def wait_until(
    what: str, is_so: Callable[[], object], patience_s: float = PATIENCE_S
) -> None:
    """Look again and again. Raises `NeverHappened` when the time is over."""
    deadline, pause = monotonic() + patience_s, Event()
    while not is_so():
        if monotonic() > deadline:
            raise NeverHappened(f"not within {patience_s:.0f} s: {what}")
        pause.wait(LOOK_S)
