"""A copy of a log that can be trusted: dumped at one moment, its root signed.

    DIR/log.dump           the schema (pg_dump's custom format), persons' keys left out
    DIR/subject_keys.dump  the persons' wrapped keys: keep the newest alone
    DIR/manifest.json      what it is of, the files' sums, the checkpoint of that moment

The persons' keys stand apart, for erasing somebody must reach the backups, too: keep
many `log.dump`s, and one `subject_keys.dump`. The installation's own key file is in
neither: with it beside the dumps, whoever finds a backup could read every name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.sql import SQL, Identifier

from ledger.adapters.log_keys import LogKeys
from ledger.adapters.secrets import FileSecrets
from ledger.errors import Conflict, Malformed
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import Signer, sign
from ledger.operation.leaves import Tell, derive
from ledger.operation.programs import run

FORMAT = "eticket-ledger/backup/1"
MANIFEST, LOG_DUMP, KEYS_DUMP = "manifest.json", "log.dump", "subject_keys.dump"
KEY_TABLES = ("subject_keys",)
# A cache, made anew by whoever loads an aggregate.
CACHES = ("ledger_snapshots",)
MANIFEST_MAX_BYTES = 100_000
CONNECT_TIMEOUT_S = 10
_CHUNK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


class NotEmpty(Conflict):
    code = "not_empty"
    says = "{what} holds something already; nothing was changed."


class BadBackup(Malformed):
    code = "bad_backup"
    says = "The backup cannot be used: {why}."


class NotWritten(Malformed):
    code = "malformed"
    says = "{path} cannot be written: {why}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup is of; `files` gives the SHA-256 of each file in hex."""

    origin: str
    schema: str
    made_at: datetime
    server_version: int
    migration: str
    keys_fingerprint: str
    size: int
    checkpoint: str
    files: Mapping[str, str]

    def write(self, path: Path) -> None:
        said: dict[str, Any] = {
            "format": FORMAT,
            **{name: getattr(self, name) for name in _TEXTS},
            "made_at": self.made_at.isoformat(),
            "server_version": self.server_version,
            "size": self.size,
            "files": dict(self.files),
        }
        with path.open("x") as file:
            json.dump(said, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a backup's manifest. Raises `BadBackup`."""
        path = folder / MANIFEST
        try:
            with path.open("rb") as file:
                said = json.loads(file.read(MANIFEST_MAX_BYTES))
            if said["format"] != FORMAT:
                raise BadBackup(why=f"{path} is of another format")
            if not all(type(said[name]) is str for name in _TEXTS):
                raise TypeError
            files = dict(said["files"])
            if set(files) != {LOG_DUMP, KEYS_DUMP} or not all(
                _SHA256.fullmatch(sha256) for sha256 in files.values()
            ):
                raise ValueError
            return cls(
                **{name: said[name] for name in _TEXTS},
                made_at=datetime.fromisoformat(said["made_at"]),
                server_version=int(said["server_version"]),
                size=int(said["size"]),
                files=files,
            )
        except OSError as error:
            raise BadBackup(why=f"{path} cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError):
            raise BadBackup(why=f"{path} is not a manifest") from None


_TEXTS = ("origin", "schema", "migration", "keys_fingerprint", "checkpoint")


def backup(
    url: str,
    folder: Path,
    *,
    schema: str,
    origin: str,
    secrets: FileSecrets,
    log_keys: LogKeys,
    at: datetime,
    tell: Tell | None = None,
) -> Manifest:
    """Copy the log of a schema into a new folder, while writers go on.

    `url` is the operator's own, without a role. The manifest is written last: without
    it a folder is no backup. Raises `NotEmpty`, `NotWritten`, `LogDamaged`,
    `ProgramMissing`, `ProgramFailed`.
    """
    _make(folder)
    with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        moment, size, migration = _moment(connection, schema)
        server_version = connection.info.server_version
        common = (
            "--format=custom",
            f"--snapshot={moment}",
            "--no-owner",
            "--no-privileges",
        )
        left_out = [
            f"--exclude-table-data={schema}.{table}" for table in KEY_TABLES + CACHES
        ]
        keys = [f"--table={schema}.{table}" for table in KEY_TABLES]
        for name, more in (
            (LOG_DUMP, [f"--schema={schema}", *left_out]),
            (KEYS_DUMP, ["--data-only", *keys]),
        ):
            target = f"--file={folder / name}"
            run(
                "pg_dump",
                *common,
                *more,
                target,
                url=url,
                server_version=server_version,
            )
            (folder / name).chmod(0o600)
        tree = derive(connection, schema, size=size, tell=tell)
    signers = [Signer(origin, key.private) for key in log_keys.signing(at)]
    manifest = Manifest(
        origin=origin,
        schema=schema,
        made_at=at,
        server_version=server_version,
        migration=migration,
        keys_fingerprint=secrets.fingerprint(),
        size=size,
        checkpoint=sign(Checkpoint(origin, size, tree.root()).text(), signers),
        files={name: sha256_of(folder / name) for name in (LOG_DUMP, KEYS_DUMP)},
    )
    manifest.write(folder / MANIFEST)
    return manifest


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex. Raises `BadBackup` if there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise BadBackup(why=f"{path} cannot be read ({error.strerror})") from None
    return digest.hexdigest()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise NotEmpty(what=f"The folder {folder}")
    except OSError as error:
        raise NotWritten(path=folder, why=error.strerror) from None


def _moment(connection: Connection[Any], schema: str) -> tuple[str, int, str]:
    """Return the snapshot that pg_dump is to use, the log's size and last migration."""
    within = Identifier(schema)
    # TRUNCATE heeds no snapshot: until the end, nobody clears what waits in this one.
    # Before the first query, for that is what takes the snapshot.
    connection.execute(
        SQL("LOCK TABLE {}.ledger_inbox IN ACCESS SHARE MODE").format(within)
    )
    row = connection.execute(
        SQL(
            "SELECT pg_export_snapshot(), size,"
            " (SELECT max(version) FROM {0}.schema_migrations) FROM {0}.ledger_head"
        ).format(within)
    ).fetchone()
    assert row is not None
    moment, size, migration = row
    return moment, size, migration
