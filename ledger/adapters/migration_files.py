"""The files of `migrations/`: their names, their two parts, their sums.

The format is dbmate's, so that its program can run them where this one cannot.
"""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_NAME = re.compile(r"(?P<version>[0-9]{1,18})_(?P<name>[a-z0-9_]+)\.sql")
_UP, _DOWN = "-- migrate:up", "-- migrate:down"


class MigrationError(Exception):
    """The tables cannot be brought up to date; the message names the file and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of the folder."""

    version: str
    name: str
    sha256: str
    up: str
    down: str

    @property
    def file(self) -> str:
        return f"{self.version}_{self.name}.sql"


def read(folder: Path) -> list[Migration]:
    """Read a folder's files in the order of their numbers."""
    found = [_read_file(path) for path in sorted(folder.glob("*.sql"))]
    found.sort(key=lambda migration: int(migration.version))
    for first, second in pairwise(found):
        if int(first.version) == int(second.version):
            raise MigrationError(f"{first.file} and {second.file} have one number.")
    return found


def _read_file(path: Path) -> Migration:
    named = _NAME.fullmatch(path.name)
    if not named:
        raise MigrationError(f"{path.name} is not named like 0001_what_it_does.sql.")
    raw = path.read_bytes()
    try:
        lines = [line.rstrip() for line in raw.decode().splitlines()]
    except UnicodeDecodeError:
        raise MigrationError(f"{path.name} is not UTF-8 text.") from None
    if lines.count(_UP) != 1 or lines.count(_DOWN) != 1:
        raise MigrationError(f'{path.name} needs one "{_UP}" and one "{_DOWN}" line.')
    up, down = lines.index(_UP), lines.index(_DOWN)
    if up > down or any(line and line[:2] != "--" for line in lines[:up]):
        raise MigrationError(f'{path.name} has SQL before its "{_UP}" line.')
    return Migration(
        version=named["version"],
        name=named["name"],
        sha256=hashlib.sha256(raw).hexdigest(),
        up="\n".join(lines[up + 1 : down]),
        down="\n".join(lines[down + 1 :]),
    )
