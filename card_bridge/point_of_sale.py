"""A till that redeems e-coupons from a card, each use with one purchase."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from card_bridge.bridge import write_and_commit
from card_bridge.gateway import LedgerGateway, Outcome, SlotNow
from card_bridge.journal import Journal
from card_bridge.plan import plan
from card_bridge.profile.card import TicketCard
from card_bridge.reader import CardReader, Presented
from ledger.vocabulary.sealed_ticket import TicketClaims


class NotRedeemed(Exception):
    """The coupon was not redeemed; `code` says why, the message in one sentence."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code = code


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the till may take off the price, and what is left on the card."""

    ticket_id: UUID
    right: str
    receipt: str
    uses_left: int


class PointOfSale:
    """One till with its reader."""

    def __init__(
        self, gateway: LedgerGateway, reader: CardReader, journal: Journal
    ) -> None:
        self._gateway = gateway
        self._reader = reader
        self._journal = journal

    def redeem(
        self,
        card: TicketCard,
        *,
        receipt: str,
        amount_minor: int,
        currency: str,
        at: datetime,
        ticket_id: UUID | None = None,
    ) -> Receipt:
        """Redeem one use with a purchase; `ticket_id` chooses among several coupons.

        Raises `NotRedeemed`, `LedgerRefusal`, `LedgerUnreachable`, `SealBroken` or
        `CardError`. After an unknown outcome the next tap at a user terminal settles
        what the card did, and nothing was taken off.
        """
        presented = self._reader.present(card)
        slot = _coupon(presented, ticket_id)
        claims, entry = self._reader.open_ticket(card, presented, slot)
        _require_valid(claims, at)
        lease = self._gateway.start_redemption(
            claims.ticket_id,
            presented.reading,
            slot=slot.slot,
            epoch=entry.epoch,
            receipt=receipt,
            amount_minor=amount_minor,
            currency=currency,
        )

        def settle(outcome: Outcome) -> int:
            return self._gateway.redeem(
                claims.ticket_id,
                lease.session_id,
                uid=card.uid,
                write_id=lease.write.write_id,
                outcome=outcome,
            )

        committed = write_and_commit(
            card,
            plan(presented.reading, lease.write, {}),
            lease.write,
            journal=self._journal,
            settle=settle,
        )
        left = settle(Outcome.of(committed))
        self._journal.settle(card.uid)
        return Receipt(claims.ticket_id, claims.right, receipt, left)


def _coupon(presented: Presented, ticket_id: UUID | None) -> SlotNow:
    """Choose the coupon: the one named, or the only usable one."""
    coupons = [
        slot
        for slot in presented.tapped.slots
        if slot.kind == "coupon" and ticket_id in (None, slot.ticket_id)
    ]
    usable = [slot for slot in coupons if slot.code is None]
    if len(usable) > 1:
        raise NotRedeemed("ambiguous", "There are several coupons; choose one.")
    if usable:
        return usable[0]
    refused = next((slot for slot in coupons if slot.code), None)
    if refused is not None:
        raise NotRedeemed(refused.code or "unknown", refused.says)
    if presented.tapped.code is not None:
        raise NotRedeemed(presented.tapped.code, presented.tapped.says)
    raise NotRedeemed("unknown", "There is no such coupon on the card.")


def _require_valid(claims: TicketClaims, at: datetime) -> None:
    if at < claims.not_before:
        raise NotRedeemed("not_yet_valid", "The coupon is not valid yet.")
    if at >= claims.not_after:
        raise NotRedeemed("no_longer_valid", "The coupon is not valid any more.")
