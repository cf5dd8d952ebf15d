"""The moment that a question is about: a position in the log, or a time.

A position is exact. A time is looked up: it means the log as far as the server had
recorded it by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from ledger.errors import Malformed, Missing
from ledger.usecases.audit.book import Book, time_of

NOW = "now"
_DIGITS_MAX = 18

When: TypeAlias = int | datetime | None
"""A position, an aware time, or None for the newest position."""


class BadMoment(Malformed):
    code = "malformed"
    says = (
        "{given} is no moment; give a position, or a time with its zone such as"
        " 2026-11-22T12:00:00Z."
    )


class BeyondTheEnd(Missing):
    code = "unknown"
    says = "The {what} has no position {position}; its last is {size}."


class BeforeTheLog(Missing):
    code = "unknown"
    says = "The {what} has nothing from {at} or before; it begins at {begins}."


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in the log. `at` is when the server recorded the event of the position,
    None at position 0; `newest` says that nothing is recorded after it."""

    position: int
    at: datetime | None
    newest: bool


def when_of(given: str) -> When:
    """Read what somebody wrote: `57`, `2026-11-22T12:00:00Z`, `now`."""
    if given == NOW:
        return None
    if given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX:
        return int(given)
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise BadMoment(given=given) from None
    if at.tzinfo is None:
        raise BadMoment(given=given)
    return at


def moment(book: Book, when: When) -> Moment:
    """Find a moment in the log. Raises `BeyondTheEnd` and `BeforeTheLog`."""
    size = book.size()
    if when is None:
        position = size
    elif isinstance(when, int):
        position = when
        if position > size:
            raise BeyondTheEnd(what=book.what, position=position, size=size)
    else:
        position = book.reached_by(when)
        if position == 0:
            begins = _time(book, 1)
            said = begins.isoformat() if begins else "no time: it is empty"
            raise BeforeTheLog(what=book.what, at=when.isoformat(), begins=said)
    return Moment(position, _time(book, position), position == size)


def _time(book: Book, position: int) -> datetime | None:
    found = list(book.entries(position - 1, position)) if position else []
    return time_of(found[0]) if found else None
