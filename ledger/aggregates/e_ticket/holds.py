"""Freezing: what a case forbids until it is settled. It never moves title or epoch.

A freeze takes the ticket from a machine that has not passed the point of no return;
a paper that may be printed already keeps the hold instead.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.gifts import Gifts
from ledger.aggregates.e_ticket.states import Hold, HoldEffect, HoldKind, LockKind

LEASED_FOR = {
    HoldEffect.NO_DISPENSE: LockKind.DISPENSE,
    HoldEffect.NO_REDEEM: LockKind.REDEMPTION,
}


class Holds(Gifts):
    """The commands and events of a freeze."""

    def freeze(
        self,
        *,
        case_id: UUID,
        kind: HoldKind,
        effects: Collection[str],
        at: datetime,
    ) -> None:
        """Forbid `effects` on account of a live case; asked again, nothing changes."""
        if not effects or not set(effects) <= set(HoldEffect):
            raise no.BadChange(says=f"Effects are {', '.join(HoldEffect)}.")
        if any(
            (hold.case_id, hold.kind) == (case_id, kind)
            and set(effects) <= set(hold.effects)
            for hold in self.holds
        ):
            return
        self.settle_lock(at)
        for effect, lock in LEASED_FOR.items():
            if effect in effects and self.lock.kind == lock and not self.print_serial:
                self._free_lease("frozen", at)
        self.trigger_event(
            self.Frozen,
            timestamp=at,
            case_id=case_id,
            kind=str(kind),
            effects=sorted(effects),
        )
        if HoldEffect.NO_TITLE in effects:
            self._suspend_offer(case_id, at)

    class Frozen(Gifts.Event):
        TOPIC = "e-ticket.frozen"
        case_id: UUID
        kind: str
        effects: list[str]

        def apply(self, aggregate: Holds) -> None:
            others, effects = [], set(self.effects)
            for hold in aggregate.holds:
                if (hold.case_id, hold.kind) == (self.case_id, self.kind):
                    effects |= set(hold.effects)
                else:
                    others.append(hold)
            hold = Hold(
                self.case_id,
                HoldKind(self.kind),
                tuple(sorted(effects)),
                self.originator_version,
            )
            aggregate.holds = (*others, hold)

    def unfreeze(self, *, case_id: UUID, at: datetime) -> None:
        """Release exactly this case's holds; an offer they suspended runs on."""
        if all(hold.case_id != case_id for hold in self.holds):
            return
        self.trigger_event(self.Unfrozen, timestamp=at, case_id=case_id)
        if all(HoldEffect.NO_TITLE not in hold.effects for hold in self.holds):
            self._resume_offer(at)

    class Unfrozen(Gifts.Event):
        TOPIC = "e-ticket.unfrozen"
        case_id: UUID

        def apply(self, aggregate: Holds) -> None:
            aggregate.holds = tuple(
                hold for hold in aggregate.holds if hold.case_id != self.case_id
            )
