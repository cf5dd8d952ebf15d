"""A medium's stream: what was written on it, and whether it may still be used.

BLANK ── personalised ──► PERSONALISED ── first proven write ──► ACTIVE
ACTIVE ── suspicious tap ──► SUSPECT ── cleared ──► ACTIVE
in use, SUSPECT ── reported lost ──► SUSPENDED ── found ──► as before
any of these ── block ──► BLOCKED; ── replace ──► REPLACED; ── hand in ──► RETURNED

Its sequence number only grows. Writes are in `writing`, what becomes of the medium in
`lifecycle`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent
from ledger.aggregates.e_ticket.states import MEDIUM_KINDS
from ledger.aggregates.medium.core import Core
from ledger.aggregates.medium.lifecycle import Lifecycle
from ledger.aggregates.medium.refusals import BadMediumKind
from ledger.aggregates.medium.states import EMPTY, MediumStatus
from ledger.aggregates.medium.writing import Writing
from ledger.vocabulary.medium_record import SLOTS_MAX


class Medium(Writing, Lifecycle):
    """One card, flash card or disk, and its whole history."""

    TOPIC = "medium"

    @classmethod
    def personalise(
        cls,
        *,
        medium_id: UUID,
        uid: str,
        holder_id: UUID,
        profile: str,
        key_version: int,
        at: datetime,
        kind: str = "ic_card",
    ) -> Self:
        """Register a personalised, empty medium; `uid` is 14 hex digits.

        `kind` is ic_card, flash_card or disk; its keys are its own, made of the UID
        and of masters in this `key_version`.
        """
        if kind not in MEDIUM_KINDS:
            raise BadMediumKind(kinds=", ".join(MEDIUM_KINDS))
        return cls._create(
            cls.Personalised,
            id=medium_id,
            timestamp=at,
            uid=uid,
            holder_id=holder_id,
            profile=profile,
            key_version=key_version,
            kind=kind,
        )

    class Personalised(Core.Event, FirstEvent):
        TOPIC = "medium.personalised"
        class_version = 2
        uid: str
        holder_id: UUID
        profile: str
        key_version: int
        kind: str

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """At first every medium was an IC card."""
            state["kind"] = "ic_card"

    def __init__(
        self, *, uid: str, holder_id: UUID, profile: str, key_version: int, kind: str
    ) -> None:
        self.uid = uid
        self.holder_id = holder_id
        self.profile = profile
        self.kind = kind
        self.key_version = key_version
        self.status = MediumStatus.PERSONALISED
        self.status_version = 1
        self.status_before = MediumStatus.PERSONALISED
        self.lost_at = None
        self.replaced_by = None
        self.seq = 0
        self.seq_version = 1
        self.slots = [EMPTY] * SLOTS_MAX
        self.digest = self._digest(0, self.slots).hex()
        self.transaction_counter = 0
        self.pending = None
        self.last_write_id = None
        self.last_write = None
        self.marks = ()
        self.ahead = None
        self.last_suspicion = None
        self.case_ids = ()
