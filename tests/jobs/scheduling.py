"""Schedules of a test's own jobs, each as another process would have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from threading import Event, Thread

from ledger.adapters.job_desk import JobDesk
from ledger.application import Ledger
from ledger.clock import Clock, SystemClock
from ledger.jobs.schedule import GoesOn, Job, Schedule
from ledger.log.recorder import connect

PATIENCE_S = 20.0


def job(
    name: str, work: Callable[[GoesOn], int] = lambda _: 0, *, every_s: float = 60
) -> Job:
    return Job(name, f"the job {name}", timedelta(seconds=every_s), work)


def desk(ledger: Ledger, runner: str = "test") -> JobDesk:
    datastore = ledger.recorder.datastore
    return JobDesk(datastore, partial(connect, datastore), runner=runner)


def schedule(ledger: Ledger, *jobs: Job, clock: Clock | None = None) -> Schedule:
    return Schedule(jobs, desk(ledger), clock or SystemClock())


@contextmanager
def running(*schedules: Schedule) -> Iterator[None]:
    """Run schedules side by side, and end them in order."""
    stop = Event()
    threads = [Thread(target=each.run_forever, args=(stop,)) for each in schedules]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def wait_until(holds: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError("it does not come to pass")
