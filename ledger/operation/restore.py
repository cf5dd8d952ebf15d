"""A log brought back from a copy: checked before anything may be written to it.

The dump is taken in whole or not at all. Then every leaf is hashed anew from the bytes
of its event, and the root must be the one that was signed when the copy was made;
otherwise what was restored is removed again. Views come back with their bookmarks and
go on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from ledger.adapters.log_keys import LogKeys
from ledger.adapters.migrator import migrate
from ledger.adapters.roles import ensure
from ledger.adapters.secrets import FileSecrets
from ledger.errors import Conflict
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import BadNote, Verifier, open_note
from ledger.operation.backup import (
    CONNECT_TIMEOUT_S,
    KEYS_DUMP,
    LOG_DUMP,
    BadBackup,
    Manifest,
    NotEmpty,
    sha256_of,
)
from ledger.operation.leaves import LogDamaged, Tell, derive
from ledger.operation.programs import run


class AnotherLog(Conflict):
    code = "another_log"
    says = "The backup is not of this log: {what} is {theirs} there; set {setting}."


class KeysMissing(Conflict):
    code = "keys_missing"
    says = "The log's keys are not in {folder}; put its keys.json back there."


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was brought back."""

    manifest: Manifest
    root: bytes
    waiting: int
    """Appends that had no positions yet when the copy was made; they get them now."""

    persons: int
    """Persons whose keys came back; nobody else's sealed words can be read."""


def restore(
    url: str,
    folder: Path,
    *,
    schema: str,
    origin: str,
    secrets: FileSecrets | None,
    keys_home: Path,
    subject_keys: Path | None,
    tell: Tell | None = None,
) -> Restored:
    """Bring a backup back into a database that has no such schema yet.

    `subject_keys` is the newest dump of the persons' keys, None: without any. Raises
    `BadBackup`, `AnotherLog`, `KeysMissing`, `NotEmpty`, `ProgramMissing`,
    `ProgramFailed`.
    """
    manifest = Manifest.read(folder)
    checkpoint = _checked(manifest, schema, origin, secrets, keys_home)
    if sha256_of(folder / LOG_DUMP) != manifest.files[LOG_DUMP]:
        raise BadBackup(why=f"{folder / LOG_DUMP} is not what it was")
    own = subject_keys == folder / KEYS_DUMP
    if own and sha256_of(folder / KEYS_DUMP) != manifest.files[KEYS_DUMP]:
        raise BadBackup(why=f"{subject_keys} is not what it was")
    with psycopg.connect(
        url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
    ) as connection:
        _make_way(connection, schema)
        version = connection.info.server_version
        whole = ("--single-transaction", "--exit-on-error", "--no-owner")
        run(
            "pg_restore",
            *whole,
            "--no-privileges",
            str(folder / LOG_DUMP),
            url=url,
            server_version=version,
        )
        try:
            if subject_keys is not None:
                run(
                    "pg_restore",
                    *whole,
                    "--data-only",
                    f"--schema={schema}",
                    str(subject_keys),
                    url=url,
                    server_version=version,
                )
            _prove(connection, schema, checkpoint, tell)
        except BaseException:
            drop = SQL("DROP SCHEMA {} CASCADE")
            connection.execute(drop.format(Identifier(schema)))
            raise
        migrate(url, schema=schema)
        ensure(url, schema)
        return Restored(
            manifest=manifest,
            root=checkpoint.root,
            waiting=_count(connection, schema, "ledger_inbox"),
            persons=_count(connection, schema, "subject_keys"),
        )


def _checked(
    manifest: Manifest,
    schema: str,
    origin: str,
    secrets: FileSecrets | None,
    keys_home: Path,
) -> Checkpoint:
    """Return the signed checkpoint of a backup that is of this very log."""
    if manifest.origin != origin:
        said = {"what": "the origin", "setting": "LEDGER_ORIGIN to it"}
        raise AnotherLog(theirs=manifest.origin, **said)
    if manifest.schema != schema:
        said = {"what": "the schema", "setting": "LEDGER_SCHEMA to it"}
        raise AnotherLog(theirs=manifest.schema, **said)
    if secrets is None or secrets.fingerprint() != manifest.keys_fingerprint:
        raise KeysMissing(folder=keys_home)
    keys = LogKeys(keys_home, secrets.log_key()).all()
    verifiers = [Verifier(origin, key.private.public_key()) for key in keys]
    try:
        checkpoint = Checkpoint.parse(open_note(manifest.checkpoint, verifiers))
    except BadNote as error:
        raise BadBackup(why=f"its checkpoint is not signed by the log ({error})") from (
            None
        )
    if (checkpoint.origin, checkpoint.size) != (origin, manifest.size):
        raise BadBackup(why="its checkpoint is of another log or another moment")
    return checkpoint


def _make_way(connection: Connection[Any], schema: str) -> None:
    """See that the schema is not there; an empty one is taken away."""
    row = connection.execute(
        "SELECT n.oid, EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = n.oid"
        " AND d.refclassid = 'pg_namespace'::regclass)"
        " FROM pg_namespace n WHERE nspname = %s",
        (schema,),
    ).fetchone()
    if row is None:
        return
    if row[1]:
        raise NotEmpty(what=f"The schema {schema}")
    connection.execute(SQL("DROP SCHEMA {}").format(Identifier(schema)))


def _prove(
    connection: Connection[Any],
    schema: str,
    checkpoint: Checkpoint,
    tell: Tell | None,
) -> None:
    size = _count(connection, schema, "ledger_log")
    try:
        with connection.transaction():
            root = derive(connection, schema, size=size, tell=tell).root()
    except LogDamaged as damaged:
        raise BadBackup(why=str(damaged).rstrip(".")) from None
    if (size, root) != (checkpoint.size, checkpoint.root):
        raise BadBackup(why="its events do not give the root that was signed")


def _count(connection: Connection[Any], schema: str, table: str) -> int:
    query = SQL("SELECT count(*) FROM {}").format(Identifier(schema, table))
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
