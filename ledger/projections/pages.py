"""The newest end of the log, read once and decoded once for all views of a process."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

from eventsourcing.persistence import Notification

from ledger.application import Ledger

KEPT_MAX = 2_000


class Pages:
    """Events as their readers need them: most of them stand at the same place.

    May be used by several threads. What lies further back than the newest `KEPT_MAX`
    events is read for him who asks, and not kept.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = Lock()
        self._kept: list[Notification] = []
        self._decoded: dict[int, tuple[Notification, Any]] = {}

    def after(self, position: int, limit: int) -> Sequence[Notification]:
        """Return so many events after a position, or as many as there are."""
        with self._lock:
            if self._kept and self._kept[0].id <= position + 1 <= self._kept[-1].id:
                first = position + 1 - self._kept[0].id  # There are no gaps.
                return self._kept[first : first + limit]
            # One reads while the others wait: then it is there for them, too.
            found = self._ledger.recorder.select_notifications(
                position, limit, inclusive_of_start=False
            )
            self._keep(found)
            return found

    def event(self, found: Notification) -> Any:
        """Return the event of a line that was given out; readers do not change it."""
        kept = self._decoded.get(found.id)
        if kept is not None and kept[0] is found:
            return kept[1]
        event = self._ledger.mapper.to_domain_event(found)
        with self._lock:
            if self._kept and self._kept[0].id <= found.id:
                self._decoded[found.id] = found, event
        return event

    def forget(self) -> None:
        """Read anew: the database may have been replaced by an older one."""
        with self._lock:
            self._kept = []
            self._decoded = {}

    def _keep(self, found: Sequence[Notification]) -> None:
        newest = self._kept[-1].id if self._kept else 0
        if not found or found[-1].id <= newest:
            return
        if found[0].id != newest + 1:
            self._kept = []
        self._kept = [*self._kept, *found][-KEPT_MAX:]
        first = self._kept[0].id
        for position in [each for each in self._decoded if each < first]:
            del self._decoded[position]
