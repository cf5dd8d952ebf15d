"""From the review to the end: judged by one, executed by another, then closed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from ledger.aggregates.case import refusals as no
from ledger.aggregates.case.core import Core
from ledger.aggregates.case.states import CaseState, Decision, Judgement

# Above this value at stake, in minor units of whatever currency, the one who executes
# is not the one who decided.
FOUR_EYES_MINOR = 10_000


class Deciding(Core):
    """Review, decision, appeal, execution, closing."""

    @property
    def judgement(self) -> Judgement | None:
        """The decision in force: the last one made, unless it is appealed."""
        undecided = self.is_undecided or not self.judgements
        return None if undecided else self.judgements[-1]

    def start_review(self, *, by: str, parties: Collection[str], at: datetime) -> None:
        """Take the case as its reviewer; after an appeal it must be somebody else."""
        self._require_state(
            CaseState.OPENED, CaseState.EVIDENCE, CaseState.REVIEW, CaseState.APPEALED
        )
        if not self.judgements:
            self._require_not_of_the_bank()
        self._require_no_party(by, parties)
        self._require_fresh_eyes(by)
        self.trigger_event(self.ReviewStarted, timestamp=at, by=by)

    class ReviewStarted(Core.Event):
        TOPIC = "case.review-started"
        by: str

        def apply(self, aggregate: Deciding) -> None:
            aggregate.reviewer = self.by
            aggregate._enter(CaseState.REVIEW, self)

    def decide(
        self,
        *,
        by: str,
        decision: Decision,
        grounds_sealed: str | None,
        judged_at_position: int,
        parties: Collection[str],
        at: datetime,
    ) -> None:
        """Decide as the reviewer, pinning the log position that was looked at."""
        self._require_state(CaseState.REVIEW)
        self._require_no_party(by, parties)
        if by != self.reviewer:
            raise no.NotTheReviewer(because=self.names(self.state_version))
        self._decide(by, decision, grounds_sealed, judged_at_position, parties, at)

    def take_as_decided(
        self, *, by: str, decision: Decision, judged_at_position: int, at: datetime
    ) -> None:
        """Decide as somebody outside has: a bank, or an issuer who cancels."""
        self._require_undecided()
        self._decide(by, decision, None, judged_at_position, (), at)

    def _decide(
        self,
        by: str,
        decision: Decision,
        grounds_sealed: str | None,
        judged_at_position: int,
        parties: Collection[str],
        at: datetime,
    ) -> None:
        if decision.missing:
            raise no.BadDecision(
                kind=decision.kind, missing=", ".join(decision.missing)
            )
        self.trigger_event(
            self.Decided,
            timestamp=at,
            by=by,
            decision=decision.as_dict(),
            grounds_sealed=grounds_sealed,
            judged_at_position=judged_at_position,
            parties=sorted(parties),
        )

    class Decided(Core.Event):
        TOPIC = "case.decided"
        by: str
        decision: dict[str, Any]
        grounds_sealed: str | None
        judged_at_position: int
        parties: list[str]

        def apply(self, aggregate: Deciding) -> None:
            judgement = Judgement(
                Decision.from_dict(self.decision),
                self.by,
                self.judged_at_position,
                self.originator_version,
            )
            aggregate.judgements = (*aggregate.judgements, judgement)
            aggregate.reviewer = None
            aggregate._enter(CaseState.DECIDED, self)

    def appeal(
        self, *, by: str, parties: Collection[str], reason_sealed: str, at: datetime
    ) -> None:
        """Ask for a second look, once, as a party, before anything is executed."""
        self._require_state(CaseState.DECIDED)
        if by not in parties and by != self.opened_by:
            raise no.MayNotAppeal(because=self.names(1))
        if self.appealed_version:
            raise no.AppealedBefore(because=self.names(self.appealed_version))
        self.trigger_event(
            self.Appealed, timestamp=at, by=by, reason_sealed=reason_sealed
        )

    class Appealed(Core.Event):
        TOPIC = "case.appealed"
        by: str
        reason_sealed: str

        def apply(self, aggregate: Deciding) -> None:
            aggregate.appealed_version = self.originator_version
            aggregate._enter(CaseState.APPEALED, self)

    def execute(
        self,
        *,
        by: str,
        parties: Collection[str],
        value_minor: int,
        plan_hash: str,
        compensations: Sequence[dict[str, Any]],
        at: datetime,
    ) -> None:
        """Record that the plan is carried out, in the same commit as its steps."""
        self.require_executor(by=by, parties=parties, value_minor=value_minor)
        self.trigger_event(
            self.Executed,
            timestamp=at,
            by=by,
            plan_hash=plan_hash,
            value_minor=value_minor,
            compensations=list(compensations),
        )

    def require_executor(
        self, *, by: str, parties: Collection[str], value_minor: int
    ) -> None:
        """Raise unless the case is decided, and `by` may carry it out."""
        self._require_state(CaseState.DECIDED)
        self._require_no_party(by, parties)
        judgement = self.judgements[-1]
        if value_minor > FOUR_EYES_MINOR and by == judgement.by:
            raise no.SameOperator(because=self.names(judgement.version))

    class Executed(Core.Event):
        TOPIC = "case.executed"
        by: str
        plan_hash: str
        value_minor: int
        compensations: list[dict[str, Any]]

        def apply(self, aggregate: Deciding) -> None:
            aggregate.plan_hash = self.plan_hash
            aggregate._enter(CaseState.EXECUTED, self)

    def close(self, *, by: str, at: datetime) -> None:
        """Close the case; its holds are released in the same commit."""
        self._require_state(CaseState.EXECUTED)
        self.trigger_event(self.Closed, timestamp=at, by=by)

    class Closed(Core.Event):
        TOPIC = "case.closed"
        by: str

        def apply(self, aggregate: Deciding) -> None:
            aggregate._enter(CaseState.CLOSED, self)

    def _require_no_party(self, by: str, parties: Collection[str]) -> None:
        if by in parties or by == self.opened_by:
            raise no.PartyToTheCase(because=self.names(1))

    def _require_fresh_eyes(self, by: str) -> None:
        """Nobody reviews his own decision."""
        for judgement in self.judgements:
            if judgement.by == by:
                raise no.SameOperator(because=self.names(judgement.version))
