"""What becomes of a medium: lost and found, accused and cleared, blocked, replaced.

A medium's end never destroys a right: whoever ends one recalls its tickets in the same
commit, so that they can be recorded on another.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.aggregates.medium import refusals as no
from ledger.aggregates.medium.core import Core
from ledger.aggregates.medium.states import IN_USE, MediumStatus
from ledger.vocabulary.codes import Verdict


class Lifecycle(Core):
    """The commands and events of a medium's life."""

    def require_holder(self, by: UUID) -> None:
        if by != self.holder_id:
            raise no.NotItsHolder(because=self.names(1))

    def suspend(self, *, at: datetime) -> None:
        """Report it lost: no machine on the line takes it. Said twice, it is one loss.

        What a machine without the line did with it before is a fact, later it is
        disputed.
        """
        self.require_in_use()
        if self.status != MediumStatus.SUSPENDED:
            self.trigger_event(self.Suspended, timestamp=at)

    class Suspended(Core.Event):
        TOPIC = "medium.suspended"

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate._enter(MediumStatus.SUSPENDED, self)
            aggregate.lost_at = self.timestamp

    def restore(self, *, at: datetime) -> None:
        """Take it into use again, for it was found; a suspicion stays on it."""
        self.require_in_use()
        if self.status != MediumStatus.SUSPENDED:
            raise no.NotLost(because=self.names(self.status_version))
        status = str(self.status_before)
        self.trigger_event(self.Restored, timestamp=at, status=status)

    class Restored(Core.Event):
        """`status` is what it was before, unless it was accused meanwhile."""

        TOPIC = "medium.restored"
        status: str

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate._enter(MediumStatus(self.status), self)
            aggregate.lost_at = None

    def suspect(
        self,
        *,
        verdict: Verdict,
        seen: dict[str, Any],
        at: datetime,
        case_id: UUID | None = None,
    ) -> None:
        """Keep what a suspicious tap showed; the first one makes the medium suspect."""
        self.trigger_event(
            self.Suspected,
            timestamp=at,
            verdict=str(verdict),
            seen=seen,
            case_id=case_id,
        )

    class Suspected(Core.Event):
        TOPIC = "medium.suspected"
        class_version = 2
        verdict: str
        seen: dict[str, Any]
        case_id: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first a suspicion opened no case."""
            state["case_id"] = None

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate.last_suspicion = (self.verdict, self.seen)
            if aggregate.status in IN_USE:
                aggregate._enter(MediumStatus.SUSPECT, self)
            elif aggregate.status == MediumStatus.SUSPENDED:
                aggregate.status_before = MediumStatus.SUSPECT
            if self.case_id is not None and self.case_id not in aggregate.case_ids:
                aggregate.case_ids = (*aggregate.case_ids, self.case_id)

    def clear(self, *, by: UUID, at: datetime) -> None:
        """Lift the suspicion, as an operator who has looked at the medium."""
        if self.status != MediumStatus.SUSPECT:
            raise no.NotSuspect(because=self.names(self.status_version))
        self.trigger_event(self.Cleared, timestamp=at, by_party_id=by)

    class Cleared(Core.Event):
        TOPIC = "medium.cleared"
        by_party_id: UUID

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate._enter(MediumStatus.ACTIVE, self)
            aggregate._acquit()

    def block(self, *, reason: str, at: datetime) -> None:
        """End its use for ever. The caller recalls its tickets in the same commit."""
        if self.status == MediumStatus.BLOCKED:
            return
        self.require_in_use()
        self.trigger_event(self.Blocked, timestamp=at, reason=reason)

    class Blocked(Core.Event):
        TOPIC = "medium.blocked"
        reason: str

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate._end(MediumStatus.BLOCKED, self)

    def replace(self, *, by_uid: str, at: datetime) -> None:
        """Put another medium in its place; also of one that was blocked before."""
        if self.status == MediumStatus.REPLACED and self.replaced_by == by_uid:
            return
        if self.status != MediumStatus.BLOCKED:
            self.require_in_use()
        if by_uid == self.uid:
            raise no.NoReplacement
        self.trigger_event(self.Replaced, timestamp=at, by_uid=by_uid)

    class Replaced(Core.Event):
        TOPIC = "medium.replaced"
        by_uid: str

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate.replaced_by = self.by_uid
            aggregate._end(MediumStatus.REPLACED, self)

    def hand_in(self, *, at: datetime) -> None:
        """Take it back from its holder for good."""
        if self.status == MediumStatus.RETURNED:
            return
        self.require_in_use()
        self.trigger_event(self.Returned, timestamp=at)

    class Returned(Core.Event):
        TOPIC = "medium.returned"

        def apply(self, aggregate: Lifecycle) -> None:
            aggregate._end(MediumStatus.RETURNED, self)

    def _end(self, status: MediumStatus, event: Core.Event) -> None:
        if self.lost_at is None:  # From here on no machine should take it.
            self.lost_at = event.timestamp
        self._enter(status, event)
        self._acquit()

    def _acquit(self) -> None:
        """Nothing is held on its account any more; a new suspicion is a new case."""
        self.case_ids = ()
        self.last_suspicion = None
        self.ahead = None
