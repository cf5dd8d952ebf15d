"""The time and fresh ids: the one room that asks the machine for them.

Doors take a clock and hand `at` and ids down as arguments, so that everything below
can be replayed, and tested at any hour.
"""

from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID, uuid4


class Clock(Protocol):
    """Tells the time at which a command is taken."""

    def now(self) -> datetime:
        """Return the present as an aware datetime in UTC."""


class SystemClock:
    """The machine's own clock; keeping it right is NTP's work."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def new_id() -> UUID:
    """Draw an id nobody can guess: 122 random bits (RFC 9562, version 4)."""
    return uuid4()
