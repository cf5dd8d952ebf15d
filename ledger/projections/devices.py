"""Every machine that was enrolled, and what each reported of its time without the line.

What a machine may do is its own stream's to say; here is which there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from psycopg.types.json import Jsonb

from ledger.aggregates.device import Device
from ledger.aggregates.offline_fact import OfflineFact
from ledger.projections.base import Projection, Statement, View

LINES_MAX = 50


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A machine; `position` is that of its enrolment. None: it was not revoked."""

    device_id: UUID
    position: int
    kind: str
    keeper_id: UUID
    label: str
    offline: bool
    enrolled_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class FactLine:
    """A fact that a machine reported; `agrees`: the ticket's story went on with it."""

    fact_id: UUID
    position: int
    device_id: UUID
    device_seq: int
    device_time: datetime
    known_position: int
    kind: str
    ticket_id: UUID
    said: dict[str, Any]
    agrees: bool
    case_ids: list[UUID]
    at: datetime


class DevicesView(View):
    """The tables `devices` and `devices_facts`."""

    name = "devices"
    tables = ("devices", "devices_facts")

    def listed(
        self,
        *,
        kind: str | None = None,
        keeper_id: UUID | None = None,
        before: int | None = None,
        limit: int = LINES_MAX,
    ) -> Sequence[DeviceLine]:
        """Return machines, the newest first: all, of one kind, of one keeper."""
        rows = self.rows(
            "SELECT * FROM devices WHERE (%s::text IS NULL OR kind = %s)"
            " AND (%s::uuid IS NULL OR keeper_id = %s)"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (kind, kind, keeper_id, keeper_id, before, before, limit),
        )
        return [DeviceLine(**row) for row in rows]

    def facts(
        self, device_id: UUID, *, before: int | None = None, limit: int = LINES_MAX
    ) -> Sequence[FactLine]:
        """Return what a machine did without the line, reported last comes first."""
        rows = self.rows(
            "SELECT * FROM devices_facts WHERE device_id = %s"
            " AND (%s::bigint IS NULL OR position < %s)"
            " ORDER BY position DESC LIMIT %s",
            (device_id, before, before, limit),
        )
        return [FactLine(**row) for row in rows]


class Devices(Projection[DevicesView]):
    """Follows machines and their facts."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Device.Enrolled, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO devices (device_id, position, kind, keeper_id, label,"
                " offline, enrolled_at) VALUES (%s, %s, %s, %s, %s, false, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.kind,
                    domain_event.keeper_id,
                    domain_event.label,
                    domain_event.timestamp,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Device.Delegated, tracking: Tracking) -> None:
        delegated: Statement = (
            "UPDATE devices SET offline = %s WHERE device_id = %s",
            (domain_event.offline, domain_event.originator_id),
        )
        self.view.change(tracking, delegated)

    @process_event.register
    def _(self, domain_event: Device.Revoked, tracking: Tracking) -> None:
        revoked: Statement = (
            "UPDATE devices SET revoked_at = %s WHERE device_id = %s",
            (domain_event.timestamp, domain_event.originator_id),
        )
        self.view.change(tracking, revoked)

    @process_event.register
    def _(self, domain_event: OfflineFact.Reported, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO devices_facts (fact_id, position, device_id, device_seq,"
                " device_time, known_position, kind, ticket_id, said, agrees,"
                " case_ids, at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    domain_event.originator_id,
                    tracking.notification_id,
                    domain_event.device_id,
                    domain_event.device_seq,
                    domain_event.device_time,
                    domain_event.known_position,
                    domain_event.kind,
                    domain_event.ticket_id,
                    Jsonb(domain_event.said),
                    domain_event.agrees,
                    domain_event.case_ids,
                    domain_event.timestamp,
                ),
            ),
        )
