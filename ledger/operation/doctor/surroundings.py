"""What the log stands on: tables of its version, clocks, connections, disk, keys."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

import psycopg

from ledger.adapters import migrator
from ledger.adapters.migration_files import MigrationError
from ledger.adapters.roles import CONNECT_TIMEOUT_S
from ledger.adapters.secrets import FILE_NAME, FileSecrets, SecretsError
from ledger.clock import Clock
from ledger.operation.doctor.findings import Finding, Patient, fail, ok, warn
from ledger.settings import Settings

CLOCKS_WARN_S, CLOCKS_FAIL_S = 1.0, 30.0
FUTURE_MAX_S = 5.0
CONNECTIONS_WARN = 0.8
IDLE_IN_TRANSACTION_MAX_S = 60.0
FREE_WARN, FREE_FAIL = 0.10, 0.02
FREE_FAIL_BYTES = 500_000_000
GIGABYTE = 1_000_000_000

_CONNECTIONS = """
SELECT count(*), current_setting('max_connections')::integer,
    COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - state_change))
        FILTER (WHERE state LIKE 'idle in transaction%%'), 0)::float
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_DURABLE = """
SELECT name FROM pg_settings WHERE setting = 'off'
    AND name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name
"""


def examine_migrations(settings: Settings, url: str) -> Iterator[Finding]:
    """Are the tables those that this code expects?"""
    try:
        told = migrator.status(url, schema=settings.schema)
    except MigrationError as error:
        do = "Run the ledgerctl of the version that migrated last."
        yield fail("migrations", str(error).rstrip("."), do)
        return
    pending = [each.file for each in told if each.applied_at is None]
    if pending:
        said = f"not applied yet: {', '.join(pending)}"
        yield fail("migrations", said, "Run `ledgerctl migrate`.")
    else:
        yield ok("migrations", f"the tables are those of {told[-1].file}")


def examine_keys(settings: Settings, fingerprint: str | None) -> Iterator[Finding]:
    """Are the keys there, the log's own, and for nobody else's eyes?

    `fingerprint` is that of the keys that the database remembers.
    """
    folder = settings.keys_home
    try:
        secrets = FileSecrets.load(folder)
    except SecretsError as error:
        do = "Do so; who could read it meanwhile may have, so consider new keys."
        yield fail("keys", str(error).rstrip("."), do)
        return
    if secrets is None:
        said = f"there is no {folder / FILE_NAME}"
        yield fail("keys", said, "Put the copy that was kept apart back there.")
    elif fingerprint is not None and secrets.fingerprint() != fingerprint:
        do = "Set LEDGER_HOME to the folder that holds this log's keys."
        yield fail("keys", f"those in {folder} are not this database's", do)
    elif stat.S_IMODE(folder.stat().st_mode) & 0o022:
        do = f"Run chmod 700 {folder}."
        yield fail("keys", f"others may put files into {folder}", do)
    else:
        yield ok("keys", f"{folder / FILE_NAME} is this log's and closed to others")


def examine_clock(patient: Patient, clock: Clock) -> Iterator[Finding]:
    """Do database and machine agree on the time, and is no event of the future?"""
    with psycopg.connect(patient.url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        before = clock.now()
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        after = clock.now()
    assert row is not None
    apart_s = max((before - row[0]).total_seconds(), (row[0] - after).total_seconds())
    said = f"this machine and the database are {max(apart_s, 0):.1f} s apart"
    do = "See that both machines follow a time server."
    if apart_s > CLOCKS_FAIL_S:
        yield fail("clock", said, do)
    elif apart_s > CLOCKS_WARN_S:
        yield warn("clock", said, do)
    else:
        yield ok("clock", said)
    yield from _newest_event(patient)


def _newest_event(patient: Patient) -> Iterator[Finding]:
    recorder, transcoder = patient.ledger.recorder, patient.ledger.mapper.transcoder
    size = recorder.max_notification_id()
    if size is None:
        return
    try:
        newest = recorder.select_notifications(size, 1)[0]
        at = transcoder.decode(newest.state)["timestamp"]
        ahead_s = (at - patient.at).total_seconds()
    except (LookupError, TypeError, ValueError):
        return  # No event, or none with a time: that says nothing about clocks.
    if ahead_s > FUTURE_MAX_S:
        said = f"the newest event, at {size}, is {ahead_s:.0f} s in the future"
        do = "The clock of whoever recorded it was wrong: deadlines may be, too."
        yield fail("clock", said, do)


def examine_connections(patient: Patient) -> Iterator[Finding]:
    """Are there connections left, and does nobody sit on an open transaction?"""
    ((used, most, idle_s),) = patient.ask(_CONNECTIONS)
    said = f"{used} of {most} are in use"
    if used > most * CONNECTIONS_WARN:
        do = "Lower LEDGER_POOL_SIZE or LEDGER_WORKERS, or raise max_connections."
        yield warn("connections", said, do)
    elif idle_s > IDLE_IN_TRANSACTION_MAX_S:
        said = f"somebody has left a transaction open for {idle_s:.0f} s"
        yield warn("connections", said, "Find it in pg_stat_activity and end it.")
    else:
        yield ok("connections", said)
    lax = [name for (name,) in patient.ask(_DURABLE)]
    if lax:
        said = f"{' and '.join(lax)} off: what was acknowledged may be lost"
        yield warn("durability", said, "Turn it on, except in a test.")
    else:
        yield ok("durability", "what is acknowledged is on the disk")


def examine_disk(settings: Settings) -> Iterator[Finding]:
    """Is there room, where this installation's files are?"""
    folder = settings.postgres_home if settings.database_url is None else settings.home
    while not folder.exists():
        folder = folder.parent
    stands_in = folder / "stands-in"
    if stands_in.exists():
        folder = type(folder)(stands_in.read_text().strip())
    usage = shutil.disk_usage(folder)
    said = f"{usage.free / GIGABYTE:.1f} GB of {os.fspath(folder)} are free"
    do = "Make room: a full disk stops all writing."
    share = usage.free / usage.total
    if share < FREE_FAIL or usage.free < FREE_FAIL_BYTES:
        yield fail("disk", said, do)
    elif share < FREE_WARN:
        yield warn("disk", said, do)
    else:
        yield ok("disk", said)
