"""A ticket's life: who owns it, what holds it, and in which form it is valid.

            offer, list, exchange, write, dispense, redeem
  lock NONE ─────────────────────────────────────────────► GIFT | LISTING | …
      ▲                                                       │
      └── withdraw, decline, expire, abort, unlist ───────────┤
      └── accept, resell: the next owner, epoch+1 ────────────┤
      └── written: form ON_MEDIUM, epoch+1 ───────────────────┤
  life DISPENSED, SPENT, EXCHANGED, … ◄── dispensed, redeemed ┘

Each part of the story has a file of its own beside this one; what they share is in
`core`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket.content import Content
from ledger.aggregates.e_ticket.coupons import Coupons
from ledger.aggregates.e_ticket.dispensing import Dispensing
from ledger.aggregates.e_ticket.endings import Endings
from ledger.aggregates.e_ticket.holds import Holds
from ledger.aggregates.e_ticket.issuing import Issuing
from ledger.aggregates.e_ticket.media import OnMedia
from ledger.aggregates.e_ticket.resale import Resale
from ledger.aggregates.e_ticket.states import (
    ELECTRONIC,
    Life,
    LockKind,
    Terms,
    Uses,
    UsesUnit,
)
from ledger.vocabulary.sealed_ticket import Kind


class ETicket(Issuing, Holds, Resale, Content, Endings, OnMedia, Dispensing, Coupons):
    """One right and its whole history."""

    TOPIC = "e-ticket"

    def __init__(
        self,
        *,
        order_id: UUID | None,
        offering_id: UUID,
        issuer_id: UUID,
        owner_id: UUID,
        kind: Kind,
        title: str,
        right: str,
        category: str | None,
        not_before: datetime,
        not_after: datetime,
        price_minor: int,
        fees_minor: int,
        currency: str,
        uses_limit: int,
        uses_unit: UsesUnit,
        terms: dict[str, Any],
        question: int | None,
        check_sealed: str | None,
        source: str,
        group_id: UUID | None,
        group_size: int,
        points_spent: int,
        points_earned: int,
        predecessor_id: UUID | None,
    ) -> None:
        self.order_id = order_id
        self.offering_id = offering_id
        self.issuer_id = issuer_id
        self.owner_id = owner_id
        self.kind = kind
        self.title = title
        self.right = right
        self.category = category
        self.not_before = not_before
        self.not_after = not_after
        self.validity_version = 1
        self.price_minor = price_minor
        self.fees_minor = fees_minor
        self.currency = currency
        self.terms = Terms.from_dict(terms)
        self.question = question
        self.check_sealed = check_sealed
        self.source = source
        self.group_id = group_id
        self.group_size = group_size
        self.points_spent = points_spent
        self.points_earned = points_earned
        self.predecessor_id = predecessor_id
        self.successors = ()
        self.uses = Uses(uses_limit, uses_unit)
        self.life = Life.OWNED
        self.life_version = 1
        self.epoch = 1
        self.epoch_version = 1
        self.title_version = 1
        self.reversed_versions = ()
        self.holds = ()
        self.last_offer_id = None
        self.form = ELECTRONIC
        self.dead_serials = ()
        self.recalled = None
        self.recalled_version = 0
        self.observed = ()
        self.redemptions = {}
        self.reversals = ()
        self.requests = {}
        self._unlock()

    def settle_lock(self, at: datetime) -> None:
        """Record the end of a lock whose time is over, and of what it stood before."""
        while self.lock.until is not None and is_over(self.lock.until, at):
            if self.lock.kind == LockKind.GIFT:
                offer_id = self.lock.ref
                self.trigger_event(self.GiftExpired, timestamp=at, offer_id=offer_id)
            elif self.lock.kind == LockKind.LISTING:
                self._withdraw_listing("expired", at)
            elif self.lock.kind == LockKind.EXCHANGE:
                self._abort_exchange("its time is over", at)
            else:
                self._free_lease("the lease ran out", at)

    def _free_lease(self, reason: str, at: datetime) -> None:
        if self.lock.kind == LockKind.DISPENSE:
            self._abort_dispense(reason, at)
        elif self.lock.kind == LockKind.REDEMPTION:
            self._release_redemption(reason, at)
