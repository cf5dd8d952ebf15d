"""A machine that was enrolled with its public key: terminal, dispenser, shop till.

enrolled ── delegated: for these issuers, with these serials ──► … ── revoked ──► over

What was never delegated is as wide as the kind allows, on the line only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.errors import Denied, Malformed

DeviceKind = Literal["terminal", "dispenser", "point_of_sale", "personaliser"]
_PREFIX = re.compile(r"[A-Z0-9][A-Z0-9-]{0,15}")


class DeviceNotAuthorised(Denied):
    code = "device_not_authorised"
    says = "This device may not do this: {why}."


class BadPrefix(Malformed):
    code = "malformed"
    says = "A serial prefix has 1 to 16 capital letters, digits and hyphens."


@dataclass(frozen=True, slots=True)
class Rights:
    """What was delegated to a machine. None is no restriction.

    `offline`: it may work without the line, and report later. `serial_prefix` begins
    the serials of its papers.
    """

    issuers: tuple[UUID, ...] | None = None
    offerings: tuple[UUID, ...] | None = None
    offline: bool = False
    serial_prefix: str | None = None

    def cover(self, other: Rights) -> bool:
        """Whether these are at least as wide as the other ones."""
        return (
            _covers(self.issuers, other.issuers)
            and _covers(self.offerings, other.offerings)
            and (self.offline or not other.offline)
            and (other.serial_prefix or "").startswith(self.serial_prefix or "")
        )


def _covers(ours: Collection[UUID] | None, other: Collection[UUID] | None) -> bool:
    return ours is None or (other is not None and set(other) <= set(ours))


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
        self.rights = Rights()
        self.rights_version = 1
        self.revoked_version = 0

    def delegate(self, *, rights: Rights, by: UUID, widen: bool, at: datetime) -> None:
        """Say what the device may do, instead of what was said before.

        Without `widen` the new rights may only be narrower: so its keeper delegates,
        and an operator alone gives more.
        """
        self._require_trusted()
        prefix = rights.serial_prefix
        if prefix is not None and not _PREFIX.fullmatch(prefix):
            raise BadPrefix
        if not widen and not self.rights.cover(rights):
            raise DeviceNotAuthorised(
                why="its keeper cannot give it more than it has",
                because=self.names(self.rights_version),
            )
        if rights == self.rights:
            return
        self.trigger_event(
            self.Delegated,
            timestamp=at,
            issuers=None if rights.issuers is None else list(rights.issuers),
            offerings=None if rights.offerings is None else list(rights.offerings),
            offline=rights.offline,
            serial_prefix=prefix,
            by_party_id=by,
        )

    class Delegated(Event):
        TOPIC = "device.delegated"
        issuers: list[UUID] | None
        offerings: list[UUID] | None
        offline: bool
        serial_prefix: str | None
        by_party_id: UUID

        def apply(self, aggregate: Device) -> None:
            aggregate.rights = Rights(
                None if self.issuers is None else tuple(self.issuers),
                None if self.offerings is None else tuple(self.offerings),
                self.offline,
                self.serial_prefix,
            )
            aggregate.rights_version = self.originator_version

    def revoke(self, *, reason: str, at: datetime) -> None:
        if not self.revoked_version:
            self.trigger_event(self.Revoked, timestamp=at, reason=reason)

    class Revoked(Event):
        TOPIC = "device.revoked"
        reason: str

        def apply(self, aggregate: Device) -> None:
            aggregate.revoked_version = self.originator_version

    def require(
        self,
        *kinds: DeviceKind,
        issuer_id: UUID | None = None,
        offering_id: UUID | None = None,
        serial: str | None = None,
    ) -> None:
        """Raise `DeviceNotAuthorised` unless it is trusted, and may do this.

        It must be enrolled as one of these kinds; and its delegated rights must cover
        the issuer, the offering and the serial, where these are named.
        """
        self._require_trusted()
        if self.kind not in kinds:
            raise DeviceNotAuthorised(
                why=f"it is enrolled as {self.kind}", because=self.names(1)
            )
        rights = self.rights
        for named, allowed, what in (
            (issuer_id, rights.issuers, "issuer"),
            (offering_id, rights.offerings, "offering"),
        ):
            if named is not None and allowed is not None and named not in allowed:
                raise self._not_delegated(f"it is not delegated to this {what}")
        if serial is not None and not serial.startswith(rights.serial_prefix or ""):
            raise self._not_delegated(f"its serials begin with {rights.serial_prefix}")

    def _require_trusted(self) -> None:
        if self.revoked_version:
            raise DeviceNotAuthorised(
                why="it was revoked", because=self.names(self.revoked_version)
            )

    def _not_delegated(self, why: str) -> DeviceNotAuthorised:
        return DeviceNotAuthorised(why=why, because=self.names(self.rights_version))
