"""What is sealed, and whether it can ever be read again.

An audit opens nothing: it holds no key, and its role in the database may not see one.
A sealed field reads as `sealed`, and as `erased` once the key of whom it is about was
destroyed, at whatever moment one looks: no earlier reading brings it back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.gift import Gift
from ledger.aggregates.party import Party
from ledger.usecases.audit.book import Book

SEALED = "sealed"
ERASED = "erased"

# Under whose key a field is sealed, if the event itself says so.
_SUBJECT_IN: Mapping[str, str] = {
    "check_sealed": "owner_id",
    "description_sealed": "by",
    "reason_sealed": "by",
    "name_sealed": "originator_id",
    "message_sealed": "sender_id",
}


def subject_of(event: Recorded.Event, name: str) -> UUID | None:
    """Return whom a sealed field is about; None where its event does not say."""
    if name == "contact_sealed":
        return None if isinstance(event, Gift.Event) else event.originator_id
    said: Any = getattr(event, _SUBJECT_IN.get(name, ""), None)
    try:
        return said if isinstance(said, UUID) else UUID(str(said))
    except ValueError:
        return None


def erased_among(book: Book, stream_ids: Collection[UUID]) -> set[UUID]:
    """Return those parties that were erased, and gifts whose contact was, by now."""
    if not stream_ids:
        return set()
    return {
        entry.originator_id
        for entry in book.streams(stream_ids, book.size())
        if entry.topic in (Party.Erased.TOPIC, Gift.ContactErased.TOPIC)
    }
