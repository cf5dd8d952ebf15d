"""Broken builds: each lacks one thing that keeps promises, and campaigns must catch it.

A program: `python -m tests.kills.builds NAME MODULE WORDS…` runs a module of ours as it
would run by itself, but broken. A build may also change functions in the database, or
settings of its server.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, LiteralString

from eventsourcing.persistence import Notification, StoredEvent
from psycopg import Connection
from psycopg.rows import DictRow

from ledger.log.recorder import Command, LedgerRecorder
from ledger.projections.base import LIVE, Bookmark, BookmarkMoved
from ledger.projections.intake import Intake

HONEST = "honest"
LATER_S = 0.05
"""How much later is done what belongs together: kills are to fall between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What is broken, and which kills show it."""

    name: str
    says: str = ""
    kinds: Sequence[str] = ()
    ways: Sequence[str] = ()
    patch: Callable[[], None] | None = None
    sql: Sequence[LiteralString] = ()
    server: Mapping[str, str] = field(default_factory=dict)


def _told_before_commit() -> None:
    """A promise is given while the append is still under way."""
    really = LedgerRecorder.append

    def append(
        self: LedgerRecorder,
        events: Sequence[StoredEvent],
        *,
        command: Command | None = None,
    ) -> None:
        if any(each.originator_version > 1 for each in events):
            really(self, events, command=command)
            return

        def later() -> None:
            Event().wait(LATER_S)
            really(self, events, command=command)

        Thread(target=later, daemon=True).start()

    def insert_events(
        self: LedgerRecorder, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int]:
        really(self, stored_events, command=kwargs.get("command"))
        last = stored_events[-1]
        position = self.place_of(last.originator_id, last.originator_version)
        return list(range(position - len(stored_events) + 1, position + 1))

    _replace(LedgerRecorder, append=append, insert_events=insert_events)


def _one_commit_an_event() -> None:
    """The events of one append are committed one by one."""
    really = LedgerRecorder.append

    def append(
        self: LedgerRecorder,
        events: Sequence[StoredEvent],
        *,
        command: Command | None = None,
    ) -> None:
        for each in events:
            really(self, [each], command=command)
            command = None

    _replace(LedgerRecorder, append=append)


def _head_later() -> None:
    """The sequencer moves the head in a second transaction."""
    really = LedgerRecorder.sequence

    def sequence(self: LedgerRecorder) -> int | None:
        given = really(self)
        if given:
            Event().wait(LATER_S)
            self._select("SELECT move_head(%s)", (given,))
        return given

    _replace(LedgerRecorder, sequence=sequence)


def _bookmark_first() -> None:
    """Who follows moves the bookmark, and then the rows."""
    really = Intake._take_in

    def take_in(
        self: Intake,
        found: Sequence[Notification],
        connection: Connection[DictRow],
        bookmark: Bookmark,
    ) -> None:
        if bookmark is not LIVE or not found:
            really(self, found, connection, bookmark)
            return
        before, name = found[0].id - 1, self.view.name
        with connection.transaction():
            connection.execute(LIVE.begin, (name,))
            row = connection.execute(LIVE.hold, (name,)).fetchone()
            if row is None or row["position"] != before:
                raise BookmarkMoved(name)
            connection.execute(LIVE.move, (found[-1].id, name))
        moved: Any = Bookmark(
            begin="SELECT %s::text",
            hold=f"SELECT {before:d}::bigint AS position WHERE %s::text <> ''",
            move="SELECT %s::bigint, %s::text",
        )
        really(self, found, connection, moved)

    _replace(Intake, _take_in=take_in)


def _replace(kind: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(kind, name, method)


_KEYS_FORGOTTEN: Sequence[LiteralString] = (
    "ALTER TABLE ledger_commands DROP CONSTRAINT ledger_commands_pkey",
    """
    CREATE OR REPLACE FUNCTION ledger_admit(
        by_actor text, by_key text, by_request bytea, last_id uuid, last_version bigint
    ) RETURNS void LANGUAGE sql AS $$
        INSERT INTO ledger_commands
        SELECT by_actor, by_key, by_request, last_id, last_version, now()
        WHERE by_key IS NOT NULL
    $$
    """,
)

_HEAD_LATER: Sequence[LiteralString] = (
    # Positions go on from the log itself, so that all is well until a kill.
    """
    DO $do$ BEGIN EXECUTE replace(
        pg_get_functiondef('ledger_give_positions'::regproc),
        'SELECT size, CASE side',
        'SELECT coalesce((SELECT max(position) FROM ledger_log), 0), CASE side');
    END $do$
    """,
    """
    DO $do$ BEGIN EXECUTE replace(
        pg_get_functiondef('ledger_give_positions'::regproc),
        'SET size = before + given', 'SET size = size + given');
    END $do$
    """,
    """
    CREATE OR REPLACE FUNCTION ledger_sequence(batch_max integer DEFAULT 10000)
    RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    DECLARE
        given bigint;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(ledger_sequencer_lock()) THEN
            RETURN NULL;
        END IF;
        given := ledger_give_positions(batch_max);
        UPDATE ledger_head SET size = size - given;
        RETURN given;
    END;
    $$
    """,
    """
    CREATE FUNCTION move_head(given bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS
        'UPDATE ledger_head SET size = size + given'
    """,
)

BUILDS: Mapping[str, Build] = {
    each.name: each
    for each in (
        Build(name=HONEST),
        Build(
            name="told-before-commit",
            says="a command is acknowledged before its commit",
            kinds=("writer", "database"),
            patch=_told_before_commit,
        ),
        Build(
            name="one-commit-an-event",
            says="the events of one append are committed one by one",
            kinds=("writer", "database"),
            patch=_one_commit_an_event,
        ),
        Build(
            name="head-later",
            says="the sequencer moves the head in a second transaction",
            kinds=("sequencer",),
            patch=_head_later,
            sql=_HEAD_LATER,
        ),
        Build(
            name="bookmark-first",
            says="a view's bookmark is committed before its rows",
            kinds=("runner",),
            patch=_bookmark_first,
        ),
        Build(
            name="keys-forgotten",
            says="a command's id may be used twice",
            kinds=("writer", "database"),
            sql=_KEYS_FORGOTTEN,
        ),
        Build(
            name="lazy-server",
            says="synchronous_commit=off: a commit is answered before it is written",
            kinds=("database",),
            ways=("server",),
            server={"synchronous_commit": "off"},
        ),
        Build(
            name="no-fsync",
            says="fsync=off: a commit is answered before the disk has it",
            kinds=("power",),
            server={"fsync": "off"},
        ),
    )
}


if __name__ == "__main__":
    build, module, *words = sys.argv[1:]
    its_patch = BUILDS[build].patch
    if its_patch is not None:
        its_patch()
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
