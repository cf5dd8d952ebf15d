"""Ending when asked to, and with the program that started one, however that ended.

The parent holds the writing end of a pipe that is a child's standard input, so the
system itself tells the child when the parent is gone: also after a kill -9.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

_STDIN = 0
_READ_MAX = 64


@contextmanager
def until_signalled() -> Iterator[Event]:
    """Yield what SIGTERM and SIGINT set within."""
    stop = Event()
    ends = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(each, lambda *_: stop.set()) for each in ends]
    try:
        yield stop
    finally:
        for each, handler in zip(ends, before, strict=True):
            signal.signal(each, handler)


def end_with_parent() -> None:
    """Interrupt this process once its standard input is closed."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    while os.read(_STDIN, _READ_MAX):
        continue
    os.kill(os.getpid(), signal.SIGINT)
