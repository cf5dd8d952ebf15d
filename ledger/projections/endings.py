"""The events that end a ticket, and the life that each of them leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ledger.aggregates.e_ticket import ETicket, Life

Ended: TypeAlias = (
    ETicket.Exchanged
    | ETicket.Refunded
    | ETicket.Voided
    | ETicket.Revoked
    | ETicket.Expired
)

LIFE_AFTER: Mapping[type[ETicket.Event], Life] = {
    ETicket.Exchanged: Life.EXCHANGED,
    ETicket.Refunded: Life.REFUNDED,
    ETicket.Voided: Life.VOIDED,
    ETicket.Revoked: Life.REVOKED,
    ETicket.Expired: Life.EXPIRED,
}
