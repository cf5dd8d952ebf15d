"""The user's side: share the folder's server, start a keeper if there is none."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from ledger.adapters.embedded_postgres.place import EmbeddedPostgresError, programs

START_TIMEOUT_S = 60.0
"""Time for a first start: making the data folder takes seconds on a slow disk."""

STOP_TIMEOUT_S = 30.0
_PAUSE_S = 0.01
_KEEPER = "ledger.adapters.embedded_postgres.keeper"


class EmbeddedPostgres:
    """The PostgreSQL server of one folder, shared by all processes that use it."""

    def __init__(
        self, folder: Path, *, server_settings: Mapping[str, str] | None = None
    ) -> None:
        """`folder` is made if absent.

        `server_settings` are PostgreSQL's own (`{"fsync": "off"}` for a test); those
        of whoever starts the server count.
        """
        self._home = folder.absolute()
        self._settings = dict(server_settings or {})
        self._using: int | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """The server's address as libpq reads it. The server must be started."""
        if self._using is None:
            raise EmbeddedPostgresError("The embedded PostgreSQL is not started.")
        return self._url

    def start(self) -> Self:
        """Share the server, starting it first if need be.

        Raises EmbeddedPostgresError when it cannot be had within START_TIMEOUT_S.
        """
        programs()
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            self._home.mkdir(mode=0o755, parents=True, exist_ok=True)
            # Waits while a keeper stops the server: it holds this lock alone then.
            using = _lock(self._home / "users.lock", fcntl.LOCK_SH, deadline)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The folder {self._home} cannot be used: {error.strerror}."
            ) from error
        try:
            starting = _lock(self._home / "start.lock", fcntl.LOCK_EX, deadline)
            try:
                self._url = self._await_url(deadline)
            finally:
                os.close(starting)
        except BaseException:
            os.close(using)
            raise
        self._using = using
        return self

    def stop(self) -> None:
        """Leave the server; the last to leave waits until it has stopped."""
        if self._using is None:
            return
        os.close(self._using)
        self._using = None
        self._await_end(unless=self._others_use_it)

    def await_end(self) -> None:
        """Wait until whoever uses the server has left, and it has stopped.

        Raises EmbeddedPostgresError if they do not leave.
        """
        self._await_end(unless=lambda: False)

    def _await_end(self, *, unless: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._keeper_lives() and not unless():
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError("The embedded PostgreSQL does not stop.")
            time.sleep(_PAUSE_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _await_url(self, deadline: float) -> str:
        spawned = False
        while time.monotonic() < deadline:
            lives = self._keeper_lives()
            if lives and _answers(url := _read(self._home / "url")):
                return url
            if not lives:
                if spawned:
                    raise EmbeddedPostgresError(
                        "The embedded PostgreSQL did not start:"
                        f" {_last_line(self._home / 'keeper.log')}"
                        f" (more in {self._home})."
                    )
                self._spawn_keeper()
                spawned = True
            time.sleep(_PAUSE_S)
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL was not ready within {START_TIMEOUT_S:.0f} s."
        )

    def _spawn_keeper(self) -> None:
        """Run the keeper's program; it returns once the keeper holds its lock."""
        options = [f"{name}={value}" for name, value in self._settings.items()]
        (self._home / "url").unlink(missing_ok=True)
        with (self._home / "keeper.log").open("wb") as log:
            subprocess.run(
                [sys.executable, "-m", _KEEPER, str(self._home), *options],
                cwd=Path(__file__).parents[3],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at a user's terminal is not for it.
                check=False,
            )

    def _keeper_lives(self) -> bool:
        return not _is_free(self._home / "keeper.lock")

    def _others_use_it(self) -> bool:
        """Whether the users' lock is shared: a stopping keeper holds it alone."""
        if _is_free(self._home / "users.lock"):
            return False
        return _is_free(self._home / "users.lock", fcntl.LOCK_SH)


def _lock(path: Path, how: int, deadline: float) -> int:
    """Lock a file and return its descriptor: closing it, or dying, lets it go."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(opened, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(opened)
                raise EmbeddedPostgresError(f"{path} stays locked.") from None
            time.sleep(_PAUSE_S)
        else:
            return opened


def _is_free(path: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Whether the lock could be had at this moment."""
    try:
        opened = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(opened, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(opened)


def _answers(url: str) -> bool:
    """Whether a server listens there: a killed one leaves its socket behind."""
    if not url:
        return False
    (folder,) = parse_qs(urlsplit(url).query)["host"]
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(f"{folder}/.s.PGSQL.5432")
        except OSError:
            return False
    return True


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "its keeper was ended"
