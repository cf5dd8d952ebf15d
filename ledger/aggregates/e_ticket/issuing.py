"""How a ticket begins: sold, granted, imported, or issued for another one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import Terms, UsesUnit
from ledger.vocabulary.sealed_ticket import Kind


class Issuing(Core):
    """The command and the event that begin a ticket."""

    @classmethod
    def issue(
        cls,
        *,
        ticket_id: UUID,
        order_id: UUID | None,
        offering_id: UUID,
        issuer_id: UUID,
        owner_id: UUID,
        kind: Kind,
        title: str,
        right: str,
        not_before: datetime,
        not_after: datetime,
        price_minor: int,
        currency: str,
        uses_limit: int,
        terms: Terms,
        question: int | None,
        check_sealed: str | None,
        at: datetime,
        fees_minor: int = 0,
        category: str | None = None,
        group_id: UUID | None = None,
        group_size: int = 1,
        uses_unit: UsesUnit = "count",
        source: str = "sale",
        points_spent: int = 0,
        points_earned: int = 0,
        predecessor_id: UUID | None = None,
    ) -> Self:
        """Issue a ticket to the purchaser, who is its owner from now on.

        `source` says how it came to be: sale, grant, elsewhere, exchange or import.
        `uses_limit` counts uses, or minor units where `uses_unit` is money.
        """
        return cls._create(
            cls.Issued,
            id=ticket_id,
            timestamp=at,
            order_id=order_id,
            offering_id=offering_id,
            issuer_id=issuer_id,
            owner_id=owner_id,
            kind=kind,
            title=title,
            right=right,
            category=category,
            not_before=not_before,
            not_after=not_after,
            price_minor=price_minor,
            fees_minor=fees_minor,
            currency=currency,
            uses_limit=uses_limit,
            uses_unit=uses_unit,
            terms=terms.as_dict(),
            question=question,
            check_sealed=check_sealed,
            source=source,
            group_id=group_id,
            group_size=group_size,
            points_spent=points_spent,
            points_earned=points_earned,
            predecessor_id=predecessor_id,
        )

    class Issued(Core.Event, FirstEvent):
        TOPIC = "e-ticket.issued"
        class_version = 2
        order_id: UUID | None
        offering_id: UUID
        issuer_id: UUID
        owner_id: UUID
        kind: Kind
        title: str
        right: str
        category: str | None
        not_before: datetime
        not_after: datetime
        price_minor: int
        fees_minor: int
        currency: str
        uses_limit: int
        uses_unit: UsesUnit
        terms: dict[str, Any]
        question: int | None
        check_sealed: str | None
        source: str
        group_id: UUID | None
        group_size: int
        points_spent: int
        points_earned: int
        predecessor_id: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first every ticket was sold alone, for money, at one price."""
            state |= {"category": None, "fees_minor": 0, "uses_unit": "count"}
            state |= {"source": "sale", "group_id": None, "group_size": 1}
            state |= {"points_spent": 0, "points_earned": 0, "predecessor_id": None}
