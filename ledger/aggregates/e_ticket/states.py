"""The orthogonal parts of an e-ticket's state. No single word could say them all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeAlias
from uuid import UUID


class Life(StrEnum):
    OWNED = "OWNED"
    DISPENSED = "DISPENSED"
    SPENT = "SPENT"
    EXCHANGED = "EXCHANGED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"


# These are left by an executed decision only.
TERMINAL = frozenset(set(Life) - {Life.OWNED, Life.DISPENSED})


class LockKind(StrEnum):
    """What holds a ticket exclusively just now."""

    NONE = "NONE"
    GIFT = "GIFT"
    LISTING = "LISTING"
    SETTLEMENT = "SETTLEMENT"
    EXCHANGE = "EXCHANGE"
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


class HoldKind(StrEnum):
    """On whose account something is frozen."""

    DISPUTE = "DISPUTE"
    CHARGEBACK = "CHARGEBACK"
    ISSUER = "ISSUER"
    LEGAL = "LEGAL"
    MEDIUM = "MEDIUM"
    FRAUD = "FRAUD"
    IN_DOUBT = "IN_DOUBT"


class HoldEffect(StrEnum):
    """What a hold forbids."""

    NO_TITLE = "no_title"
    NO_DISPENSE = "no_dispense"
    NO_REDEEM = "no_redeem"
    NO_REFUND = "no_refund"
    FLAG_ONLY = "flag_only"


@dataclass(frozen=True, slots=True)
class Hold:
    """One case's hold on a ticket; the case alone releases it."""

    case_id: UUID
    kind: HoldKind
    effects: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Which machine a short lock belongs to, and the card write that goes with it."""

    device_id: UUID
    write_id: UUID
    receipt: str | None = None
    amount: int = 0  # How much of a coupon's uses, in its unit.


@dataclass(frozen=True, slots=True)
class Binding:
    """The slot that a ticket is being recorded in."""

    write_id: UUID
    medium_uid: str
    slot: int


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

MEDIUM_KINDS = ("ic_card", "flash_card", "disk")
# Without a chip that keeps a secret: whoever reads such a medium can make another.
COPYABLE_KINDS = frozenset({"flash_card", "disk"})
MODIFIABLE = ("right", "title", "not_before", "not_after", "category")
# Of these, what stands in the sealed ticket: a change makes every copy stale.
IN_CREDENTIAL = frozenset({"right", "not_before", "not_after"})


@dataclass(frozen=True, slots=True)
class Terms:
    """What the issuer allows the owner to do. Percentages are whole numbers.

    Cut-offs (`…_until_s`) count seconds before the ticket becomes valid; None is no
    cut-off. `version` numbers the rules, and is noted with what was decided by them.
    """

    giftable: bool = True
    resellable: bool = True
    resale_cap_percent: int = 100
    royalty_percent: int = 0
    on_medium: Literal["surrender", "exposure"] = "surrender"
    version: int = 1
    platform_percent: int = 0
    tax_percent: int = 0
    gift_until_s: int | None = None
    resale_until_s: int | None = None
    sender_use: Literal["wins", "blocked"] = "wins"
    payout: Literal["at_sale", "after_start"] = "at_sale"
    modifiable: tuple[str, ...] = ()
    refundable: bool = False
    refund_percent: int = 100
    refund_until_s: int | None = None
    exchangeable: bool = False
    together: bool = False
    media: tuple[str, ...] = MEDIUM_KINDS

    def __post_init__(self) -> None:
        # A stored list comes back as one; a tuple is what terms are compared by.
        object.__setattr__(self, "modifiable", tuple(self.modifiable))
        object.__setattr__(self, "media", tuple(self.media))
        shares = (self.royalty_percent, self.platform_percent, self.tax_percent)
        if min(shares) < 0 or sum(shares) > 100:
            raise ValueError("royalty, platform and tax are 0 to 100 per cent together")
        if not 0 <= self.refund_percent <= 100:
            raise ValueError("a refund is between 0 and 100 per cent")
        if not 0 <= self.resale_cap_percent <= 1000:
            raise ValueError("a resale cap is between 0 and 1000 per cent")
        if self.on_medium not in ("surrender", "exposure"):
            raise ValueError("on_medium is surrender or exposure")
        if self.sender_use not in ("wins", "blocked"):
            raise ValueError("sender_use is wins or blocked")
        if self.payout not in ("at_sale", "after_start"):
            raise ValueError("payout is at_sale or after_start")
        if not set(self.modifiable) <= set(MODIFIABLE):
            raise ValueError(f"modifiable are {', '.join(MODIFIABLE)}")
        if not set(self.media) <= set(MEDIUM_KINDS):
            raise ValueError(f"media are {', '.join(MEDIUM_KINDS)}")

    def as_dict(self) -> dict[str, Any]:
        stored = asdict(self)
        return stored | {
            "modifiable": list(self.modifiable),
            "media": list(self.media),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)


UsesUnit: TypeAlias = Literal["count", "money"]


@dataclass(frozen=True, slots=True)
class Uses:
    """How much of a right may be used: a number of times, or minor units of money."""

    limit: int = 1
    unit: UsesUnit = "count"
    redeemed: int = 0
    reversed: int = 0

    @property
    def left(self) -> int:
        return self.limit - self.redeemed + self.reversed


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of a coupon, and how much of it was taken back."""

    receipt: str
    amount: int
    device_id: UUID
    at: datetime
    version: int
    reversed: int = 0


@dataclass(frozen=True, slots=True)
class GiftOffer:
    """An open offer. `to_party_id` is None when whoever has the claim may accept."""

    offer_id: UUID
    to_party_id: UUID | None
    until: datetime
    version: int
    via: str = "centre"
    claim_hash: str | None = None
    suspended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A price under a cap, bound to the epoch at which it was asked."""

    listing_id: UUID
    price_minor: int
    cap_minor: int
    to_party_id: UUID | None
    until: datetime
    epoch: int
    version: int


@dataclass(frozen=True, slots=True)
class ModificationRequest:
    """What the owner asked the issuer to change; values as they will be stored."""

    request_id: UUID
    by_party_id: UUID
    changes: tuple[tuple[str, str | None], ...]
    version: int


SERIAL_PATTERN = re.compile(r"[A-Z0-9][A-Z0-9-]{2,31}")
