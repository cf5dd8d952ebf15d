"""Sellers with shops of their own: who may sell for whom, and what they have told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.mandate import Mandate
from ledger.aggregates.registered_sale import RegisteredSale, RegisteredSaleState
from ledger.projections.base import Projection, Statement, View

LINES_MAX = 50


@dataclass(frozen=True, slots=True)
class MandateLine:
    """An issuer's word for a seller; `position` is that of its being given first."""

    position: int
    issuer_id: UUID
    seller_id: UUID
    commission_percent: int
    in_force: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class RegisteredLine:
    """A sale that a seller has told of; `position` orders them."""

    sale_id: UUID
    position: int
    seller_id: UUID
    issuer_id: UUID
    offering_id: UUID
    reference: str
    tickets: int
    price_minor: int
    commission_minor: int
    currency: str
    state: str
    registered_at: datetime


class ElsewhereView(View):
    """The tables `elsewhere_mandates` and `elsewhere_sales`.

    Each is read for one party: as the issuer, or else as the seller.
    """

    name = "elsewhere"
    tables = ("elsewhere_mandates", "elsewhere_sales")

    def mandates(
        self,
        party_id: UUID,
        *,
        as_issuer: bool,
        before: int | None = None,
        limit: int = LINES_MAX,
    ) -> Sequence[MandateLine]:
        """Return the mandates a party has given or was given, the newest first."""
        side: LiteralString = "issuer_id" if as_issuer else "seller_id"
        rows = self.rows(
            "SELECT position, issuer_id, seller_id, commission_percent, in_force,"  # noqa: S608, literals
            " changed_at FROM elsewhere_mandates WHERE " + side + " = %s"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (party_id, before, before, limit),
        )
        return [MandateLine(**row) for row in rows]

    def sales(
        self,
        party_id: UUID,
        *,
        as_issuer: bool,
        before: int | None = None,
        limit: int = LINES_MAX,
    ) -> Sequence[RegisteredLine]:
        """Return sales that a party registered or were made for it, newest first."""
        side: LiteralString = "issuer_id" if as_issuer else "seller_id"
        rows = self.rows(
            "SELECT * FROM elsewhere_sales WHERE " + side + " = %s"  # noqa: S608, literals
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (party_id, before, before, limit),
        )
        return [RegisteredLine(**row) for row in rows]


class Elsewhere(Projection[ElsewhereView]):
    """Follows mandates, and the sales under them."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Mandate.Granted, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO elsewhere_mandates (mandate_id, position, issuer_id,"
                " seller_id, commission_percent, in_force, changed_at)"
                " VALUES (%s, %s, %s, %s, %s, true, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.issuer_id,
                    domain_event.seller_id,
                    domain_event.commission_percent,
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Mandate.Renewed, tracking: Tracking) -> None:
        renewed: Statement = (
            "UPDATE elsewhere_mandates SET commission_percent = %s, in_force = true,"
            " changed_at = %s WHERE mandate_id = %s",
            (
                domain_event.commission_percent,
                domain_event.timestamp,
                domain_event.originator_id,
            ),
        )
        self.view.change(tracking, renewed)

    @process_event.register
    def _(self, domain_event: Mandate.Withdrawn, tracking: Tracking) -> None:
        withdrawn: Statement = (
            "UPDATE elsewhere_mandates SET in_force = false, changed_at = %s"
            " WHERE mandate_id = %s",
            (domain_event.timestamp, domain_event.originator_id),
        )
        self.view.change(tracking, withdrawn)

    @process_event.register
    def _(self, domain_event: RegisteredSale.Registered, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO elsewhere_sales (sale_id, position, seller_id, issuer_id,"
                " offering_id, reference, tickets, price_minor, commission_minor,"
                " currency, state, registered_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.seller_id,
                    domain_event.issuer_id,
                    domain_event.offering_id,
                    domain_event.reference,
                    len(domain_event.ticket_ids),
                    domain_event.price_minor,
                    domain_event.commission_minor,
                    domain_event.currency,
                    str(RegisteredSaleState.REGISTERED),
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: RegisteredSale.Cancelled, tracking: Tracking) -> None:
        cancelled: Statement = (
            "UPDATE elsewhere_sales SET state = %s WHERE sale_id = %s",
            (str(RegisteredSaleState.CANCELLED), domain_event.originator_id),
        )
        self.view.change(tracking, cancelled)
