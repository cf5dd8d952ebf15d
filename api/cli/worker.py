"""The web server's worker: a caller who is too slow is let go of.

A thread serves one connection at a time, so a handful of callers who never send the
rest of their requests would keep all others out.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import TConn, ThreadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_TIME_MAX_S = 60.0
LOOKS_A_SPELL = 10


class Watch:
    """Closes the connections whose answer has not begun in time."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._until: dict[socket.socket, float] = {}

    def begin(self, connection: socket.socket) -> None:
        self._until[connection] = time.monotonic() + self._limit_s

    def end(self, connection: socket.socket) -> None:
        self._until.pop(connection, None)

    def run_forever(self) -> None:
        while True:
            time.sleep(self._limit_s / LOOKS_A_SPELL)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Close what is late: whoever reads from it reads its end."""
        for connection, until in tuple(self._until.items()):
            if until < now:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Threads, and a watch over how long each waits for its caller."""

    limit_s = REQUEST_TIME_MAX_S

    def init_process(self) -> None:
        self._watch = Watch(self.limit_s)
        watching = threading.Thread(target=self._watch.run_forever, daemon=True)
        watching.start()
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        its: Any = self
        its.wsgi = _Answering(its.wsgi, self._watch)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001, gunicorn's
        super().set_accept_enabled(enabled)
        if not self.alive:  # Nobody waits for one who will not accept again.
            for each in self.sockets:
                each.close()

    def handle(self, conn: TConn) -> Any:
        self._watch.begin(conn.sock)
        try:
            return super().handle(conn)
        finally:
            self._watch.end(conn.sock)


class _Answering:
    """Ends the watch when an answer begins: who reads a long one may be slow."""

    def __init__(self, application: WSGIApplication, watch: Watch) -> None:
        self._application = application
        self._watch = watch

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        def begin(*said: Any, **more: Any) -> Any:
            self._watch.end(environ["gunicorn.socket"])
            return start_response(*said, **more)

        return self._application(environ, begin)
