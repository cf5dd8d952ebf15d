"""Many hands at once: threads in processes of their own, each in a closed loop.

A hand does its operation again as soon as the last one is done, so the concurrency is
the number of hands. Or the crew keeps to a pace: then each operation has its time, and
whoever comes late to it because the last one took long has that counted as well. What
hands need is opened in their own process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self, TypeAlias

Operation: TypeAlias = Callable[[], bool]
"""Does one thing, whole; False if there was nothing left to do."""

Hands: TypeAlias = Callable[..., AbstractContextManager[Sequence[Operation]]]
"""Called as `hands(*given, first=…, count=…)`: the operations of hands first, first+1 …

Importable by name: another process calls it.
"""

END_S = 20.0
_SPAWN = get_context("spawn")


class CrewFailed(Exception):
    """A process of the crew died."""

    def __init__(self) -> None:
        super().__init__("A process that makes the load died; its traceback is above.")


@dataclass(frozen=True, slots=True)
class Spell:
    """What a crew did in one go."""

    seconds: float
    """From the first hand's start to the last hand's end."""

    latencies_s: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Operations a second."""
        return len(self.latencies_s) / self.seconds

    def latency_ms(self, percent: int) -> float:
        """Return a percentile of its operations, in milliseconds."""
        return _percentile_ms(self.latencies_s, percent)


class Crew:
    """`processes` × `threads` hands; ended by leaving the `with` block."""

    def __init__(
        self, hands: Hands, *given: Any, processes: int = 1, threads: int
    ) -> None:
        self.spells: list[Spell] = []
        self._hands = processes * threads
        self._pipes: list[Connection] = []
        self._processes = []
        for number in range(processes):
            ours, theirs = _SPAWN.Pipe()
            process = _SPAWN.Process(
                target=_work,
                args=(theirs, hands, given, number * threads, threads),
                daemon=True,
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def work(self, seconds: float, pace: float | None = None) -> Spell:
        """Let all hands work for a while; together `pace` operations a second.

        Without a pace, as fast as they can. Raises `CrewFailed`.
        """
        every_s = self._hands / pace if pace else None
        try:
            for pipe in self._pipes:
                pipe.recv()  # Its hands are ready.
            for pipe in self._pipes:
                pipe.send((seconds, every_s))
            told: list[list[_Done]] = [pipe.recv() for pipe in self._pipes]
        except (EOFError, OSError):
            raise CrewFailed from None
        done = [hand for process in told for hand in process]
        spell = Spell(
            seconds=max(hand.ended for hand in done) - min(h.began for h in done),
            latencies_s=tuple(each for hand in done for each in hand.latencies_s),
        )
        self.spells.append(spell)
        return spell

    def rate(self, seconds: float) -> float:
        return self.work(seconds).rate

    @property
    def n(self) -> int:
        """How many operations were counted; the first spell is for warming up."""
        return sum(len(spell.latencies_s) for spell in self.spells[1:])

    def latency_ms(self, percent: int) -> float:
        """Return a percentile of all counted operations, in milliseconds."""
        spells = self.spells[1:]
        return _percentile_ms([s for each in spells for s in each.latencies_s], percent)

    def said(self) -> str:
        return f"p50 {self.latency_ms(50):.1f} p99 {self.latency_ms(99):.1f} ms"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(END_S)
            if process.is_alive():
                process.kill()


@dataclass(frozen=True, slots=True)
class _Done:
    """One hand's spell, on the system-wide monotonic clock."""

    began: float
    ended: float
    latencies_s: list[float]


def _work(
    pipe: Connection, hands: Hands, given: tuple[Any, ...], first: int, count: int
) -> None:
    """The life of one process: work when told, until the pipe is closed."""
    with ExitStack() as opened:
        operations = opened.enter_context(hands(*given, first=first, count=count))
        executor = opened.enter_context(ThreadPoolExecutor(count))
        while True:
            try:
                pipe.send(None)
                seconds, every_s = pipe.recv()
            except (EOFError, OSError):
                return
            begin = time.monotonic()
            hands_do = [
                partial(_loop, each, begin + seconds)
                if every_s is None
                else partial(
                    _paced,
                    each,
                    begin + every_s * (first + number) / (first + count),
                    begin + seconds,
                    every_s,
                )
                for number, each in enumerate(operations)
            ]
            begun = [executor.submit(each) for each in hands_do]
            pipe.send([each.result() for each in begun])


def _paced(operation: Operation, due: float, end: float, every_s: float) -> _Done:
    """Work at set times; a latency runs from then, not from when a hand was free."""
    latencies_s = []
    began = due
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        if not operation():
            break
        latencies_s.append(time.monotonic() - due)
        due += every_s
    return _Done(began, time.monotonic(), latencies_s)


def _loop(operation: Operation, end: float) -> _Done:
    latencies_s = []
    began = before = time.monotonic()
    while before < end and operation():
        after = time.monotonic()
        latencies_s.append(after - before)
        before = after
    return _Done(began, before, latencies_s)


def _percentile_ms(latencies_s: Sequence[float], percent: int) -> float:
    found = sorted(latencies_s)
    return found[min(len(found) * percent // 100, len(found) - 1)] * 1000
