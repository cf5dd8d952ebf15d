"""A user terminal in public: one person after the other, and nothing is left of any.

Each session has a folder of its own, in which its terminal key is drawn and its
journal is kept. When it ends, however it ends, the ledger is told that this terminal is
no more, and the folder goes; what a killed program has left goes when the next begins.

A write that was left unsettled is settled by what the card shows at its next tap, at
any terminal: the ledger has it, and the kiosk has to keep nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable
from card_bridge.http_gateway import HttpGateway
from card_bridge.terminal import ID_FILE

SESSIONS = "kiosk"
IDLE_S = 120.0
LINE_MAX = 4096
_CLEARED = "\x1b[2J\x1b[3J\x1b[H"  # The screen, and what was scrolled out of it.


class SessionEnded(Exception):
    """The person has left: said so, or does not say anything any more."""


@contextlib.contextmanager
def session(home: Path, gateway: HttpGateway) -> Iterator[Path]:
    """Give one person's session a folder; forget the person when it ends."""
    folder = Path(tempfile.mkdtemp(dir=forget_all(home), prefix="session-"))
    try:
        yield folder
    finally:
        try:
            _sign_off(folder, gateway)
        finally:
            shutil.rmtree(folder)


def forget_all(home: Path) -> Path:
    """Remove what sessions have left; return the folder that sessions begin in."""
    folder = home / SESSIONS
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _sign_off(folder: Path, gateway: HttpGateway) -> None:
    """Revoke the terminal of this session; its key is gone in any case."""
    try:
        device_id = (folder / ID_FILE).read_text().strip()
    except FileNotFoundError:
        return  # Nothing was done for which a terminal is needed.
    with contextlib.suppress(LedgerRefusal, LedgerUnreachable):
        gateway.call("DELETE", f"/v1/devices/{device_id}")


def clear_screen() -> None:
    """Let nobody read what the one before was told."""
    if sys.stdout.isatty():
        sys.stdout.write(_CLEARED)
        sys.stdout.flush()


class Keyboard:
    """Lines from a person, read without looking ahead; none is kept."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def line(self, *, idle_s: float | None = None) -> str:
        """Return the next line. Raises `SessionEnded` at its end, or after idling."""
        typed = bytearray()
        while not typed.endswith(b"\n"):
            ready, _, _ = select.select([self._handle], [], [], idle_s)
            byte = os.read(self._handle, 1) if ready else b""
            if not byte or len(typed) > LINE_MAX:
                raise SessionEnded
            typed += byte
        return typed.decode(errors="replace").strip()

    def hidden(self, *, idle_s: float | None = None) -> str:
        """Return the next line without showing it while it is typed."""
        if not os.isatty(self._handle):
            return self.line(idle_s=idle_s)
        before = termios.tcgetattr(self._handle)
        silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
        termios.tcsetattr(self._handle, termios.TCSAFLUSH, silent)
        try:
            return self.line(idle_s=idle_s)
        finally:
            termios.tcsetattr(self._handle, termios.TCSAFLUSH, before)
