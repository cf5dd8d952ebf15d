"""The orthogonal parts of an e-ticket's state. No single word could say them all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self
from uuid import UUID


class Life(StrEnum):
    OWNED = "OWNED"
    DISPENSED = "DISPENSED"
    SPENT = "SPENT"


class LockKind(StrEnum):
    """What holds a ticket exclusively just now."""

    NONE = "NONE"
    GIFT = "GIFT"
    LISTING = "LISTING"
    CARD_WRITE = "CARD_WRITE"
    DISPENSE = "DISPENSE"
    REDEMPTION = "REDEMPTION"


@dataclass(frozen=True, slots=True)
class Lock:
    """At most one at a time. `until` is None past the point of no return."""

    kind: LockKind = LockKind.NONE
    ref: UUID | None = None
    until: datetime | None = None
    version: int = 0  # The event that took it: the `because` of refusals.


NO_LOCK = Lock()


@dataclass(frozen=True, slots=True)
class Lease:
    """Which machine a short lock belongs to, and the card write that goes with it."""

    device_id: UUID
    write_id: UUID
    receipt: str | None = None


class FormKind(StrEnum):
    ELECTRONIC = "ELECTRONIC"
    ON_MEDIUM = "ON_MEDIUM"
    PAPER = "PAPER"


@dataclass(frozen=True, slots=True)
class Form:
    """The one form that is authoritative."""

    kind: FormKind = FormKind.ELECTRONIC
    medium_uid: str | None = None
    slot: int | None = None
    serial: str | None = None

    def is_at(self, medium_uid: str, slot: int) -> bool:
        return (self.kind, self.medium_uid, self.slot) == (
            FormKind.ON_MEDIUM,
            medium_uid,
            slot,
        )


ELECTRONIC = Form()


@dataclass(frozen=True, slots=True)
class Terms:
    """What the issuer allows the owner to do. Percentages are whole numbers."""

    giftable: bool = True
    resellable: bool = True
    resale_cap_percent: int = 100
    royalty_percent: int = 0
    on_medium: Literal["surrender", "exposure"] = "surrender"

    def __post_init__(self) -> None:
        if not 0 <= self.royalty_percent <= 100:
            raise ValueError("a royalty is between 0 and 100 per cent")
        if not 0 <= self.resale_cap_percent <= 1000:
            raise ValueError("a resale cap is between 0 and 1000 per cent")
        if self.on_medium not in ("surrender", "exposure"):
            raise ValueError("on_medium is surrender or exposure")

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)


@dataclass(slots=True)
class Uses:
    """How often a right may be used, and how often it was."""

    limit: int = 1
    redeemed: int = 0

    @property
    def left(self) -> int:
        return self.limit - self.redeemed


@dataclass(frozen=True, slots=True)
class GiftOffer:
    offer_id: UUID
    to_party_id: UUID
    until: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    listing_id: UUID
    price_minor: int
    cap_minor: int
    to_party_id: UUID | None
    until: datetime


SERIAL_PATTERN = re.compile(r"[A-Z0-9][A-Z0-9-]{2,31}")
