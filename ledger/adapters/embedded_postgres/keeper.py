"""The keeper: runs the server in the foreground for as long as somebody uses it.

A program of its own, started by the first user:
`python -m ledger.adapters.embedded_postgres.keeper HOME [NAME=VALUE…]`

It holds `keeper.lock` all its life, writes `url` when the server answers, and stops the
server when it can have `users.lock` for itself. If the keeper is killed, Linux tells
the server to stop; what is still there at the next start is ended first.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from ledger.adapters.embedded_postgres.place import (
    EmbeddedPostgresError,
    Place,
    settle,
)
from ledger.adapters.embedded_postgres.processes import (
    PAUSE_S,
    end_strays,
    log_end,
    run,
    stop,
)

MAX_CONNECTIONS = 200
LOCK_TIMEOUT_S = 0.5
READY_TIMEOUT_S = 50.0
"""Recovery after a crash replays at most `max_wal_size`, 1 GB."""

WATCH_S = 0.1
USER = "ledger"


class _Ended(Exception):
    """Somebody asked the keeper to end."""


def main(arguments: Sequence[str]) -> int:
    home, settings = Path(arguments[0]), arguments[1:]
    if not _locked(home / "keeper.lock"):
        return 0  # Another keeper lives.
    if os.fork():
        return 0  # The lock goes on with the child, whom no user has to wait for.
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, _end)
    try:
        _keep(settle(home), settings)
    except _Ended:
        return 0
    except (EmbeddedPostgresError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a program's own message
        return 1
    return 0


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise _Ended


def _locked(path: Path) -> bool:
    """Take the lock for life; a moment's patience, for users look at it in passing."""
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while not _have(opened):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_S)
    return True


def _have(opened: int) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _keep(place: Place, settings: Sequence[str]) -> None:
    end_strays(place)
    for leftover in place.base.glob("initdb-*"):
        shutil.rmtree(leftover)
    if not place.data.exists():
        _make_data(place)
    url = place.home / "url"
    server = _start(place, settings)
    try:
        _await_ready(place, server)
        _write(
            url, f"postgresql://{USER}@/postgres?host={quote(str(place.sockets), '')}"
        )
        _watch(place, server)
    finally:
        url.unlink(missing_ok=True)
        stop(server)
        if place.sockets.parent != place.base:
            place.sockets.rmdir()  # It stands in /tmp, where nobody else tidies up.


def _make_data(place: Place) -> None:
    """Make the data folder beside its place and move it there when it is whole."""
    draft = Path(tempfile.mkdtemp(prefix="initdb-", dir=place.base))
    if place.owner:
        os.chown(draft, place.owner.uid, place.owner.gid)
    made = run(
        place,
        "initdb",
        f"--pgdata={draft}",
        f"--username={USER}",
        # Only this user and root can enter the folder of the socket; no other way in.
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        # Built in: the same order of text on every system and after every upgrade.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-instructions",
    )
    if made.wait() != 0:
        raise EmbeddedPostgresError(f"initdb failed: {log_end(place)}")
    draft.rename(place.data)


def _start(place: Place, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    ours = (
        "listen_addresses=",
        f"unix_socket_directories={place.sockets}",
        f"max_connections={MAX_CONNECTIONS}",
        "timezone=UTC",
        "log_timezone=UTC",
        "log_checkpoints=off",
        *settings,
    )
    options = [word for setting in ours for word in ("-c", setting)]
    return run(place, "postgres", "-D", str(place.data), *options)


def _await_ready(place: Place, server: subprocess.Popen[bytes]) -> None:
    """Wait for the status line of `postmaster.pid`, as `pg_ctl` does."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        lines = _pid_file(place)
        if lines[:1] == [str(server.pid)] and lines[7:8] == ["ready"]:
            return
        if server.poll() is not None:
            raise EmbeddedPostgresError(f"PostgreSQL ended: {log_end(place)}")
        time.sleep(PAUSE_S)
    raise EmbeddedPostgresError(
        f"PostgreSQL was not ready within {READY_TIMEOUT_S:.0f} s."
    )


def _watch(place: Place, server: subprocess.Popen[bytes]) -> None:
    """Return when nobody uses the server: nobody can come in from then on."""
    users = os.open(place.home / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    while not _have(users):
        if server.poll() is not None:
            raise EmbeddedPostgresError(f"PostgreSQL ended: {log_end(place)}")
        time.sleep(WATCH_S)


def _pid_file(place: Place) -> list[str]:
    try:
        text = (place.data / "postmaster.pid").read_text()
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
