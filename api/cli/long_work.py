"""For what takes minutes: it shows how far it is, and leaves nothing half done."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeAlias

import click

Advance: TypeAlias = Callable[[int], None]
"""Says that so much more of the work is done."""

TERMINATED = 128 + signal.SIGTERM
_STEPS = 1_000


@contextmanager
def shown(label: str, length: int) -> Iterator[Advance]:
    """Show a progress bar on the terminal; nothing where nobody looks."""
    is_hidden = length == 0 or not sys.stderr.isatty()
    step, behind = max(length // _STEPS, 1), 0
    with click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=is_hidden
    ) as bar:

        def advance(more: int) -> None:
            nonlocal behind
            behind += more
            if behind >= step:
                bar.update(behind)
                behind = 0

        yield advance
        bar.update(behind)


@contextmanager
def ended_cleanly() -> Iterator[None]:
    """Make of SIGTERM an exception, so that drafts and folders are removed."""

    def end(*_: object) -> NoReturn:
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def draft_of(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name when it is complete, and is gone otherwise.

    What is no plain file, a pipe or a device, is written to as it is. Raises OSError.
    """
    its = path.resolve()
    if its.exists() and not its.is_file():
        with its.open("wb") as file:
            yield file
        return
    draft = its.with_name(f".{its.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(its)
    finally:
        draft.unlink(missing_ok=True)
