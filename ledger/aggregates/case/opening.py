"""How a case comes to be, what it knows, and how it ends without a decision.

Facts are what the ledger or a machine observed; evidence is what somebody showed.
Both are taken until the case is decided, and again once it is appealed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent
from ledger.aggregates.case import refusals as no
from ledger.aggregates.case.core import Core
from ledger.aggregates.case.states import (
    UNDECIDED,
    CaseState,
    CaseType,
    Evidence,
)

EVIDENCE_SIZE_MAX = 2**40
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,63}")


class Opening(Core):
    """A case's opening, facts and evidence; withdrawal and merging."""

    @classmethod
    def open(
        cls,
        *,
        case_id: UUID,
        case_type: CaseType,
        ticket_ids: Iterable[UUID],
        medium_uid: str | None,
        payment_id: UUID | None,
        order_id: UUID | None,
        facts: Mapping[str, Any],
        kind: str,
        effects: Collection[str],
        opened_by: str,
        at: datetime,
    ) -> Self:
        """Open a case; `kind` and `effects` are those of its holds on tickets."""
        return cls._create(
            cls.Opened,
            id=case_id,
            timestamp=at,
            case_type=str(case_type),
            ticket_ids=list(dict.fromkeys(ticket_ids)),
            medium_uid=medium_uid,
            payment_id=payment_id,
            order_id=order_id,
            facts=dict(facts),
            kind=str(kind),
            effects=sorted(str(effect) for effect in effects),
            opened_by=opened_by,
        )

    class Opened(Core.Event, FirstEvent):
        TOPIC = "case.opened"
        case_type: str
        ticket_ids: list[UUID]
        medium_uid: str | None
        payment_id: UUID | None
        order_id: UUID | None
        facts: dict[str, Any]
        kind: str
        effects: list[str]
        opened_by: str

    def add_facts(
        self, *, facts: Mapping[str, Any], ticket_ids: Iterable[UUID], at: datetime
    ) -> None:
        """Note what else was observed, and the tickets it concerns."""
        self._require_undecided()
        new = self._new_among(ticket_ids)
        if new:
            self._require_not_of_the_bank()
        self.trigger_event(
            self.FactsAdded, timestamp=at, facts=dict(facts), ticket_ids=new
        )

    class FactsAdded(Core.Event):
        TOPIC = "case.facts-added"
        facts: dict[str, Any]
        ticket_ids: list[UUID]

        def apply(self, aggregate: Opening) -> None:
            aggregate.facts = [*aggregate.facts, self.facts]
            aggregate.ticket_ids = (*aggregate.ticket_ids, *self.ticket_ids)

    def give_evidence(
        self,
        *,
        evidence_id: UUID,
        by: str,
        description_sealed: str,
        sha256: str,
        size: int,
        media_type: str,
        at: datetime,
    ) -> None:
        """Commit to evidence by its hash; given twice, it is recorded once.

        The file stays where it is; `size` is in bytes. What it shows is described in
        words sealed under the key of whoever gave it.
        """
        if not (
            _SHA256.fullmatch(sha256)
            and _MEDIA_TYPE.fullmatch(media_type)
            and 0 < size <= EVIDENCE_SIZE_MAX
        ):
            raise no.BadEvidence
        for given in self.evidence:
            if given.evidence_id == evidence_id:
                if (given.sha256, given.by) == (sha256, by):
                    return
                raise no.EvidenceDiffers(because=self.names(given.version))
        self._require_undecided()
        self.trigger_event(
            self.EvidenceGiven,
            timestamp=at,
            evidence_id=evidence_id,
            by=by,
            description_sealed=description_sealed,
            sha256=sha256,
            size=size,
            media_type=media_type,
        )

    class EvidenceGiven(Core.Event):
        TOPIC = "case.evidence-given"
        evidence_id: UUID
        by: str
        description_sealed: str
        sha256: str
        size: int
        media_type: str

        def apply(self, aggregate: Opening) -> None:
            given = Evidence(
                self.evidence_id,
                self.by,
                self.description_sealed,
                self.sha256,
                self.size,
                self.media_type,
                self.originator_version,
            )
            aggregate.evidence = (*aggregate.evidence, given)
            if aggregate.state == CaseState.OPENED:
                aggregate._enter(CaseState.EVIDENCE, self)

    def withdraw(
        self, *, by: str, reason: str, at: datetime, as_operator: bool = False
    ) -> None:
        """End the case without executing anything: its opener, or an operator.

        The bank alone ends a chargeback: else what it takes later had no case.
        """
        if by != self.opened_by:
            if not as_operator:
                raise no.MayNotAppeal(because=self.names(1))
            self._require_not_of_the_bank()
        self._require_live()
        if self.state == CaseState.EXECUTED:
            raise self._not_in(UNDECIDED | {CaseState.DECIDED})
        self.trigger_event(self.Withdrawn, timestamp=at, by=by, reason=reason)

    class Withdrawn(Core.Event):
        TOPIC = "case.withdrawn"
        by: str
        reason: str

        def apply(self, aggregate: Opening) -> None:
            aggregate._enter(CaseState.WITHDRAWN, self)

    def merge_into(self, *, case_id: UUID, by: str, at: datetime) -> None:
        """End this case in favour of another, which takes in all that it knows."""
        if case_id == self.id:
            raise no.MergedIntoItself
        self._require_undecided()
        self._require_not_of_the_bank()
        self.trigger_event(self.Merged, timestamp=at, into_case_id=case_id, by=by)

    class Merged(Core.Event):
        TOPIC = "case.merged"
        into_case_id: UUID
        by: str

        def apply(self, aggregate: Opening) -> None:
            aggregate.merged_into = self.into_case_id
            aggregate._enter(CaseState.MERGED, self)

    def take_in(self, *, other: Core, at: datetime) -> None:
        """Take in a case that is merged into this one."""
        self._require_undecided()
        self._require_not_of_the_bank()
        self.trigger_event(
            self.TookIn,
            timestamp=at,
            case_id=other.id,
            ticket_ids=self._new_among(other.ticket_ids),
        )

    class TookIn(Core.Event):
        TOPIC = "case.took-in"
        case_id: UUID
        ticket_ids: list[UUID]

        def apply(self, aggregate: Opening) -> None:
            aggregate.merged_cases = (*aggregate.merged_cases, self.case_id)
            aggregate.ticket_ids = (*aggregate.ticket_ids, *self.ticket_ids)
