"""Several actors at the same moment, each in a thread and a transaction of his own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

from ledger.application import attempt
from ledger.errors import Refusal


def at_once(*moves: Callable[[], Any]) -> list[Any]:
    """Begin all moves together; return what each got, or the code of its refusal."""
    barrier = Barrier(len(moves))

    def run(move: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return attempt(move)
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(moves)) as pool:
        return list(pool.map(run, moves))


def told_at_once(*moves: Callable[[], object]) -> list[str]:
    """Begin all moves together; return "done" or the code of each refusal."""

    def done(move: Callable[[], object]) -> str:
        move()
        return "done"

    return at_once(*(partial(done, move) for move in moves))
