"""Coupons: given by an issuer, used at a shop's card reader, taken back if wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.nouns.media import Lease, lease
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Coupon:
    coupon_id: UUID
    grant_id: UUID
    party_id: UUID
    for_ticket_id: UUID | None
    right: str


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a coupon at a shop; `amount` is in the coupon's `unit`."""

    session_id: UUID
    position: int
    shop_id: UUID | None
    device_id: UUID
    receipt: str
    unit: str
    amount: int
    reversed: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Reversal:
    reversal_id: UUID
    uses_left: int


class Coupons:
    """`/v1/coupons` and `/v1/tickets/{ticket_id}/redemptions`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def give(
        self,
        offering_id: UUID,
        *,
        party_ids: Sequence[UUID] = (),
        ticket_ids: Sequence[UUID] = (),
        key: str | None = None,
    ) -> tuple[Coupon, ...]:
        """Give a coupon to each party, or to the owner of each ticket."""
        body: dict[str, Any] = {"offering_id": str(offering_id)}
        if party_ids:
            body["party_ids"] = [str(each) for each in party_ids]
        if ticket_ids:
            body["ticket_ids"] = [str(each) for each in ticket_ids]
        reply = self._calls.command("POST", "/v1/coupons", body, key=key)
        return tuple(read(Coupon, each) for each in reply.said.get("coupons", ()))

    def uses(self, ticket_id: UUID) -> Iterator[Use]:
        """Yield a coupon's uses, newest first."""
        return self._calls.list_of(Use, _path(ticket_id), "redemptions")

    def start(
        self,
        ticket_id: UUID,
        reading: Mapping[str, str],
        *,
        slot: int,
        epoch: int,
        receipt: str,
        amount_minor: int,
        currency: str,
        key: str | None = None,
    ) -> Lease:
        """Have a use prepared: what is to be written on the card, and until when."""
        body = {
            "reading": dict(reading),
            "slot": slot,
            "epoch": epoch,
            "receipt": receipt,
            "purchase": {"amount_minor": amount_minor, "currency": currency},
        }
        reply = self._calls.command("POST", _path(ticket_id), body, key=key)
        return lease(reply.said, "session_id")

    def settle(
        self, ticket_id: UUID, session_id: UUID, outcome: Mapping[str, Any]
    ) -> int:
        """Say what the card did; return how many uses are left."""
        path = f"{_path(ticket_id)}/{session_id}"
        return read(_UsesLeft, self._calls.command("PUT", path, outcome).said).uses_left

    def reverse(
        self,
        ticket_id: UUID,
        session_id: UUID,
        *,
        reason: str,
        amount: int | None = None,
    ) -> Reversal:
        """Take a use back, or a part of it."""
        body: dict[str, Any] = {"reason": reason}
        if amount is not None:
            body["amount"] = amount
        path = f"{_path(ticket_id)}/{session_id}/reversal"
        return read(Reversal, self._calls.command("POST", path, body).said)


@dataclass(frozen=True, slots=True)
class _UsesLeft:
    uses_left: int


def _path(ticket_id: UUID) -> str:
    return f"/v1/tickets/{ticket_id}/redemptions"
