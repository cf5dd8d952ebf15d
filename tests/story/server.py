"""The ledger as its operator runs it: `ledgerctl serve`, a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

START_S = 60
STOP_S = 20
POLL_S = 0.05


class ServerFailed(Exception):
    """The server did not come up; the message holds the end of what it said."""


class Server:
    """A running `ledgerctl serve`; ended by leaving the `with` block."""

    def __init__(
        self, home: Path, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self.environ = {
            **os.environ,
            "LEDGER_HOME": str(home),
            "LEDGER_WORKERS": "1",
            "LEDGER_THREADS": "4",
            **(settings or {}),
        }
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.home.mkdir(parents=True, exist_ok=True)
        port_file = self.home / "port"
        port_file.unlink(missing_ok=True)
        self._said = (self.home / "serve.log").open("wb")
        self._process = subprocess.Popen(
            [*PROGRAM, *SERVE, "--port-file", str(port_file)],
            env=self.environ,
            stdin=subprocess.PIPE,  # Killed in whatever way, we take the server along.
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )
        port = self._wait_for(port_file)
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process is not None and process.stdin is not None:
            process.stdin.close()
        self._said.close()

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `ledgerctl` against the same installation."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    def _wait_for(self, port_file: Path) -> int:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            if port_file.exists() and (text := port_file.read_text().strip()):
                return int(text)
            time.sleep(POLL_S)
        self.__exit__()
        said = (self.home / "serve.log").read_text(errors="replace")
        raise ServerFailed(f"ledgerctl serve did not start:\n{said[-2_000:]}")


PROGRAM = (sys.executable, "-m", "api.cli")
SERVE = ("serve", "--with-parent", "--port", "0")
