"""What all parts of a case share: its state, and what every command asks of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from ledger.aggregates.base import Recorded
from ledger.aggregates.case import refusals as no
from ledger.aggregates.case.states import (
    OVER,
    UNDECIDED,
    CaseState,
    CaseType,
    Evidence,
    Judgement,
)


class Core(Recorded):
    """A case's state, and the guards over it."""

    type: CaseType
    ticket_ids: tuple[UUID, ...]
    medium_uid: str | None
    payment_id: UUID | None
    order_id: UUID | None
    facts: list[dict[str, Any]]
    kind: str
    effects: tuple[str, ...]
    opened_by: str
    state: CaseState
    state_version: int
    evidence: tuple[Evidence, ...]
    merged_cases: tuple[UUID, ...]
    merged_into: UUID | None
    judgements: tuple[Judgement, ...]
    reviewer: str | None
    appealed_version: int
    plan_hash: str | None

    class Event(Recorded.Event):
        """An event about one case."""

    @property
    def is_live(self) -> bool:
        return self.state not in OVER

    @property
    def is_undecided(self) -> bool:
        return self.state in UNDECIDED

    # What events do, and what commands ask.

    def _new_among(self, ticket_ids: Iterable[UUID]) -> list[UUID]:
        return [each for each in ticket_ids if each not in self.ticket_ids]

    def _enter(self, state: CaseState, event: Recorded.Event) -> None:
        self.state = state
        self.state_version = event.originator_version

    def _require_live(self) -> None:
        if not self.is_live:
            raise no.CaseOver(state=self.state, because=self.names(self.state_version))

    def _require_undecided(self) -> None:
        self._require_live()
        if not self.is_undecided:
            raise no.EvidenceTooLate(because=self.names(self.state_version))

    def _require_not_of_the_bank(self) -> None:
        """A chargeback is about one payment and its tickets, and stays alone."""
        if self.type == CaseType.CHARGEBACK:
            raise no.BankDecides(because=self.names(1))

    def _require_state(self, *needed: CaseState) -> None:
        self._require_live()
        if self.state not in needed:
            raise self._not_in(needed)

    def _not_in(self, needed: Collection[CaseState]) -> no.NotInThisState:
        return no.NotInThisState(
            state=self.state,
            needed=" or ".join(sorted(needed)),
            because=self.names(self.state_version),
        )
