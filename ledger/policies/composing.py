"""What a notification says, in words for people and in JSON for programs.

Names and titles are read and opened now, at sending, and stand nowhere else. The JSON
holds ids, amounts and times: who receives it asks the API for the rest, with its own
rights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ledger.adapters.outbox import Notification, NotificationKind
from ledger.aggregates.e_ticket import ETicket
from ledger.application import Ledger
from ledger.ports import Message

TITLE_MAX = 120
ID_LENGTH = 32

_SAYS: Mapping[str, tuple[str, str]] = {
    NotificationKind.GIFT_OFFERED: (
        "A ticket is offered to you",
        "The ticket {about} is offered to you as a gift, until {until}. It is yours"
        " once you accept it; if you do nothing, it stays with its owner.",
    ),
    NotificationKind.GIFT_ACCEPTED: (
        "Your gift was accepted",
        "Your gift was accepted: the ticket {about} is no longer yours.",
    ),
    NotificationKind.GIFT_DECLINED: (
        "Your gift was declined",
        "Your gift was declined: the ticket {about} is still yours.",
    ),
    NotificationKind.SOLD: (
        "Your ticket was sold",
        "The ticket {about} was sold and is no longer yours. The money is held until"
        " it is released to you.",
    ),
    NotificationKind.MODIFIED: (
        "Your ticket was changed",
        "The ticket {about} was changed ({fields}). Please look at it.",
    ),
    NotificationKind.CARD_STALE: (
        "The ticket on your card is out of date",
        "The copy of the ticket {about} on your card is of no use any more. If the"
        " ticket is still yours, have it written to the card again.",
    ),
    NotificationKind.CASE_OPENED: (
        "A case concerns your ticket",
        "A case was opened that concerns {about}. Until it is decided you may not be"
        " able to use, give or sell it.",
    ),
}


def compose(
    ledger: Ledger, notification: Notification, *, origin: str, name: str | None
) -> Message:
    """Put a notification into words; `name` is the recipient's, if he has one."""
    subject, text = _SAYS[notification.kind]
    facts = {
        "about": _about(ledger, notification),
        "until": notification.detail.get("until", ""),
        "fields": ", ".join(notification.detail.get("fields", ())),
    }
    lines = [
        f"Dear {name}," if name else "Good day,",
        "",
        text.format(**facts),
        "",
        f"Reference: {notification.about_id}, position {notification.position}"
        f" of {origin}.",
        "",
    ]
    return Message(
        message_id=message_id(origin, notification),
        subject=subject,
        text="\n".join(lines),
        body=payload(notification, origin=origin),
    )


def payload(notification: Notification, *, origin: str) -> bytes:
    """Return the JSON of a webhook: always the same bytes for one notification."""
    said: dict[str, Any] = {
        "type": notification.kind,
        "timestamp": notification.at.isoformat(),
        "data": {
            "log": origin,
            "position": notification.position,
            "party_id": str(notification.party_id),
            "about_id": str(notification.about_id),
            **notification.detail,
        },
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def message_id(origin: str, notification: Notification) -> str:
    """Name a message, by what it says to whom: sent again, it has the same name."""
    said = (
        f"{origin}\n{notification.position}\n{notification.party_id}\n"
        f"{notification.kind}"
    )
    return f"msg_{hashlib.sha256(said.encode()).hexdigest()[:ID_LENGTH]}"


def _about(ledger: Ledger, notification: Notification) -> str:
    """Name the tickets that it is about."""
    ids = [UUID(each) for each in notification.detail.get("ticket_ids", ())]
    found = (ledger.find(ETicket, each) for each in ids or [notification.about_id])
    titles = [f"“{ticket.title[:TITLE_MAX]}”" for ticket in found if ticket is not None]
    return ", ".join(titles) or "your card"
