"""Running jobs at their times, each under its lock, and noting what came of each run.

    scheduler ── every so often ── turn ── work ── done, or failed with a reason
                                    └─ somebody else's, or not due: nothing

Any number of processes may keep the same schedule. The only place that knows
apscheduler.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from ledger.adapters.job_desk import DONE, FAILED, JobDesk, JobState
from ledger.clock import Clock, SystemClock
from ledger.errors import Unknown

OVERDUE_FACTOR = 3
OVERDUE_S = 60.0
"""How late a job may be, beside so many of its intervals, before that is told."""

_log = logging.getLogger(__name__)


class GoesOn:
    """Asked by a job between its steps: whether to do another one."""

    def __init__(self, stop: Event, is_held: Callable[[], bool]) -> None:
        self._stop = stop
        self._is_held = is_held

    def __call__(self) -> bool:
        return not self._stop.is_set() and self._is_held()


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so often; `work` returns how much it did."""

    name: str
    says: str
    every: timedelta
    work: Callable[[GoesOn], int]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How a job stands: `running`, `waiting`, `failed`, `died`, `overdue` or `never`.

    `died`: its last run was begun and never ended. `overdue`: nobody begins it.
    """

    name: str
    says: str
    every_s: float
    state: str
    last: JobState


class Schedule:
    """All jobs of one log. Made in the process that uses it."""

    def __init__(self, jobs: Sequence[Job], desk: JobDesk, clock: Clock) -> None:
        self.jobs = {job.name: job for job in jobs}
        self._desk = desk
        self._clock = clock

    def run_forever(self, stop: Event) -> None:
        """Run each job at its times until `stop` is set; end those under way."""
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(self.jobs))},
            job_defaults={"coalesce": True, "max_instances": 1},
            timezone=UTC,
        )
        # What is still at it when its time comes again is let be: no warning for that.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        for job in self.jobs.values():
            scheduler.add_job(
                self._tick,
                "interval",
                (job, stop),
                seconds=job.every.total_seconds(),
                next_run_time=SystemClock().now(),  # Its own, never a set one.
                misfire_grace_time=None,
            )
        scheduler.start()
        stop.wait()
        scheduler.shutdown(wait=True)
        self._desk.close()

    def run_now(self, name: str, stop: Event) -> bool:
        """Run one job, due or not; False if somebody else is at it.

        Raises `Unknown`, and whatever the job does.
        """
        return self._run(self._job(name), stop, every=None)

    def status(self) -> list[JobStatus]:
        """Tell of every job how it stands, whoever runs it."""
        return [self.status_of(name) for name in self.jobs]

    def status_of(self, name: str) -> JobStatus:
        """Tell of one job. Raises `Unknown`."""
        job = self._job(name)
        last = self._desk.state(name)
        state = _state(job, last, self._clock.now())
        return JobStatus(name, job.says, job.every.total_seconds(), state, last)

    def close(self) -> None:
        """Give back what this process holds."""
        self._desk.close()

    def _job(self, name: str) -> Job:
        job = self.jobs.get(name)
        if job is None:
            raise Unknown(what="job")
        return job

    def _tick(self, job: Job, stop: Event) -> None:
        try:
            self._run(job, stop, every=job.every)
        except Exception:  # noqa: BLE001, whatever it was: it is tried again
            _log.warning("job %s failed", job.name, exc_info=True)

    def _run(self, job: Job, stop: Event, *, every: timedelta | None) -> bool:
        with self._desk.turn(job.name, at=self._clock.now(), every=every) as turn:
            if turn is None:
                return False
            try:
                count = job.work(GoesOn(stop, turn.is_held))
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                self._desk.end(turn, FAILED, count=0, said=said, at=self._clock.now())
                raise
            self._desk.end(turn, DONE, count=count, said=None, at=self._clock.now())
            return True


def _state(job: Job, last: JobState, now: datetime) -> str:
    if last.running:
        return "running"
    if last.started_at is None:
        return "never"
    if last.ended_at is None or last.ended_at < last.started_at:
        return "died"
    if now - last.started_at > job.every * OVERDUE_FACTOR + timedelta(
        seconds=OVERDUE_S
    ):
        return "overdue"
    return "failed" if last.outcome == FAILED else "waiting"
