"""Disputes as operators look for them: by state, by ticket, by who opened them.

A row says what there is to do; everything else stands in the case itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.case import Case, CaseState
from ledger.projections.base import Projection, Statement, View

CASES_MAX = 100


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case; `position` is that of its opening and orders them."""

    case_id: UUID
    position: int
    type: str
    state: str
    opened_by: str
    opened_at: datetime
    reviewer: str | None
    changed_at: datetime
    ticket_ids: tuple[UUID, ...]


class CasesView(View):
    """The tables `cases` and `cases_tickets`."""

    name = "cases"
    tables = ("cases", "cases_tickets")

    def newest(
        self,
        *,
        state: str | None = None,
        ticket_id: UUID | None = None,
        opened_by: str | None = None,
        before: int | None = None,
        limit: int = CASES_MAX,
    ) -> Sequence[CaseLine]:
        """Return cases, newest first, from before the position that was shown last."""
        rows = self.rows(
            "SELECT c.*, ARRAY(SELECT ticket_id FROM cases_tickets t"
            " WHERE t.case_id = c.case_id ORDER BY ticket_id) AS ticket_ids"
            " FROM cases c WHERE (%s::text IS NULL OR state = %s)"
            " AND (%s::text IS NULL OR opened_by = %s)"
            " AND (%s::uuid IS NULL OR case_id IN"
            " (SELECT case_id FROM cases_tickets WHERE ticket_id = %s))"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (
                *(state, state),
                *(opened_by, opened_by),
                *(ticket_id, ticket_id),
                *(before, before),
                limit,
            ),
        )
        return [
            CaseLine(**{**row, "ticket_ids": tuple(row["ticket_ids"])}) for row in rows
        ]


Entered: TypeAlias = (
    Case.Withdrawn
    | Case.Merged
    | Case.Decided
    | Case.Appealed
    | Case.Executed
    | Case.Closed
)

_AFTER: dict[type[Case.Event], CaseState] = {
    Case.Withdrawn: CaseState.WITHDRAWN,
    Case.Merged: CaseState.MERGED,
    Case.Decided: CaseState.DECIDED,
    Case.Appealed: CaseState.APPEALED,
    Case.Executed: CaseState.EXECUTED,
    Case.Closed: CaseState.CLOSED,
}


class Cases(Projection[CasesView]):
    """Follows a case from state to state."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Case.Opened, tracking: Tracking) -> None:
        at = domain_event.timestamp
        opened: Statement = (
            "INSERT INTO cases (case_id, position, type, state, opened_by, opened_at,"
            " changed_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                domain_event.originator_id,
                tracking.notification_id,
                domain_event.case_type,
                str(CaseState.OPENED),
                domain_event.opened_by,
                at,
                at,
            ),
        )
        about = _about(domain_event, domain_event.ticket_ids)
        self.view.change(tracking, opened, *about)

    @process_event.register
    def _(self, domain_event: Case.FactsAdded, tracking: Tracking) -> None:
        about = _about(domain_event, domain_event.ticket_ids)
        self.view.change(tracking, _changed(domain_event), *about)

    @process_event.register
    def _(self, domain_event: Case.TookIn, tracking: Tracking) -> None:
        about = _about(domain_event, domain_event.ticket_ids)
        self.view.change(tracking, _changed(domain_event), *about)

    @process_event.register
    def _(self, domain_event: Case.EvidenceGiven, tracking: Tracking) -> None:
        given: Statement = (
            "UPDATE cases SET state = CASE state WHEN %s THEN %s ELSE state END,"
            " changed_at = %s WHERE case_id = %s",
            (
                str(CaseState.OPENED),
                str(CaseState.EVIDENCE),
                domain_event.timestamp,
                domain_event.originator_id,
            ),
        )
        self.view.change(tracking, given)

    @process_event.register
    def _(self, domain_event: Case.ReviewStarted, tracking: Tracking) -> None:
        review: Statement = (
            "UPDATE cases SET state = %s, reviewer = %s, changed_at = %s"
            " WHERE case_id = %s",
            (
                str(CaseState.REVIEW),
                domain_event.by,
                domain_event.timestamp,
                domain_event.originator_id,
            ),
        )
        self.view.change(tracking, review)

    @process_event.register
    def _(self, domain_event: Entered, tracking: Tracking) -> None:
        entered: Statement = (
            "UPDATE cases SET state = %s, changed_at = %s,"
            " reviewer = CASE WHEN %s THEN NULL ELSE reviewer END WHERE case_id = %s",
            (
                str(_AFTER[type(domain_event)]),
                domain_event.timestamp,
                isinstance(domain_event, Case.Decided),
                domain_event.originator_id,
            ),
        )
        self.view.change(tracking, entered)


def _changed(event: Case.Event) -> Statement:
    return (
        "UPDATE cases SET changed_at = %s WHERE case_id = %s",
        (event.timestamp, event.originator_id),
    )


def _about(event: Case.Event, ticket_ids: Sequence[UUID]) -> list[Statement]:
    return [
        (
            "INSERT INTO cases_tickets (case_id, ticket_id) VALUES (%s, %s)"
            " ON CONFLICT DO NOTHING",
            (event.originator_id, ticket_id),
        )
        for ticket_id in ticket_ids
    ]
