"""What a ticket says: changed by the issuer, or by the owner where the terms allow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.core import Core
from ledger.aggregates.e_ticket.states import (
    IN_CREDENTIAL,
    MODIFIABLE,
    LockKind,
    ModificationRequest,
)
from ledger.vocabulary.sealed_ticket import RIGHT_MAX

TITLE_MAX = 120
REQUESTS_MAX = 5


class Content(Core):
    """The commands and events of a modification."""

    def modify(
        self,
        *,
        by: UUID,
        changes: Mapping[str, str | None],
        reason: str,
        at: datetime,
        request_id: UUID | None = None,
    ) -> None:
        """Change what the ticket says. Every copy becomes stale if a copy says it.

        `changes` gives new values by field (`MODIFIABLE`); times in ISO 8601. The
        issuer may change what is offered, which must then be accepted anew, and what
        is listed, which takes the listing down.
        """
        self.require_owned()
        diff = self._diff(changes)
        if by != self.issuer_id:
            self._require_owner(by)
            for field in changes:
                if field not in self.terms.modifiable:
                    raise no.NotModifiable(field=field, because=self.names(1))
            self._require_free(at)
        self.settle_lock(at)
        if self.lock.kind not in (LockKind.NONE, LockKind.GIFT, LockKind.LISTING):
            raise self._locked()
        if request_id is not None and str(request_id) not in self.requests:
            raise no.RequestUnknown
        if not diff:
            raise no.NothingChanged
        if self.lock.kind == LockKind.LISTING:
            self._withdraw_listing("modified", at)
        self.trigger_event(
            self.Modified,
            timestamp=at,
            diff=diff,
            reason=reason,
            by_party_id=by,
            request_id=request_id,
            terms_version=self.terms.version,
        )

    class Modified(Core.Event):
        """`diff` holds the old and the new value of each field that changed."""

        TOPIC = "e-ticket.modified"
        class_version = 2
        diff: dict[str, list[str | None]]
        reason: str
        by_party_id: UUID | None
        request_id: UUID | None
        terms_version: int

        @staticmethod
        def upcast_v1_v2(state: dict[str, object]) -> None:
            """At first only the right could change, and only the issuer changed it."""
            state["diff"] = {"right": [state.pop("previous_right"), state.pop("right")]}
            state |= {"by_party_id": None, "request_id": None, "terms_version": 1}

        @property
        def moves_epoch(self) -> bool:
            """Whether the sealed ticket says it, so that every copy becomes stale."""
            return bool(IN_CREDENTIAL & set(self.diff))

        def apply(self, aggregate: Content) -> None:
            for field, (_, new) in self.diff.items():
                aggregate._set(field, new)
            if {"not_before", "not_after"} & set(self.diff):
                aggregate.validity_version = self.originator_version
            aggregate.requests = {
                key: request
                for key, request in aggregate.requests.items()
                if request.request_id != self.request_id
            }
            if self.moves_epoch:
                aggregate._next_epoch(self)

    def request_modification(
        self,
        *,
        request_id: UUID,
        by: UUID,
        changes: Mapping[str, str | None],
        reason: str,
        at: datetime,
    ) -> None:
        """Ask the issuer to change what the ticket says."""
        self._require_owner(by)
        self._require_free(at)
        if not self._diff(changes):
            raise no.NothingChanged
        if len(self.requests) >= REQUESTS_MAX:
            raise no.BadChange(says=f"{REQUESTS_MAX} requests are waiting already.")
        self.trigger_event(
            self.ModificationRequested,
            timestamp=at,
            request_id=request_id,
            by_party_id=by,
            changes=dict(changes),
            reason=reason,
        )

    class ModificationRequested(Core.Event):
        TOPIC = "e-ticket.modification-requested"
        request_id: UUID
        by_party_id: UUID
        changes: dict[str, str | None]
        reason: str

        def apply(self, aggregate: Content) -> None:
            request = ModificationRequest(
                self.request_id,
                self.by_party_id,
                tuple(self.changes.items()),
                self.originator_version,
            )
            key = str(self.request_id)
            aggregate.requests = {**aggregate.requests, key: request}

    def refuse_modification(
        self, *, request_id: UUID, by: UUID, reason: str, at: datetime
    ) -> None:
        """Refuse as the issuer, or take the request back as who made it."""
        request = self.requests.get(str(request_id))
        if request is None:
            raise no.RequestUnknown
        if by != request.by_party_id:
            self._require_issuer(by)
        self.trigger_event(
            self.ModificationRefused,
            timestamp=at,
            request_id=request_id,
            by_party_id=by,
            reason=reason,
        )

    class ModificationRefused(Core.Event):
        TOPIC = "e-ticket.modification-refused"
        request_id: UUID
        by_party_id: UUID
        reason: str

        def apply(self, aggregate: Content) -> None:
            left = dict(aggregate.requests)
            left.pop(str(self.request_id), None)
            aggregate.requests = left

    def _diff(self, changes: Mapping[str, str | None]) -> dict[str, list[str | None]]:
        """Return old and new values of what would change; raise if they are no values.

        A period must still end after it begins.
        """
        diff: dict[str, list[str | None]] = {}
        for field, new in changes.items():
            if field not in MODIFIABLE:
                raise no.BadChange(says=f"A ticket has no field {field} to change.")
            check_value(field, new)
            if field in ("not_before", "not_after"):
                assert new is not None
                old_time: datetime = getattr(self, field)
                if datetime.fromisoformat(new) != old_time:
                    diff[field] = [old_time.isoformat(), new]
            elif new != getattr(self, field):
                diff[field] = [getattr(self, field), new]
        begins, ends = (
            datetime.fromisoformat(diff[field][1] or "")
            if field in diff
            else getattr(self, field)
            for field in ("not_before", "not_after")
        )
        if begins >= ends:
            raise no.BadChange(says="A period ends after it begins.")
        return diff

    def _set(self, field: str, value: str | None) -> None:
        if field in ("not_before", "not_after"):
            assert value is not None
            setattr(self, field, datetime.fromisoformat(value))
        else:
            setattr(self, field, value)


def check_value(field: str, value: str | None) -> None:
    """Raise unless the value is one that the field can have."""
    if field == "right":
        check_right(value or "")
    elif field == "title" and not 0 < len(value or "") <= TITLE_MAX:
        raise no.BadChange(says=f"A title has 1 to {TITLE_MAX} characters.")
    elif field in ("not_before", "not_after"):
        try:
            aware = datetime.fromisoformat(value or "").tzinfo is not None
        except ValueError:
            aware = False
        if not aware:
            raise no.BadChange(says=f"{field} is a time with its zone, in ISO 8601.")


def check_right(right: str) -> None:
    """Raise `RightTooLong` unless `right` fits a sealed ticket."""
    if not 0 < len(right.encode()) <= RIGHT_MAX:
        raise no.RightTooLong(right_max=RIGHT_MAX)
