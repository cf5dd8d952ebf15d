"""An issuer's word that a seller with a shop of its own may sell for him.

  grant ──► in force ── withdraw ──► withdrawn ── renew ──► in force
               └── renew: another commission ──┘

A sale registered under it stands, whatever becomes of the mandate afterwards.
"""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Conflict, Denied, Malformed


class NotMandated(Denied):
    code = "not_owner"
    says = "The issuer has not authorised this seller to sell for him."


class MandateEnded(Conflict):
    code = "unknown"
    says = "The mandate was withdrawn already."


class BadMandate(Malformed):
    code = "malformed"
    says = "{says}"


class Mandate(Recorded):
    TOPIC = "mandate"

    class Event(Recorded.Event):
        """An event about one seller's mandate from one issuer."""

    @classmethod
    def grant(
        cls,
        *,
        mandate_id: UUID,
        issuer_id: UUID,
        seller_id: UUID,
        commission_percent: int,
        at: datetime,
    ) -> Self:
        """Authorise a seller, who keeps so many per cent of what he takes."""
        if issuer_id == seller_id:
            raise BadMandate(says="An issuer needs no mandate of his own.")
        require_percent(commission_percent)
        return cls._create(
            cls.Granted,
            id=mandate_id,
            timestamp=at,
            issuer_id=issuer_id,
            seller_id=seller_id,
            commission_percent=commission_percent,
        )

    class Granted(Event, FirstEvent):
        TOPIC = "mandate.granted"
        issuer_id: UUID
        seller_id: UUID
        commission_percent: int

    def __init__(
        self, *, issuer_id: UUID, seller_id: UUID, commission_percent: int
    ) -> None:
        self.issuer_id = issuer_id
        self.seller_id = seller_id
        self.commission_percent = commission_percent
        self.in_force = True

    def renew(self, *, commission_percent: int, at: datetime) -> None:
        """Put it in force, at this commission; nothing changes if it is so already."""
        require_percent(commission_percent)
        if not self.in_force or commission_percent != self.commission_percent:
            self.trigger_event(
                self.Renewed, timestamp=at, commission_percent=commission_percent
            )

    class Renewed(Event):
        TOPIC = "mandate.renewed"
        commission_percent: int

        def apply(self, aggregate: Mandate) -> None:
            aggregate.commission_percent = self.commission_percent
            aggregate.in_force = True

    def withdraw(self, *, at: datetime) -> None:
        """From now on the seller registers nothing more; what he sold stands."""
        if not self.in_force:
            raise MandateEnded(because=self.names(self.version))
        self.trigger_event(self.Withdrawn, timestamp=at)

    class Withdrawn(Event):
        TOPIC = "mandate.withdrawn"

        def apply(self, aggregate: Mandate) -> None:
            aggregate.in_force = False

    def require_in_force(self) -> None:
        if not self.in_force:
            raise NotMandated(because=self.names(self.version))


def require_percent(commission_percent: int) -> None:
    if not 0 <= commission_percent <= 100:
        raise BadMandate(says="A commission is 0 to 100 per cent.")
