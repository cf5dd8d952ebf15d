"""Events as they get positions, for as long as somebody listens.

A notification is a hint that may be lost, with its connection or before anybody
listened: the log is asked again after a while, whether one came or not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import sleep

import psycopg
from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription
from psycopg import Connection
from psycopg.rows import DictRow

PAGE_MAX = 500
POLL_S = 0.1


class PositionSubscription(Subscription[ApplicationRecorder]):
    """An iterator that waits; `stop()`, from any thread, ends it within `POLL_S`."""

    def __init__(
        self,
        recorder: ApplicationRecorder,
        gt: int | None,
        topics: Sequence[str],
        *,
        listen: Callable[[], Connection[DictRow]],
    ) -> None:
        """`listen` opens a connection that is notified when the log has grown."""
        super().__init__(recorder, gt, topics)
        self._listen = listen
        self._page: deque[Notification] = deque()
        self._listening: Connection[DictRow] | None = None

    def __exit__(self, *args: object, **kwargs: object) -> None:
        super().__exit__(*args, **kwargs)
        self._hang_up()

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if self._page:
                return self._page.popleft()
            if not self._pull():
                self._wait()
        raise StopIteration

    def _pull(self) -> bool:
        after = self._last_notification_id or 0
        size = self._recorder.max_notification_id() or 0
        found = self._recorder.select_notifications(
            after, PAGE_MAX, topics=self._topics, inclusive_of_start=False
        )
        self._page.extend(found)
        # Without a match, all up to `size` was passed over: it is not looked at again.
        self._last_notification_id = found[-1].id if found else max(after, size)
        return bool(found)

    def _wait(self) -> None:
        try:
            if self._listening is None:
                # Asked again at once: what came before the first LISTEN told nobody.
                self._listening = self._listen()
                return
            for _ in self._listening.notifies(timeout=POLL_S, stop_after=1):
                pass
        except psycopg.Error:
            self._hang_up()
            sleep(POLL_S)  # There may be no connection to listen by for a while.

    def _hang_up(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
