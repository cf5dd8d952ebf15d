"""What a machine reports of the time when the line was down, and its stored form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from ledger.aggregates.device import DeviceKind
from ledger.aggregates.e_ticket.dispensing import check_serial
from ledger.errors import Malformed
from ledger.vocabulary.medium_record import SLOTS_MAX

# Which machine can have done what.
MACHINE: Mapping[str, DeviceKind] = {
    "dispensed": "dispenser",
    "redeemed": "point_of_sale",
}


class BadFact(Malformed):
    code = "malformed"
    says = "{says}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the card was marked; `seq` is the state the card was brought to by it."""

    uid: bytes
    slot: int
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class PrintedOffline:
    """A paper came out. `epoch` is what the copy on the card said."""

    device_seq: int
    device_time: datetime
    known_position: int
    ticket_id: UUID
    serial: str
    mark: Mark
    epoch: int


@dataclass(frozen=True, slots=True)
class RedeemedOffline:
    """A coupon was used: `amount` uses or minor units, for a receipt of the shop."""

    device_seq: int
    device_time: datetime
    known_position: int
    ticket_id: UUID
    session_id: UUID
    receipt: str
    amount: int
    mark: Mark


Fact: TypeAlias = PrintedOffline | RedeemedOffline


def check_fact(fact: Fact) -> None:
    if fact.device_time.tzinfo is None or fact.device_seq < 1:
        raise BadFact(says="A fact has a number from 1 on and a time with its zone.")
    if not 0 <= fact.mark.slot < SLOTS_MAX:
        raise BadFact(says=f"A card has {SLOTS_MAX} slots, counted from 0.")
    if isinstance(fact, PrintedOffline):
        check_serial(fact.serial)
    elif fact.amount < 1:
        raise BadFact(says="An amount redeemed is a whole number of at least 1.")


def kind_of(fact: Fact) -> str:
    return "dispensed" if isinstance(fact, PrintedOffline) else "redeemed"


def said_of(fact: Fact) -> dict[str, Any]:
    """What the machine said of it, as it is stored: text and numbers."""
    said = asdict(fact)
    for name in ("device_seq", "device_time", "known_position", "ticket_id"):
        del said[name]
    mark = said.pop("mark") | {"uid": fact.mark.uid.hex()}
    told = {name: str(v) if isinstance(v, UUID) else v for name, v in said.items()}
    return told | {"mark": mark}


def digest_of(fact: Fact) -> str:
    whole = [
        kind_of(fact),
        str(fact.ticket_id),
        fact.device_time.isoformat(),
        fact.known_position,
        said_of(fact),
    ]
    canonical = json.dumps(whole, sort_keys=True).encode()
    return hashlib.sha256(canonical).hexdigest()
