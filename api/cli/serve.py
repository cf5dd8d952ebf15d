"""`ledgerctl serve`: the database, the web server and the views, kept running together.

    supervisor ── holds the embedded database and the listening socket
        ├── gunicorn ── workers, each with an installation of its own
        ├── the runner of the projections, started again when it dies
        ├── the sequencer and publisher of the log, started again when it dies
        └── the jobs, started again when they die

Before anything is accepted the witnesses are asked whether they have seen more of this
log than there is. A signal stops all of them in order. A helper that is killed comes
back; the web server's end ends everything: somebody outside decides what then.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import click

from api.cli.figures import FOLDER, shown
from ledger.bootstrap import Installation, open_installation
from ledger.settings import Settings

BIND_TIMEOUT_S = 5.0
READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
RESTART_PAUSE_S, RESTART_PAUSE_MAX_S = 1.0, 30.0
STEADY_S = 60.0
LOOK_S = 0.1
BACKLOG = 1024


class ServeError(Exception):
    """The server cannot run; the message says why."""


class _Stop(Exception):
    """Somebody asked for the end."""


def serve(settings: Settings, *, port_file: Path | None) -> None:
    """Serve until a signal says stop. `settings.port` may be 0: any free port."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _stop)
    with ExitStack() as opened:
        its = opened.enter_context(open_installation(settings))
        ask_witnesses(its)
        listener = opened.enter_context(_listen(settings.host, settings.port))
        port = listener.getsockname()[1]
        counts = opened.enter_context(TemporaryDirectory(prefix="ledger-metrics-"))
        metrics_port = _show_metrics(opened, its, counts)
        children = Children(replace(settings, port=port), listener, counts)
        opened.callback(children.end)
        try:
            children.start()
            _await_ready(children, settings.host, port)
            if port_file is not None:
                opened.callback(port_file.unlink, missing_ok=True)
                _write(port_file, f"{port}\n")
            click.echo(f"The ledger answers at http://{_shown(settings.host)}:{port}")
            if metrics_port is not None:
                host = _shown(settings.metrics_host)
                click.echo(f"Metrics are at http://{host}:{metrics_port}/metrics")
            while True:
                children.look_after()
                time.sleep(LOOK_S)
        except _Stop:
            return


def _show_metrics(opened: ExitStack, its: Installation, folder: str) -> int | None:
    """Answer Prometheus, if the settings say where; return the port."""
    host, port = its.settings.metrics_host, its.settings.metrics_port
    if port is None:
        return None
    try:
        return opened.enter_context(shown(its, folder, host=host, port=port))
    except OSError as error:
        raise ServeError(
            f"Port {port} of {host}, for metrics, cannot be had: {error.strerror}."
        ) from None


def ask_witnesses(its: Installation) -> None:
    """Stop all appending if a witness is ahead of the log, and say so."""
    with its.publisher() as publisher:
        publisher.round(ask_all=True)
    why = its.proofs.stopped()
    if why is not None:
        click.echo(f"Nothing is appended: {why}", err=True)


class Children:
    """The processes that do the work; all end when this one does."""

    def __init__(
        self, settings: Settings, listener: socket.socket, counts: str
    ) -> None:
        """`counts` is the folder in which they count together."""
        self._settings = settings
        self._listener = listener
        environ = {
            FOLDER: counts,
            # Where we are found, whatever of it was said on the command line.
            "LEDGER_HOST": settings.host,
            "LEDGER_PORT": str(settings.port),
        }
        self._environ = environ
        self._web: subprocess.Popen[bytes] | None = None
        self._helpers = [
            _Helper(environ, "projections", "run", "--with-parent"),
            _Helper(environ, "log", "publish", "--with-parent"),
            _Helper(environ, "jobs", "work", "--with-parent"),
        ]

    def start(self) -> None:
        descriptor = self._listener.fileno()
        self._web = _run(
            [
                "gunicorn",
                "--config=python:api.cli.web",
                f"--bind=fd://{descriptor}",
                f"--workers={self._settings.workers}",
                f"--threads={self._settings.threads}",
            ],
            self._environ,
            descriptor,
        )
        for helper in self._helpers:
            helper.start()

    def look_after(self) -> None:
        """Start a helper again if it died; raise if the web server did."""
        if self._web is not None and self._web.poll() is not None:
            raise ServeError("The web server ended; what it said is above.")
        for helper in self._helpers:
            helper.look_after()

    def end(self) -> None:
        """Stop taking requests, finish those in flight, then end the helpers."""
        self._listener.close()  # The web server closes its own: nobody waits in vain.
        _end(self._web)
        for helper in self._helpers:
            helper.end()


class _Helper:
    """A command of ours that runs beside the web server, and comes back.

    One that dies again and again comes back ever later: each start costs the rest.
    """

    def __init__(self, environ: Mapping[str, str], *command: str) -> None:
        self._environ = environ
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause_s = RESTART_PAUSE_S

    def start(self) -> None:
        self._started = time.monotonic()
        self._process = _run(["api.cli", *self._command], self._environ)

    def look_after(self) -> None:
        age_s = time.monotonic() - self._started
        if self._process is None or self._process.poll() is None:
            if age_s > STEADY_S:
                self._pause_s = RESTART_PAUSE_S
        elif age_s > self._pause_s:
            self._pause_s = min(2 * self._pause_s, RESTART_PAUSE_MAX_S)
            self.start()

    def end(self) -> None:
        _end(self._process)


def _run(
    module: Sequence[str], environ: Mapping[str, str], *descriptors: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", *module],
        stdin=subprocess.PIPE,
        env={**os.environ, **environ},  # noqa: TID251, handed on and not read.
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C reaches the supervisor, which tells them.
    )


def _end(child: subprocess.Popen[bytes] | None) -> None:
    if child is None:
        return
    with suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _listen(host: str, port: int) -> socket.socket:
    """Bind, patiently: a killed predecessor's children may hold the port a moment."""
    deadline = time.monotonic() + BIND_TIMEOUT_S
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if time.monotonic() > deadline:
                raise ServeError(
                    f"Port {port} of {host} cannot be had: {error.strerror}."
                ) from None
            time.sleep(LOOK_S)


def _await_ready(children: Children, host: str, port: int) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        children.look_after()
        if _is_ready(host, port):
            return
        time.sleep(LOOK_S)
    raise ServeError(f"The server was not ready within {READY_TIMEOUT_S:.0f} s.")


def _is_ready(host: str, port: int) -> bool:
    asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(asked, port, timeout=READY_TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all: somebody waits for it to appear."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        raise ServeError(f"{path} cannot be written: {error.strerror}.") from None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _stop(_signal: int, _frame: FrameType | None) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # Once is enough: the end takes a moment.
    raise _Stop
