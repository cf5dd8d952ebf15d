"""PostgreSQL's own programs: found in the server's version, and run without a password
on their command line, where every user of the machine could read it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.adapters.embedded_postgres import EmbeddedPostgresError, programs
from ledger.errors import Conflict, Missing

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_DEBIAN = Path("/usr/lib/postgresql")


class ProgramMissing(Missing):
    code = "program_missing"
    says = "{program} of PostgreSQL {major} is needed and not here; {found}."


class ProgramFailed(Conflict):
    code = "program_failed"
    says = "{program} did not succeed: {why}."


def run(program: str, *arguments: str, url: str, server_version: int) -> None:
    """Run one of PostgreSQL's programs on a database.

    `server_version` is as libpq tells it (180004). Raises `ProgramMissing`,
    `ProgramFailed`.
    """
    found = find(program, major=server_version // 10_000)
    said = conninfo_to_dict(url)
    password = said.pop("password", None)
    environ = dict(os.environ)  # noqa: TID251 - handed on, with one word more
    if password is not None:
        environ["PGPASSWORD"] = str(password)
    done = subprocess.run(
        [str(found), f"--dbname={make_conninfo('', **said)}", *arguments],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ProgramFailed(program=program, why=lines[0].rstrip("."))


def find(program: str, *, major: int) -> Path:
    """Return the program of that version of PostgreSQL. Raises `ProgramMissing`."""
    others = []
    for path in _candidates(program, major):
        version = _major_of(path)
        if version == major:
            return path
        others.append(f"{path} is of version {version}")
    raise ProgramMissing(
        program=program,
        major=major,
        found="; ".join(others) or "install the client programs of that version",
    )


def _candidates(program: str, major: int) -> Iterator[Path]:
    if on_path := shutil.which(program):
        yield Path(on_path)
    if (debian := _DEBIAN / str(major) / "bin" / program).exists():
        yield debian
    try:
        yield programs() / program
    except EmbeddedPostgresError:
        return


def _major_of(path: Path) -> int | None:
    try:
        said = subprocess.run(
            [str(path), "--version"], capture_output=True, check=False, text=True
        ).stdout
    except OSError:
        return None
    named = _VERSION.search(said)
    return int(named[1]) if named else None
