"""A PC/SC service of one's own: pcscd with the vpcd reader, for a demo or a test.

It takes nothing from the machine's own service: our socket is handed to pcscd as
systemd would hand it (LISTEN_FDS). So it needs no root, and started as root it runs as
an ordinary user. It ends with the process that started it.

The vpcd driver listens on all interfaces, it knows no other way: whoever reaches its
port can lay a card on this reader. A strange card knows no key, but this is no way to
run a reader in production.
"""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from card_bridge.transport.pcsc import PcscUnavailable, reader_names

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
_POLL_S = 0.05
_READER = "eticket-ledger virtual reader"
_SLOT = f"{_READER} 00 00"  # As pcscd names the first slot.
_NOBODY = 65534
_SYSTEM_FOLDERS = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/usr/bin"))
_DRIVER_GLOBS = (
    "usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    "usr/lib/*/pcsc/drivers/serial/libifdvpcd.so",
    "usr/local/lib/pcsc/drivers/serial/libifdvpcd.so",
)
# pcscd must find the socket as descriptor 3 and its own process id in LISTEN_PID.
_AS_SYSTEMD = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0 </dev/null'
_OWN_RUN = 'mount -t tmpfs run /run && exec "$@"'
_RUN_FOLDER = Path("/run/pcscd")
_SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"


class DaemonUnavailable(Exception):
    """pcscd or its driver is not installed, or does not start here."""

    code = "pcscd-unavailable"


@dataclass(frozen=True, slots=True)
class Parts:
    pcscd: Path
    driver: Path


def installed() -> Parts | None:
    """Where pcscd and the vpcd driver are; None if one is missing."""
    pcscd = shutil.which("pcscd") or shutil.which("pcscd", path=_SYSTEM_FOLDERS)
    drivers = [path for glob in _DRIVER_GLOBS for path in Path("/").glob(glob)]
    return Parts(Path(pcscd), drivers[0]) if pcscd and drivers else None


class PrivateDaemon:
    """Runs as long as the `with` lasts; once in a process, as libpcsclite keeps it."""

    reader = _SLOT

    def __init__(self) -> None:
        self.port = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What a child process needs in its environment to meet this service."""
        return {_SOCKET_VARIABLE: str(self._path("pcscd.comm"))}

    def __enter__(self) -> Self:
        parts = installed()
        if parts is None:
            raise DaemonUnavailable("Install the packages pcscd and vsmartcard-vpcd.")
        self._folder = tempfile.TemporaryDirectory(prefix="eticket-pcscd-")
        try:
            self._start(parts)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def log(self) -> str:
        """What pcscd has said so far."""
        return self._path("log").read_text(errors="replace")

    def _start(self, parts: Parts) -> None:
        self._path("").chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)
        self.port = _free_pair()
        config = self._path("reader.conf")
        config.write_text(
            f'FRIENDLYNAME "{_READER}"\n'
            f"DEVICENAME /dev/null:{self.port}\n"
            f"LIBPATH {parts.driver}\n"
            f"CHANNELID {self.port}\n"
        )
        config.chmod(0o644)
        address = self.environment[_SOCKET_VARIABLE]
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
            Path(address).chmod(stat.S_IRUSR | stat.S_IWUSR)
            listening.listen()
            with self._path("log").open("wb") as log:
                self._process = subprocess.Popen(
                    _command(parts.pcscd, config),
                    stdin=listening.fileno(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        # Only now, and not in `os.environ`: libpcsclite reads it at its first call.
        os.putenv(*next(iter(self.environment.items())))
        self._wait()

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                if _SLOT in reader_names():
                    return
            except PcscUnavailable:
                pass  # It has not come so far yet.
            time.sleep(_POLL_S)
        raise DaemonUnavailable(f"pcscd did not start: {self.log().strip()[-500:]}")

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _path(self, name: str) -> Path:
        if self._folder is None:
            raise DaemonUnavailable("The private PC/SC service does not run.")
        return Path(self._folder.name) / name


def _command(pcscd: Path, config: Path) -> list[str]:
    daemon = [str(pcscd), "--foreground", "--config", str(config)]
    said = subprocess.run(
        [pcscd, "--help"], capture_output=True, text=True, check=False
    ).stdout
    if "disable-polkit" in said:  # Since pcsc-lite 2; it would ask for a seat.
        daemon.append("--disable-polkit")
    bound = _with_run_folder()
    if setpriv := shutil.which("setpriv"):
        bound += [setpriv, "--pdeathsig", "TERM"]
        if os.geteuid() == 0:
            ids = ["--reuid", str(_NOBODY), "--regid", str(_NOBODY), "--clear-groups"]
            bound += ids
    return [*bound, "/bin/sh", "-c", _AS_SYSTEMD, "pcscd", *daemon]


def _with_run_folder() -> list[str]:
    """pcscd wants /run/pcscd to be there, though it need not write to it.

    Where systemd has not made it root does; anyone else gives pcscd a /run of its own.
    """
    if _RUN_FOLDER.is_dir():
        return []
    if os.geteuid() == 0:
        _RUN_FOLDER.mkdir(mode=0o755, exist_ok=True)
        return []
    if unshare := shutil.which("unshare"):
        apart = [unshare, "--map-root-user", "--mount"]
        return [*apart, "/bin/sh", "-c", _OWN_RUN, "run"]
    return []


def _free_pair() -> int:
    """A port that is free and whose next one is, too: the driver opens two slots."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port
