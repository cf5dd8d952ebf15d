"""A till that redeems e-coupons from a card, each use with one purchase."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from card_bridge.bridge import settle_unsettled, write_and_commit
from card_bridge.gateway import LedgerGateway, Outcome, SlotNow
from card_bridge.journal import Entry, Journal, Redemption
from card_bridge.plan import plan
from card_bridge.profile.medium import TicketMedium
from card_bridge.reader import CardReader, Presented
from ledger.vocabulary.medium_record import OPERATE_KEY
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
        card: TicketMedium,
        *,
        receipt: str,
        amount_minor: int,
        currency: str,
        at: datetime,
        ticket_id: UUID | None = None,
    ) -> Receipt:
        """Redeem one use with a purchase; `ticket_id` chooses among several coupons.

        Raises `NotRedeemed`, `LedgerRefusal`, `LedgerUnreachable`, `SealBroken` or
        `CardError`. After any of them redeem again with the same receipt: a use that
        was taken is told now (as `already_used`, if it was told before), else it is
        taken now. Once the lease has run out (two minutes) the use is free again, and
        a user terminal mends the card.
        """
        earlier = self.settle(card)
        same = ticket_id is None or (earlier and earlier.ticket_id == ticket_id)
        if earlier and same and earlier.receipt == receipt:
            return earlier
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
            redemption=Redemption(
                claims.ticket_id, lease.session_id, receipt, claims.right
            ),
        )
        left = settle(Outcome.of(committed))
        self._journal.settle(card.uid)
        return Receipt(claims.ticket_id, claims.right, receipt, left)

    def settle(self, card: TicketMedium) -> Receipt | None:
        """End what was left with this card; return its receipt if a use was taken."""
        receipts: list[Receipt] = []

        def settle(entry: Entry, outcome: Outcome) -> None:
            was = entry.redemption
            if was is None:
                return
            left = self._gateway.redeem(
                was.ticket_id,
                was.session_id,
                uid=entry.uid,
                write_id=entry.write_id,
                outcome=outcome,
            )
            if outcome.proof is not None:
                receipts.append(Receipt(was.ticket_id, was.right, was.receipt, left))

        card.find(self._reader.keys)
        settle_unsettled(
            card, self._journal, self._reader.keys, key_no=OPERATE_KEY, settle=settle
        )
        return receipts[0] if receipts else None


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
