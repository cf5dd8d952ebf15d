"""How ledgers are broken on purpose: each function or script takes one thing away.

Methods of ours are replaced, and functions and keys of the test's own schema.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from eventsourcing.persistence import IntegrityError, PersistenceError, StoredEvent

from ledger.aggregates.account import Account, Entry
from ledger.aggregates.allotment import Allotment
from ledger.aggregates.base import Recorded
from ledger.aggregates.e_ticket import ETicket, gifts
from ledger.aggregates.gift import Gift
from ledger.application import Cause, Ledger
from ledger.errors import Overtaken
from ledger.log.recorder import Command, CommandRepeated, LedgerRecorder
from ledger.projections.ownership import OwnershipView, Title
from ledger.projections.runner import Runner

EVERY = 7
"""So rarely is done wrong what would be too plain to see if it always was."""

Put: TypeAlias = Callable[[object, str, object], None]
"""Replaces an attribute for as long as a test lasts."""


def versions_unchecked(put: Put) -> None:
    really = LedgerRecorder.append

    def append(
        self: LedgerRecorder,
        events: Sequence[StoredEvent],
        *,
        command: Command | None = None,
    ) -> None:
        while True:
            try:
                really(self, events, command=command)
                return
            except IntegrityError:
                events = _renumbered(self, events)

    put(LedgerRecorder, "append", append)
    put(LedgerRecorder, "insert_events", _insert_wherever)


def _renumbered(
    recorder: LedgerRecorder, events: Sequence[StoredEvent]
) -> list[StoredEvent]:
    """Put the events behind whatever their streams have meanwhile."""
    versions: dict[object, int] = {}
    for each in events:
        if each.originator_id not in versions:
            newest = recorder.select_events(each.originator_id, desc=True, limit=1)
            versions[each.originator_id] = newest[0].originator_version if newest else 0
    numbered = []
    for each in events:
        versions[each.originator_id] += 1
        version = versions[each.originator_id]
        numbered.append(replace(each, originator_version=version))
    return numbered


def _insert_wherever(
    self: LedgerRecorder, stored_events: Sequence[StoredEvent], **kwargs: Any
) -> Sequence[int]:
    """Positions as far as anybody knows: those at the end of the log."""
    self.append(stored_events, command=kwargs.get("command"))
    self.sequence()
    size = self.size()
    return list(range(size - len(stored_events) + 1, size + 1))


def lost_write(put: Put) -> None:
    really, turns = LedgerRecorder.append, count(1)

    def append(self: LedgerRecorder, events: Any, **kwargs: Any) -> None:
        if next(turns) % EVERY:
            really(self, events, **kwargs)

    put(LedgerRecorder, "append", append)
    put(LedgerRecorder, "insert_events", _insert_wherever)


def told_before_commit(put: Put) -> None:
    really, due = LedgerRecorder.append, dict[int, tuple[Any, Any]]()

    def append(self: LedgerRecorder, events: Any, **kwargs: Any) -> None:
        events_before, kwargs_before = due.pop(id(self), (None, {}))
        if events_before is not None:
            with suppress(PersistenceError, CommandRepeated):
                really(self, events_before, **kwargs_before)
        due[id(self)] = events, kwargs

    put(LedgerRecorder, "append", append)
    put(LedgerRecorder, "insert_events", _insert_wherever)


def one_commit_an_event(put: Put) -> None:
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

    put(LedgerRecorder, "append", append)
    put(LedgerRecorder, "insert_events", _insert_wherever)


def stale_read(put: Put) -> None:
    really, kept = Ledger.ticket, dict[UUID, tuple[int, ETicket]]()
    turns = count(1)

    def ticket(self: Ledger, ticket_id: UUID) -> ETicket:
        now = next(turns)
        when, its = kept.get(ticket_id, (-EVERY * EVERY, None))
        if its is None or now - when > EVERY * EVERY:
            its = really(self, ticket_id)
            kept[ticket_id] = now, its
        return its

    put(Ledger, "ticket", ticket)


def wait_for_nothing(put: Put) -> None:
    def wait_for(self: Runner, name: str, position: int, timeout_s: float) -> int:
        return position

    put(Runner, "wait_for", wait_for)


def first_owner(put: Put) -> None:
    really = OwnershipView.chain

    def chain(self: OwnershipView, ticket_id: UUID) -> Sequence[Title]:
        return really(self, ticket_id)[:1]

    put(OwnershipView, "chain", chain)


def refused_too_late(put: Put) -> None:
    really, turns = Ledger.record, count(1)

    def record(self: Ledger, *aggregates: Recorded, cause: Cause) -> int:
        position = really(self, *aggregates, cause=cause)
        if cause.actor.startswith("client") and next(turns) % EVERY == 0:
            raise Overtaken
        return position

    put(Ledger, "record", record)


def dispensed_again(put: Put) -> None:
    def dispense(
        self: ETicket, *, job_id: UUID, serial: str, device_id: UUID, at: Any, **_: Any
    ) -> None:
        self.trigger_event(
            ETicket.Dispensed,
            timestamp=at,
            job_id=job_id,
            serial=serial,
            device_id=device_id,
            device_time=None,
            device_seq=None,
            known_position=None,
        )

    put(ETicket, "dispense", dispense)


def taken_by_anybody(put: Put) -> None:
    put(gifts, "_is_bound_to", lambda *_: True)
    put(Gift, "_is_bound_to", lambda *_: True)
    really = Gift.accept

    def accept(self: Gift, *, by: UUID, **said: Any) -> None:
        self.to_party_id = by
        really(self, by=by, **said)

    put(Gift, "accept", accept)


def a_cent_more(put: Put) -> None:
    def record(cls: type[Entry], /, *, entry_id: UUID, **said: Any) -> Entry:
        postings = [
            {
                "account": each.account,
                "amount_minor": each.amount_minor,
                "currency": each.currency,
            }
            for each in said["postings"]
        ]
        postings[-1]["amount_minor"] += 1
        return cls._create(
            cls.Made,
            id=entry_id,
            timestamp=said["at"],
            reason=said["reason"],
            reference=said["reference"],
            postings=postings,
        )

    put(Entry, "record", classmethod(record))


def bottomless(put: Put) -> None:
    put(Account, "_require", lambda *_: None)


def oversold(put: Put) -> None:
    put(Allotment, "_is_taken", lambda *_: False)


KEYS_FORGOTTEN: Sequence[LiteralString] = (
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
POSITION_SKIPPED: Sequence[LiteralString] = (
    """
    DO $do$ BEGIN EXECUTE replace(replace(
        pg_get_functiondef('ledger_give_positions'::regproc),
        'SELECT before + row_number', 'SELECT before + before % 2 + row_number'),
        'SET size = before + given', 'SET size = before + before % 2 + given');
    END $do$
    """,
)
NO_LOCK: Sequence[LiteralString] = (
    "ALTER TABLE ledger_log DROP CONSTRAINT ledger_log_pkey",
    """
    DO $do$ BEGIN EXECUTE replace(
        pg_get_functiondef('ledger_give_positions'::regproc),
        'WITH taken AS', 'PERFORM pg_sleep(0.001); WITH taken AS');
    END $do$
    """,
    """
    DO $do$ BEGIN EXECUTE replace(
        pg_get_functiondef('ledger_place'::regproc),
        'PERFORM pg_advisory_xact_lock(ledger_sequencer_lock());', '');
    END $do$
    """,
)
LAST_FIRST: Sequence[LiteralString] = (
    """
    DO $do$ BEGIN EXECUTE replace(
        pg_get_functiondef('ledger_give_positions'::regproc),
        'ORDER BY t.ticket, e.nr', 'ORDER BY t.ticket DESC, e.nr DESC');
    END $do$
    """,
)
