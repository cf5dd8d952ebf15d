"""Keeps the views up to date, says how far they are, and rebuilds them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread

from eventsourcing.postgres import PostgresDatastore

from ledger.application import Ledger
from ledger.projections import locks
from ledger.projections.base import View
from ledger.projections.follower import Follower
from ledger.projections.pages import Pages
from ledger.projections.rebuild import Progress, Rebuild
from ledger.projections.registry import NAMES, projection

WATCH_S = 0.5
WAIT_MIN_S = 0.002
WAIT_MAX_S = 0.05


@dataclass(frozen=True, slots=True)
class RebuildStatus:
    """A rebuild that has begun and not ended; `error` says at which event it stopped.

    `running` is false after it was cut short: the next one goes on from `position`.
    """

    position: int
    started_at: datetime
    running: bool
    error: str | None


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
    rebuild: RebuildStatus | None


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

        pages = Pages(self._ledger)
        threads = [
            Thread(
                target=run,
                args=(self._follower(name, pages),),
                name=f"projection-{name}",
            )
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

    def rebuild(
        self, name: str, tell: Callable[[Progress], None] = lambda _: None
    ) -> int:
        """Derive a view anew beside the one that is read; return up to which position.

        `tell` is called along the way. Raises `Unknown` and what `Rebuild.run` does.
        """
        return self._rebuild(name).run(tell)

    def abandon(self, name: str) -> None:
        """Give up a rebuild that was cut short. Raises `Unknown`, `RebuildRunning`."""
        self._rebuild(name).abandon()

    def status(self, at: datetime) -> list[ProjectionStatus]:
        """Tell of every projection how far it is, whoever runs it."""
        return [self.status_of(name, at) for name in NAMES]

    def status_of(self, name: str, at: datetime) -> ProjectionStatus:
        """Tell of one projection how far it is. Raises `Unknown`."""
        follower = self._follower(name)
        view = follower.view
        position = view.position()
        behind = max(0, self._ledger.recorder.size() - position)
        stops = view.rows("SELECT error FROM projection_stops WHERE name = %s", (name,))
        error = stops[0]["error"] if stops else None
        state = "following" if self._is_held(follower.lock_key) else "unattended"
        return ProjectionStatus(
            name=name,
            position=position,
            lag_events=behind,
            lag_s=self._age_s(position, at) if behind else 0.0,
            state="stopped" if stops else state,
            error=error,
            rebuild=self._rebuild_status(name),
        )

    def _rebuild_status(self, name: str) -> RebuildStatus | None:
        rebuild = self._rebuild(name)
        rows = self._view(name).rows(
            "SELECT position, started_at, error FROM projection_rebuilds"
            " WHERE name = %s",
            (name,),
        )
        if not rows:
            return None
        return RebuildStatus(running=self._is_held(rebuild.lock_key), **rows[0])

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

    def _is_held(self, lock_key: int) -> bool:
        with self._datastore.get_connection() as connection:
            return locks.is_held(connection, lock_key)

    def _rebuild(self, name: str) -> Rebuild:
        return Rebuild(self._ledger, projection(name, self._datastore))

    def _follower(self, name: str, pages: Pages | None = None) -> Follower:
        its = projection(name, self._datastore)
        return Follower(self._ledger, its, pages=pages)

    def _view(self, name: str) -> View:
        return self._follower(name).view
