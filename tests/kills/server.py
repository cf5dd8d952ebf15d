"""A PostgreSQL server of a campaign's own, to be killed and started again.

Ways to die: `postmaster`, it alone, and the others notice; `server`, all its processes
at once; `immediate`, PostgreSQL's own stop without a checkpoint; `backend`, one process
of a client, after which the postmaster ends all others and recovers by itself. With a
disk of its own (`disk.py`) also `power`: what was not synced is gone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from ledger.adapters.embedded_postgres import EmbeddedPostgres
from tests.kills.disk import Disk
from tests.kills.waiting import wait_until

WAYS = ("postmaster", "server", "immediate", "backend")
RECOVERED = {
    "backend": "all server processes terminated; reinitializing",
    "postmaster": "automatic recovery in progress",
    "server": "automatic recovery in progress",
    "immediate": "automatic recovery in progress",
    "power": "automatic recovery in progress",
}
"""What PostgreSQL's log says of each."""


class CrashableServer:
    """The server in one folder; ended by leaving the `with` block."""

    def __init__(
        self, home: Path, settings: Mapping[str, str], disk: Disk | None = None
    ) -> None:
        """`home` is on the disk, if one is given."""
        self._disk = disk
        self._home = home
        self._settings = settings
        self._server = self._made()

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        """The same after every start."""
        return self._server.url

    def die(self, way: str) -> None:
        """Die in one of the `WAYS` or by `power`, be started again, have recovered."""
        data = self._data()
        postmaster = int((data / "postmaster.pid").read_text().splitlines()[0])
        said = self._said(way)
        if way == "backend":
            with psycopg.connect(self.url) as connection:
                os.kill(connection.info.backend_pid, signal.SIGKILL)
        else:
            self._end(way, postmaster, data)
            self._server = self._made().start()
            said = 0  # Each start has a log of its own.
        wait_until(f"the server recovers from {way}", lambda: self._said(way) > said)
        wait_until("the server answers", self._answers)

    def _end(self, way: str, postmaster: int, data: Path) -> None:
        everybody = [postmaster, *working_in(data)]
        if way == "power":
            assert self._disk is not None
            for pid in everybody:
                _signal(pid, signal.SIGSTOP)
            self._disk.copy()
        killed = everybody if way in ("server", "power") else [postmaster]
        for pid in killed:
            _signal(pid, signal.SIGQUIT if way == "immediate" else signal.SIGKILL)
        wait_until("the postmaster is gone", lambda: not _lives(postmaster))
        self._server.stop()
        if self._disk is not None and way == "power":
            self._disk.replace()

    def _made(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(self._home, server_settings=self._settings)

    def _data(self) -> Path:
        stand_in = self._home / "stands-in"
        base = Path(stand_in.read_text().strip()) if stand_in.exists() else self._home
        return base / "data"

    def _said(self, way: str) -> int:
        text = (self._home / "postgres.log").read_text(errors="replace")
        return text.count(RECOVERED[way])

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False


def working_in(folder: Path) -> list[int]:
    """The processes that work in a folder, as all of a server do in its data."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:  # Gone, or a zombie.
            continue
    return found


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _signal(pid: int, kind: signal.Signals) -> None:
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        return
