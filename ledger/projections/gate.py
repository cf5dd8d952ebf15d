"""All that a gate asks, in one statement: may it ask, and is this card fresh?

It joins three rooms, which is why it has one of its own: who the token speaks for, what
the view of freshness knows of the card and its tickets, and what the wallet says they
are for. It is of one moment: a token that was revoked before opens nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from eventsourcing.postgres import PostgresDatastore
from psycopg.rows import tuple_row

from ledger.aggregates.medium import EMPTY, SlotState
from ledger.aggregates.medium.judge import Known, TicketNow
from ledger.vocabulary.codes import Role
from ledger.vocabulary.medium_record import SLOTS_MAX

_QUERY: LiteralString = (
    "SELECT a.device_id, a.roles,"
    " (SELECT notification_id FROM projection_tracking"
    "  WHERE application_name = 'freshness'),"
    " m.status, m.seq, m.digest, m.next_seq IS NOT NULL,"
    " s.slot, s.status, s.epoch, s.uses_left, s.ticket_id,"
    " t.epoch, t.life, t.medium_uid, t.slot, t.serial, t.uses_left,"
    " EXISTS (SELECT FROM freshness_holds h WHERE h.ticket_id = t.ticket_id),"
    " w.title, w.says, w.kind, w.question"
    " FROM access_tokens a CROSS JOIN freshness_media m"
    " LEFT JOIN freshness_slots s ON s.medium_id = m.medium_id AND NOT s.pending"
    " LEFT JOIN freshness_tickets t ON t.ticket_id = s.ticket_id"
    " LEFT JOIN wallet w ON w.ticket_id = s.ticket_id"
    " WHERE a.token_sha256 = %b AND a.revoked_at IS NULL AND a.expires_at > %b"
    " AND m.uid = %s"
)
# Where in a row of it each thing stands.
_WHO, _SLOT, _TICKET, _PURPOSE = slice(7), slice(7, 12), slice(12, 19), slice(19, 23)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a ticket is for."""

    title: str
    right: str
    kind: str
    question: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Which machine asks, and what is known, as of a position, of the card."""

    device_id: UUID | None
    roles: frozenset[Role]
    position: int
    known: Known
    slots: tuple[SlotState, ...]
    tickets: Mapping[UUID, TicketNow]
    purposes: Mapping[UUID, Purpose]


class Gate:
    """Reads `access_tokens` and the views `freshness` and `wallet` together."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        self._datastore = datastore

    def asked(self, *, token: str, uid: bytes, at: datetime) -> Asked | None:
        """Return what is known; None for a token or a card that opens nothing."""
        hashed = hashlib.sha256(token.encode()).digest()
        with (
            self._datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            cursor.execute(_QUERY, (hashed, at, uid.hex()), prepare=True)
            rows = cursor.fetchall()
        if not rows:
            return None
        slots = [EMPTY] * SLOTS_MAX
        tickets: dict[UUID, TicketNow] = {}
        purposes: dict[UUID, Purpose] = {}
        for row in rows:
            number, status, epoch, uses_left, ticket_id = row[_SLOT]
            if number is None:
                continue
            slots[number] = SlotState(status, epoch, uses_left, ticket_id)
            if row[_TICKET][1] is not None:
                tickets[ticket_id] = TicketNow(ticket_id, *row[_TICKET])
            if row[_PURPOSE][0] is not None:
                purposes[ticket_id] = Purpose(*row[_PURPOSE])
        device_id, roles, position, *medium = rows[0][_WHO]
        return Asked(
            device_id,
            frozenset(map(Role, roles)),
            position or 0,
            Known(*medium),
            tuple(slots),
            tickets,
            purposes,
        )
