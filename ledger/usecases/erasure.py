"""Erasing a person: requested at once, done when no live case needs the person.

What was said of a person stands in events under a key of the person's own. Erasing
destroys the key: no event changes, so every proof holds, and the fields read as erased
in the log, its replicas and its backups.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from ledger.aggregates.case import Case
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Unknown
from ledger.ports import PersonalData
from ledger.usecases import stories

_PAGE = 1_000


class NeededByCase(Conflict):
    code = "needed_by_case"
    says = "A live dispute concerns this person; the erasure waits until it is closed."


def request(ledger: Ledger, *, party_id: UUID, at: datetime, cause: Cause) -> int:
    """Record that a person asks to be erased; it is kept until it can be done."""
    work = ledger.work()
    _party(work, party_id).request_erasure(at=at)
    return work.record(cause)


def may_erase(ledger: Ledger, *, party_id: UUID) -> None:
    """Raise `NeededByCase`, naming the openings of the live cases that need it."""
    work = ledger.work()
    concerned = [
        case
        for case in live_cases(ledger)
        if str(party_id) in stories.parties_of(work, case)
    ]
    if concerned:
        raise NeededByCase(because=[case.names(1)[0] for case in concerned])


def erase(
    ledger: Ledger,
    personal: PersonalData,
    *,
    party_id: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Erase a person who asked for it.

    The event comes first: a process that dies before the key is destroyed leaves a
    party that is erased again, by doing this again. No stream is the case's and the
    person's alike, so the log's order decides: a case that was opened before the event
    was recorded is seen by who looks after it, and keeps the key until it is over.
    Raises `NeededByCase`.
    """
    may_erase(ledger, party_id=party_id)
    work = ledger.work()
    _party(work, party_id).erase(at=at)
    position = work.record(cause)
    may_erase(ledger, party_id=party_id)
    personal.destroy(party_id)
    return position


def live_cases(ledger: Ledger) -> Iterator[Case]:
    """Yield every case that is not over, by reading the openings in the log."""
    start: int | None = 1
    while start is not None:
        opened = ledger.recorder.select_notifications(
            start=start, limit=_PAGE, topics=[Case.Opened.TOPIC]
        )
        for notification in opened:
            case = ledger.find(Case, notification.originator_id)
            if case is not None and case.is_live:
                yield case
        start = opened[-1].id + 1 if len(opened) == _PAGE else None


def _party(work: Work, party_id: UUID) -> Party:
    return work.get(Party, party_id, Unknown(what="party"))
