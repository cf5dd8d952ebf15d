"""What a machine with reader's keys does with a card: read it, ask, open a ticket.

Dispensers and points of sale hold the masters of the keys they operate with, so they
authenticate a card and open what is recorded on it without a line; whether it is still
true, the ledger says.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from card_bridge.gateway import LedgerGateway, SlotNow, Tapped
from card_bridge.keys import KeyBundle, LocalKeys
from card_bridge.profile.card import CardReading
from card_bridge.profile.medium import TicketMedium
from ledger.vocabulary.medium_record import (
    OPERATE_KEY,
    REF_LENGTH,
    MalformedRecord,
    SlotEntry,
)
from ledger.vocabulary.sealed_ticket import (
    Recording,
    SealBroken,
    TicketClaims,
    unseal,
    verify,
)


@dataclass(frozen=True, slots=True)
class Presented:
    """A card that was read, and what the ledger says of it."""

    reading: CardReading
    tapped: Tapped

    @property
    def usable(self) -> tuple[SlotNow, ...]:
        return tuple(slot for slot in self.tapped.slots if slot.code is None)


class CardReader:
    """Reads cards under the operate key, which stays open for what follows."""

    def __init__(self, gateway: LedgerGateway, bundle: KeyBundle) -> None:
        self._gateway = gateway
        self._bundle = bundle
        self.keys = LocalKeys(bundle)

    @property
    def origin(self) -> str:
        """The log whose tickets are accepted here."""
        return self._bundle.origin

    def present(self, card: TicketMedium) -> Presented:
        """Read a card and ask the ledger what it is.

        The UID is compared three times: as the reader says it, as the session proves it
        (the key is diversified by it), and, by the ledger, as the stamp carries it.
        """
        uid = card.find(self.keys)
        card.open(OPERATE_KEY, self.keys(uid, OPERATE_KEY))
        card.confirm_uid()
        reading = card.read()
        return Presented(reading, self._gateway.tap(reading, terminal_id=None))

    def open_ticket(
        self, card: TicketMedium, presented: Presented, slot: SlotNow
    ) -> tuple[TicketClaims, SlotEntry]:
        """Decrypt the ticket in a slot and check its issuer's signature.

        Raises `SealBroken` or `MalformedRecord` unless slot entry, body and what the
        ledger says are of one ticket, at one epoch.
        """
        entry = presented.reading.entries()[slot.slot]
        body = card.read_body(slot.slot)
        context = Recording(
            self.origin, body.ticket_id, entry.epoch, card.uid, slot.slot
        )
        signed = unseal(
            body.sealed, key=self.keys.record_key(card.uid), context=context
        )
        claims = verify(signed, keys=self._bundle.issuer_keys, origin=self.origin)
        ref = claims.ticket_id.bytes[:REF_LENGTH]
        if (
            not hmac.compare_digest(ref, entry.ticket_ref)
            or claims.epoch != entry.epoch
        ):
            raise MalformedRecord(
                "the slot's entry and its ticket are not of one piece"
            )
        if claims.ticket_id != slot.ticket_id:
            raise SealBroken(
                "counterfeit", "The card carries another ticket than this."
            )
        return claims, entry
