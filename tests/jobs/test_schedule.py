"""Jobs run once at a time and as often as they should, and nobody's death stops them.

Bugs planted to see this fail: no lock taken; a run taken without looking when the last
one was; the end written without asking for the fence; a failure that is not noted.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from threading import Event, Lock

import pytest

from ledger.clock import SystemClock
from ledger.errors import Unknown
from ledger.jobs.schedule import GoesOn
from ledger.log.recorder import connect
from tests.domain.examples import NOON
from tests.jobs.scheduling import desk, job, running, schedule, wait_until
from tests.usecases.conftest import StoppedClock

MINUTE = timedelta(minutes=1)


class Counted:
    """Work that counts itself, and notices if it is done twice at once."""

    def __init__(self) -> None:
        self.times: list[datetime] = []
        self.most = 0
        self._now = 0
        self._lock = Lock()

    def __call__(self, _: GoesOn) -> int:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.times.append(SystemClock().now())
        Event().wait(0.02)
        with self._lock:
            self._now -= 1
        return 3


def test_several_processes_keep_one_schedule_and_each_job_is_run_once_in_its_time(
    ledger,
):
    counted, often = Counted(), 0.2
    made = [schedule(ledger, job("tidy", counted, every_s=often)) for _ in range(3)]
    with running(*made):
        wait_until(lambda: len(counted.times) >= 5)
    assert counted.most == 1
    between = [b - a for a, b in zip(counted.times, counted.times[1:], strict=False)]
    assert min(between) > timedelta(seconds=often) * 0.7
    (status,) = schedule(ledger, job("tidy", every_s=often)).status()
    assert (status.last.outcome, status.last.count) == ("done", 3)


def test_a_killed_holder_is_followed_at_once_and_its_run_is_told_as_died(
    ledger, database
):
    counted = Counted()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.jobs.worker"),
            *(database.server_url, database.schema),
        ],
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"working\n"
        its = schedule(ledger, job("tidy", counted))
        assert its.status_of("tidy").state == "running"
        assert not its.run_now("tidy", Event())
        assert counted.times == []
        worker.kill()
        worker.wait()
        wait_until(lambda: its.status_of("tidy").state == "died")
        assert its.run_now("tidy", Event())
    assert len(counted.times) == 1
    status = its.status_of("tidy")
    assert (status.state, status.last.runner) == ("waiting", "test")
    its.close()


def test_others_who_stand_by_take_a_killed_ones_job_when_it_is_due(ledger, database):
    counted = Counted()
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.jobs.worker"),
            *(database.server_url, database.schema),
        ],
        stdout=subprocess.PIPE,
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"working\n"
        with running(schedule(ledger, job("tidy", counted, every_s=0.2))):
            worker.kill()
            wait_until(lambda: bool(counted.times))


def test_who_lost_the_lock_is_told_so_and_writes_no_more_once_another_began(ledger):
    first, second = desk(ledger, "first"), desk(ledger, "second")
    with first.turn("tidy", at=NOON, every=None) as lost:
        assert lost is not None
        assert lost.is_held()
        cut(ledger)
        assert not lost.is_held()
        with second.turn("tidy", at=NOON, every=None) as found:
            assert found is not None
            assert found.fence == lost.fence + 1
            assert not first.end(lost, "failed", count=0, said="late", at=NOON)
            assert second.end(found, "done", count=1, said=None, at=NOON)
    state = second.state("tidy")
    assert (state.runner, state.outcome, state.said) == ("second", "done", None)
    # The first comes back with another connection.
    with first.turn("tidy", at=NOON, every=None) as again:
        assert again is not None
    first.close()
    second.close()


def cut(ledger) -> None:
    """End the connection that holds a job's lock, as a fail-over would."""
    with connect(ledger.recorder.datastore) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'SELECT 1%' AND pid <> pg_backend_pid() AND pid IN"
            " (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
        )


def test_a_job_is_due_again_when_its_time_is_over_or_somebody_asks(ledger):
    its = desk(ledger)
    for at, every, due in (
        (NOON, MINUTE, True),
        (NOON + MINUTE / 2, MINUTE, False),
        (NOON + MINUTE / 2, None, True),
        (NOON + MINUTE, MINUTE, False),
        (NOON + 2 * MINUTE, MINUTE, True),
        (NOON - 99 * MINUTE, MINUTE, True),  # The last one's clock was wrong.
    ):
        with its.turn("tidy", at=at, every=every) as turn:
            assert (turn is not None) == due
    its.close()


def test_a_job_that_fails_says_why_and_neither_it_nor_others_are_stopped_by_it(ledger):
    counted, tries = Counted(), []

    def fail(_: GoesOn) -> int:
        tries.append(1)
        raise ValueError("the disk is full")

    made = schedule(ledger, job("bad", fail, every_s=0.1), job("good", counted))
    with running(made):
        wait_until(lambda: len(tries) >= 3)
        wait_until(lambda: len(counted.times) >= 1)
    bad = made.status_of("bad")
    assert bad.state == "failed"
    assert bad.last.said == "ValueError: the disk is full"
    assert bad.last.failures >= 3
    assert made.status_of("good").state == "waiting"
    with pytest.raises(ValueError, match="disk"):
        made.run_now("bad", Event())
    made.close()


def test_a_stop_ends_jobs_between_their_steps(ledger):
    steps: list[int] = []

    def work(goes_on: GoesOn) -> int:
        while goes_on():
            steps.append(1)
            Event().wait(0.01)
        return len(steps)

    made = schedule(ledger, job("long", work))
    with running(made):
        wait_until(lambda: len(steps) > 3)
        assert made.status_of("long").state == "running"
    assert made.status_of("long").last.count == len(steps)


def test_a_job_stands_as_what_became_of_it(ledger):
    clock = StoppedClock()
    its = schedule(ledger, job("tidy", every_s=60), clock=clock)
    assert its.status_of("tidy").state == "never"
    its.run_now("tidy", Event())
    assert its.status_of("tidy").state == "waiting"
    clock.passes(seconds=240)
    assert its.status_of("tidy").state == "waiting"
    clock.passes(seconds=1)
    assert its.status_of("tidy").state == "overdue"
    with pytest.raises(Unknown):
        its.run_now("nonsense", Event())
    its.close()


def test_a_database_that_is_away_stops_no_schedule(ledger):
    counted = Counted()
    made = schedule(ledger, job("tidy", counted, every_s=0.1))
    with running(made):
        wait_until(lambda: len(counted.times) >= 1)
        with connect(ledger.recorder.datastore) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND query LIKE '%%advisory%%'"
            )
        before = len(counted.times)
        wait_until(lambda: len(counted.times) > before + 1)
