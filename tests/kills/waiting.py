"""Waiting for something to become so, for no longer than a named time; and an end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import Event, Thread
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


def end_with_parent() -> None:
    """End this process once its standard input, its parent's pipe, is closed."""

    def listen() -> None:
        sys.stdin.read()
        os._exit(0)

    Thread(target=listen, daemon=True).start()
