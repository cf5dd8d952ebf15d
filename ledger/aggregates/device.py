"""A machine that was enrolled with its public key: terminal, dispenser, shop till."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Denied

DeviceKind = Literal["terminal", "dispenser", "point_of_sale", "personaliser"]


class DeviceNotAuthorised(Denied):
    code = "device_not_authorised"
    says = "This device may not do this: {why}."


class Device(Recorded):
    TOPIC = "device"

    class Event(Recorded.Event):
        """An event about one device."""

    @classmethod
    def enrol(
        cls,
        *,
        device_id: UUID,
        kind: DeviceKind,
        keeper_id: UUID,
        public_key: str,
        label: str,
        at: datetime,
    ) -> Self:
        """Enrol a device; `public_key` is X25519, 64 hex digits."""
        return cls._create(
            cls.Enrolled,
            id=device_id,
            timestamp=at,
            kind=kind,
            keeper_id=keeper_id,
            public_key=public_key,
            label=label,
        )

    class Enrolled(Event, FirstEvent):
        TOPIC = "device.enrolled"
        kind: DeviceKind
        keeper_id: UUID
        public_key: str
        label: str

    def __init__(
        self, *, kind: DeviceKind, keeper_id: UUID, public_key: str, label: str
    ) -> None:
        self.kind = kind
        self.keeper_id = keeper_id
        self.public_key = public_key
        self.label = label
        self.revoked_version = 0

    def revoke(self, *, reason: str, at: datetime) -> None:
        if not self.revoked_version:
            self.trigger_event(self.Revoked, timestamp=at, reason=reason)

    class Revoked(Event):
        TOPIC = "device.revoked"
        reason: str

        def apply(self, aggregate: Device) -> None:
            aggregate.revoked_version = self.originator_version

    def require(self, *kinds: DeviceKind) -> None:
        """Raise `DeviceNotAuthorised` unless enrolled as one of these, and trusted."""
        if self.revoked_version:
            raise DeviceNotAuthorised(
                why="it was revoked", because=self.names(self.revoked_version)
            )
        if self.kind not in kinds:
            raise DeviceNotAuthorised(
                why=f"it is enrolled as {self.kind}", because=self.names(1)
            )
