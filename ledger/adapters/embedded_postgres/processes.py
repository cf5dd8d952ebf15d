"""The server's processes: started as its owner, stopped, and found when left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ledger.adapters.embedded_postgres.place import (
    EmbeddedPostgresError,
    Owner,
    Place,
)

STOP_TIMEOUT_S = 10.0
PAUSE_S = 0.01

_ENVIRON = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


def run(place: Place, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a program of the server as its owner, to end with this keeper."""
    with (place.home / "postgres.log").open("wb") as log:
        return subprocess.Popen(
            [str(place.programs / program), *arguments],
            cwd="/",
            env=_ENVIRON,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with(os.getpid()),
            **_as(place.owner),
        )


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown; if that hangs, an immediate one, which recovers at next start."""
    for kind in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(kind)
            try:
                server.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                continue


def end_strays(place: Place) -> None:
    """End what a killed keeper left, and its pid file, which may name a stranger.

    A PostgreSQL process works in its data folder: that tells it from whoever has its
    number by now. Where the system does not tell (macOS), PostgreSQL judges itself.
    """
    if _LIBC is None:
        return
    for kind in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + STOP_TIMEOUT_S
        told: set[int] = set()
        while strays := _working_in(place.data):
            if time.monotonic() > deadline:
                break
            for pid in strays - told:
                _signal(pid, kind)
            told |= strays
            time.sleep(PAUSE_S)
        else:
            (place.data / "postmaster.pid").unlink(missing_ok=True)
            return
    raise EmbeddedPostgresError(f"An old PostgreSQL in {place.data} does not end.")


def log_end(place: Place) -> str:
    text = (place.home / "postgres.log").read_text(errors="replace").strip()
    return text.splitlines()[-1] if text else "it said nothing"


def _working_in(folder: Path) -> set[int]:
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.add(int(process.name))
        except OSError:  # Gone, a zombie, or another user's.
            continue
    return found


def _signal(pid: int, kind: signal.Signals) -> None:
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        return


def _as(owner: Owner | None) -> dict[str, Any]:
    if owner is None:
        return {}
    return {"user": owner.uid, "group": owner.gid, "extra_groups": []}


def _end_with(keeper: int) -> Callable[[], None] | None:
    # Set in the child, after it changed its user: that would clear it.
    return partial(_ask_for_death_signal, keeper) if _LIBC else None


def _ask_for_death_signal(keeper: int) -> None:
    assert _LIBC
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
    if os.getppid() != keeper:
        os._exit(1)
