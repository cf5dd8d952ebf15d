"""A client of the log, for campaigns to kill: it journals what it asks and is told.

A program: `python -m tests.kills.writer URL SCHEMA FOLDER NAME SEED`. Commands come by
standard input: `rest` is answered by `resting` once nothing is open, `go` goes on, its
end ends the program. What it did not hear an answer to it asks again first, after a
restart as well, under the same key and with new ids, as a caller's server would.
"""

from __future__ import annotations

import hashlib
import json
import select
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

from eventsourcing.persistence import IntegrityError, StoredEvent

from ledger.aggregates.account import Entry, Posting
from ledger.aggregates.base import Recorded
from ledger.application import Cause, CommitTerms, Ledger
from ledger.errors import Overtaken, Refusal
from ledger.log.recorder import Command, CommandRepeated, environment
from ledger.projections.intake import TRANSIENT
from tests.domain.examples import ALICE, BOB, CAROL, NOON, a_ticket
from tests.kills.journal import Journal, Outcome, read

SHARED = tuple(UUID(int=n) for n in range(900, 904))
"""Tickets that all writers move, so that they meet."""

PEOPLE = (ALICE, BOB, CAROL)
SOON = NOON + timedelta(hours=1)
WAITING = 0.4
"""The share of commands that wait for their position, and so sequence themselves."""

POOL_SIZE = 2
GIVE_UP = 60
"""So often is asked again, each time for as long as the recorder is patient."""


class MixedUp(Exception):
    """The key stands for another command."""


class NoAnswer(Exception):
    """The command was asked for again and again."""


class Writer:
    """One life of a client."""

    def __init__(self, ledger: Ledger, name: str, journal: Journal) -> None:
        self.ledger = ledger
        self.name = name
        self.journal = journal

    def ask(self, key: str, deed: Mapping[str, Any], *, doubted: bool = False) -> None:
        """Have one command answered, and write the answer down."""
        for _ in range(GIVE_UP):
            if doubted:
                self.journal.ask_again(key)
            try:
                self.carry_out(key, deed)
            except CommandRepeated as repeated:
                if not repeated.same:
                    raise MixedUp(key) from repeated
                outcome = Outcome.DONE
            except Refusal:
                outcome = Outcome.MOOT if doubted else Outcome.REFUSED
            except TRANSIENT:
                doubted = True
                continue
            else:
                outcome = Outcome.DONE
            self.journal.tell(key, outcome)
            return
        raise NoAnswer(key)

    def carry_out(self, key: str, deed: Mapping[str, Any]) -> None:
        request = hashlib.sha256(json.dumps(deed, sort_keys=True).encode()).digest()
        command = Command(actor=self.name, key=key, request=request)
        cause = Cause(self.name, command=key, terms=CommitTerms(command=command))
        changed = self.decided(deed)
        if deed["waits"]:
            self.ledger.record(*changed, cause=cause)
            return
        # A promise is enough: the sequencer gives the position later.
        try:
            self.ledger.recorder.append(self.stored(changed, cause), command=command)
        except IntegrityError:
            raise Overtaken from None

    def decided(self, deed: Mapping[str, Any]) -> list[Recorded]:
        kind, number = deed["kind"], deed["number"]
        if kind == "ticket":
            return [a_ticket(ticket_id=uuid4(), owner_id=PEOPLE[number % 3])]
        if kind == "move":
            return [self.moved(SHARED[number % len(SHARED)])]
        return [entry(number) for _ in range(2 if kind == "pair" else 1)]

    def moved(self, ticket_id: UUID) -> Recorded:
        """Let a ticket's owner offer it, or its recipient take it."""
        ticket = self.ledger.ticket(ticket_id)
        if ticket.offer is None:
            to = PEOPLE[(PEOPLE.index(ticket.owner_id) + 1) % 3]
            by = ticket.owner_id
            ticket.offer_gift(offer_id=uuid4(), by=by, to=to, until=SOON, at=NOON)
        else:
            to = ticket.offer.to_party_id or ALICE
            ticket.accept_gift(
                offer_id=ticket.offer.offer_id,
                by=to,
                terms_hash=ticket.terms_hash,
                check_sealed=None,
                at=NOON,
            )
        return ticket

    def stored(self, changed: list[Recorded], cause: Cause) -> list[StoredEvent]:
        events = [event for each in changed for event in each.collect_events()]
        for event in events:
            object.__setattr__(event, "cause", cause.as_dict())
        return [self.ledger.mapper.to_stored_event(event) for event in events]


def entry(number: int) -> Entry:
    """A transfer between accounts that all writers use."""
    postings = [
        Posting(f"purse-{number % 5}", number, "EUR"),
        Posting("till", -number, "EUR"),
    ]
    return Entry.record(
        entry_id=uuid4(),
        reason="test",
        reference=str(number),
        postings=postings,
        at=NOON,
    )


def main(url: str, schema: str, folder: str, name: str, seed: str) -> None:
    """Ask for one thing after the other, until standard input ends."""
    path = Path(folder) / f"{name}.journal"
    before = read(path)
    chance = Random(f"{seed}/{name}/{len(before)}")
    ledger = Ledger(environment(url, schema, POOL_SIZE))
    with Journal(path) as journal:
        writer = Writer(ledger, name, journal)
        for each in before.values():
            if each.outcome == Outcome.UNKNOWN:
                writer.ask(each.key, each.deed, doubted=True)
        number = len(before)
        while goes_on():
            deed = a_deed(chance)
            key = f"{name}-{number}"
            journal.ask(key, deed)
            writer.ask(key, deed)
            number += 1
    ledger.close()


def a_deed(chance: Random) -> dict[str, Any]:
    kinds = ["entry", "pair", "ticket", "move", "move"]
    return {
        "kind": chance.choice(kinds),
        "number": chance.randint(1, 1_000),
        "waits": chance.random() < WAITING,
    }


def goes_on() -> bool:
    """Heed standard input; say whether there is more to do."""
    ready, _, _ = select.select([sys.stdin], [], [], 0)
    if not ready:
        return True
    if sys.stdin.readline() != "rest\n":
        return False
    sys.stdout.write("resting\n")
    sys.stdout.flush()
    return sys.stdin.readline() == "go\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
