"""Erasing a person: requested at once, done when no live case needs the person.

What was said of a person stands in events under a key of the person's own. Erasing
destroys the key: no event changes, so every proof holds, and the fields read as erased
in the log, its replicas and its backups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.case import Case
from ledger.aggregates.gift import Gift
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Conflict, Unknown
from ledger.ports import PersonalData
from ledger.usecases import stories
from ledger.vocabulary.ids import contact_id

_PAGE = 1_000
_SEALED = b'_sealed":"'


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


def request_and_erase(
    ledger: Ledger,
    personal: PersonalData,
    *,
    party_id: UUID,
    at: datetime,
    cause: Cause,
) -> int:
    """Record that a person asks to be erased, and erase at once.

    A request that has to wait is recorded all the same. A dry run says whether it had
    to, and destroys nothing. Raises `NeededByCase`.
    """
    dry = cause.terms.dry
    position = request(ledger, party_id=party_id, at=at, cause=cause)
    if dry:
        may_erase(ledger, party_id=party_id)
        return position
    return erase(ledger, personal, party_id=party_id, at=at, cause=cause)


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
    if cause.terms.dry:
        return position
    may_erase(ledger, party_id=party_id)
    personal.destroy(party_id)
    return position


def erased(ledger: Ledger) -> Iterator[UUID]:
    """Yield every subject whose erasure the log records: parties, and gifts' contacts.

    After older keys were restored these are to be destroyed again.
    """
    for event in _events(ledger, [Party.Erased.TOPIC, Gift.ContactErased.TOPIC]):
        its = event.originator_id
        yield contact_id(its) if isinstance(event, Gift.Event) else its


def sealed_of(ledger: Ledger, subject_id: UUID) -> int:
    """Count the events that hold sealed text and name the subject; reads the log.

    At most so many are about the subject: an event may seal another's words, too.
    """
    count, start, named = 0, 1, str(subject_id).encode()
    while page := ledger.recorder.select_notifications(start, _PAGE):
        for stored in page:
            mine = stored.originator_id == subject_id or named in stored.state
            count += mine and _SEALED in stored.state
        start = page[-1].id + 1
    return count


def live_cases(ledger: Ledger) -> Iterator[Case]:
    """Yield every case that is not over, by reading the openings in the log."""
    for opened in _events(ledger, [Case.Opened.TOPIC]):
        case = ledger.find(Case, opened.originator_id)
        if case is not None and case.is_live:
            yield case


def _events(ledger: Ledger, topics: Sequence[str]) -> Iterator[Recorded.Event]:
    """Yield the events of these topics, in the order of the log."""
    start: int | None = 1
    while start is not None:
        page = ledger.recorder.select_notifications(start, _PAGE, topics=topics)
        for stored in page:
            yield cast("Recorded.Event", ledger.mapper.to_domain_event(stored))
        start = page[-1].id + 1 if len(page) == _PAGE else None


def _party(work: Work, party_id: UUID) -> Party:
    return work.get(Party, party_id, Unknown(what="party"))
