"""Ending with the program that started one, however that ended.

The parent holds the writing end of a pipe that is a child's standard input, so the
system itself tells the child when the parent is gone: also after a kill -9.
"""

import os
import signal
import threading

_STDIN = 0
_READ_MAX = 64


def end_with_parent() -> None:
    """Interrupt this process once its standard input is closed."""
    threading.Thread(target=_watch, name="parent", daemon=True).start()


def _watch() -> None:
    while os.read(_STDIN, _READ_MAX):
        continue
    os.kill(os.getpid(), signal.SIGINT)
