"""Every card there is: whether machines take it, and what was suspicious about it.

What a machine without the line has to refuse is read from here as well: the deny list
says of each card that was ever refused whether it still is, in the order of the log, so
that a machine asks for the news alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from psycopg.types.json import Jsonb

from ledger.aggregates.medium import Medium, MediumStatus
from ledger.aggregates.medium.states import IN_USE
from ledger.projections.base import Projection, Statement, View
from ledger.projections.freshness import STATUS_AFTER, Entered

LINES_MAX = 50


@dataclass(frozen=True, slots=True)
class MediumLine:
    """A card; `position` is that of its personalisation, `uid` 14 hex digits."""

    uid: str
    position: int
    holder_id: UUID
    profile: str
    status: str
    personalised_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class SuspiciousTap:
    """What a card showed that it should not have: file 05 and file 02, as hex."""

    position: int
    verdict: str
    seen: dict[str, Any]
    case_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Denied:
    """Whether machines refuse a card since a position."""

    uid: str
    denied: bool
    position: int


class MediaView(View):
    """The tables `media` and `media_taps`."""

    name = "media"
    tables = ("media", "media_taps")

    def listed(
        self,
        *,
        holder_id: UUID | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = LINES_MAX,
    ) -> Sequence[MediumLine]:
        """Return cards, the newest first: all, one holder's, or those of a status."""
        rows = self.rows(
            "SELECT uid, position, holder_id, profile, status, personalised_at,"
            " changed_at FROM media"
            " WHERE (%s::uuid IS NULL OR holder_id = %s)"
            " AND (%s::text IS NULL OR status = %s)"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (holder_id, holder_id, status, status, before, before, limit),
        )
        return [MediumLine(**row) for row in rows]

    def taps(
        self, medium_id: UUID, *, before: int | None = None, limit: int = LINES_MAX
    ) -> Sequence[SuspiciousTap]:
        """Return the suspicious taps of a card, the newest first."""
        rows = self.rows(
            "SELECT position, verdict, seen, case_id, at FROM media_taps"
            " WHERE medium_id = %s AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (medium_id, before, before, limit),
        )
        return [SuspiciousTap(**row) for row in rows]

    def denied(self, *, after: int, limit: int) -> Sequence[Denied]:
        """Return what changed about refused cards behind a position, oldest first."""
        rows = self.rows(
            "SELECT uid, denied, denied_position AS position FROM media"
            " WHERE denied_position > %s ORDER BY denied_position, uid LIMIT %s",
            (after, limit),
        )
        return [Denied(**row) for row in rows]


class Media(Projection[MediaView]):
    """Follows the life of every card."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Medium.Personalised, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO media (uid, medium_id, position, holder_id, profile,"
                " status, personalised_at, changed_at, denied)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, false)",
                (
                    domain_event.uid,
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.holder_id,
                    domain_event.profile,
                    str(MediumStatus.PERSONALISED),
                    domain_event.timestamp,
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(
        self, domain_event: Medium.Written | Medium.WrittenOffline, tracking: Tracking
    ) -> None:
        """The first write that is proven makes a card active."""
        first = [MediumStatus.PERSONALISED]
        active = _entered(domain_event, tracking, MediumStatus.ACTIVE, out_of=first)
        self.view.change(tracking, active)

    @process_event.register
    def _(self, domain_event: Medium.Suspected, tracking: Tracking) -> None:
        suspect = _entered(domain_event, tracking, MediumStatus.SUSPECT, out_of=IN_USE)
        self.view.change(
            tracking,
            suspect,
            (
                "INSERT INTO media_taps (position, medium_id, verdict, seen, case_id,"
                " at) VALUES (%s, %s, %s, %s, %s, %s)",
                (
                    tracking.notification_id,
                    domain_event.originator_id,
                    domain_event.verdict,
                    Jsonb(domain_event.seen),
                    domain_event.case_id,
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Medium.Restored, tracking: Tracking) -> None:
        status = domain_event.status
        self.view.change(tracking, _entered(domain_event, tracking, status))

    @process_event.register
    def _(self, domain_event: Entered, tracking: Tracking) -> None:
        status = STATUS_AFTER[type(domain_event)]
        self.view.change(tracking, _entered(domain_event, tracking, status))


def _entered(
    event: Medium.Event,
    tracking: Tracking,
    status: str,
    out_of: Iterable[str] = tuple(MediumStatus),
) -> Statement:
    """Come to a status, out of some; elsewhere the card stays as it is."""
    return (
        "UPDATE media m SET status = now.status, denied = now.denied,"
        " changed_at = CASE WHEN now.status <> m.status THEN %s ELSE m.changed_at END,"
        " denied_position = CASE WHEN now.denied <> m.denied THEN %s"
        " ELSE m.denied_position END"
        " FROM (SELECT medium_id, status, status <> ALL(%s) AS denied FROM (SELECT"
        " medium_id, CASE WHEN status = ANY(%s) THEN %s ELSE status END AS status"
        " FROM media WHERE medium_id = %s) AS here) AS now"
        " WHERE m.medium_id = now.medium_id",
        (
            event.timestamp,
            tracking.notification_id,
            [str(each) for each in IN_USE],
            [str(each) for each in out_of],
            str(status),
            event.originator_id,
        ),
    )
