"""Keeps the views up to date, says how far they are, and rebuilds them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread

from eventsourcing.postgres import PostgresDatastore

from ledger.application import Ledger
from ledger.log.recorder import connect
from ledger.projections.base import View
from ledger.projections.follower import BATCH_MAX, Follower
from ledger.projections.registry import NAMES, projection

WATCH_S = 0.5
WAIT_MIN_S = 0.002
WAIT_MAX_S = 0.05


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """How far a view is behind the log.

    `state` is `following`, `unattended` (no runner has it) or `stopped` (an event did
    not fit, `error` says why). `lag_s` is the age of the first event not taken in, None
    if that event cannot be read.
    """

    name: str
    position: int
    lag_events: int
    lag_s: float | None
    state: str
    error: str | None


class Runner:
    """All projections of one log. Made in the process that uses it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._datastore: PostgresDatastore = ledger.recorder.datastore

    def run_forever(self, stop: Event) -> None:
        """Follow the log until `stop` is set; a bug in one thread ends them all."""
        failed: list[Exception] = []

        def run(follower: Follower) -> None:
            try:
                follower.run(stop)
            except Exception as error:  # noqa: BLE001, raised again below
                failed.append(error)

        threads = [
            Thread(target=run, args=(self._follower(name),), name=f"projection-{name}")
            for name in NAMES
        ]
        for thread in threads:
            thread.start()
        while not failed and not stop.wait(WATCH_S):
            pass
        stop.set()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def wait_for(self, name: str, position: int, timeout_s: float) -> int:
        """Wait until a view has come as far as `position`; return how far it is."""
        view = self._view(name)
        deadline = time.monotonic() + timeout_s
        pause_s = WAIT_MIN_S
        while (reached := view.position()) < position:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            time.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, WAIT_MAX_S)
        return reached

    def rebuild(self, name: str) -> int:
        """Derive a view anew from the whole log; return how many events that took.

        One transaction: readers see the old rows until it ends, and if it is cut short
        nothing has changed. A follower waits meanwhile. Raises `Unknown`, and `Stopped`
        at an event that does not fit.
        """
        follower = self._follower(name)
        view = follower.view
        taken = position = 0
        with connect(self._datastore) as connection, view.anew(connection):
            while found := self._ledger.recorder.select_notifications(
                position, BATCH_MAX, inclusive_of_start=False
            ):
                for each in found:
                    follower.process(each)
                taken += len(found)
                position = found[-1].id
        return taken

    def status(self, at: datetime) -> list[ProjectionStatus]:
        """Tell of every projection how far it is, whoever runs it."""
        return [self._status(name, at) for name in NAMES]

    def _status(self, name: str, at: datetime) -> ProjectionStatus:
        view = self._view(name)
        position = view.position()
        behind = max(0, self._ledger.recorder.size() - position)
        stops = view.rows("SELECT error FROM projection_stops WHERE name = %s", (name,))
        error = stops[0]["error"] if stops else None
        state = "following" if self._is_followed(name) else "unattended"
        return ProjectionStatus(
            name=name,
            position=position,
            lag_events=behind,
            lag_s=self._age_s(position, at) if behind else 0.0,
            state="stopped" if stops else state,
            error=error,
        )

    def _age_s(self, position: int, at: datetime) -> float | None:
        """Return how old the first event after a position is."""
        found = self._ledger.recorder.select_notifications(
            position, 1, inclusive_of_start=False
        )
        try:
            state = self._ledger.mapper.transcoder.decode(found[0].state)
            age_s: float = (at - state["timestamp"]).total_seconds()
            return max(0.0, age_s)
        except (TypeError, ValueError, KeyError):
            return None

    def _is_followed(self, name: str) -> bool:
        follower = self._follower(name)
        (locks,) = self._view(name).rows(
            "SELECT count(*) AS held FROM pg_locks WHERE locktype = 'advisory'"
            " AND granted AND objsubid = 1 AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND (classid::bigint << 32 | objid::bigint) = %s",
            (follower.lock_key,),
        )
        return bool(locks["held"])

    def _follower(self, name: str) -> Follower:
        return Follower(self._ledger, projection(name, self._datastore))

    def _view(self, name: str) -> View:
        return self._follower(name).view
