"""Keeps a card in line with the ledger, and is safe to run again after any failure.

  read ─► ask the ledger for a write ─► open, check and seal the tickets again
       ─► journal ─► write ─► journal the commit ─► commit ─► acknowledge with its proof

Whatever was left unsettled with this card is settled first, by what the card shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)

from card_bridge.gateway import (
    LedgerGateway,
    LedgerRefusal,
    MediumWrite,
    Outcome,
    SlotChange,
    Tapped,
)
from card_bridge.journal import Entry, Journal, Redemption
from card_bridge.keys import Authorities
from card_bridge.plan import Step, WriteBody, WriteEntry, WriteStamp, plan
from card_bridge.profile.card import CardReading, Committed
from card_bridge.profile.medium import TicketMedium
from card_bridge.protocol.status import CardError
from ledger.vocabulary.medium_record import INSPECT_KEY, ISSUE_KEY
from ledger.vocabulary.sealed_ticket import (
    Recording,
    SealBroken,
    TicketClaims,
    Transmission,
    seal,
    unseal,
    verify,
)

Settle = Callable[[Outcome], object]


@dataclass(frozen=True, slots=True)
class Terminal:
    """A user terminal's identity: what is sealed for it, it can open."""

    terminal_id: UUID
    private: X25519PrivateKey
    issuer_keys: Mapping[bytes, Ed25519PublicKey]
    origin: str

    def open(self, transmission: bytes, *, ticket_id: UUID, epoch: int) -> bytes:
        """Decrypt a ticket sent here and check its issuer; return it, signed still.

        Raises `SealBroken` unless it is this ticket, at this epoch.
        """
        context = Transmission(self.origin, ticket_id, epoch, self.terminal_id)
        signed = unseal(transmission, key=self.private, context=context)
        claims = self.claims(signed)
        if (claims.ticket_id, claims.epoch) != (ticket_id, epoch):
            raise SealBroken("counterfeit", "The ticket sent is not the one expected.")
        return signed

    def claims(self, signed: bytes) -> TicketClaims:
        return verify(signed, keys=self.issuer_keys, origin=self.origin)


@dataclass(frozen=True, slots=True)
class InLine:
    """What was done to bring a card in line; nothing, if `write` is None."""

    write: MediumWrite | None
    claims: tuple[TicketClaims, ...] = ()


class CardBridge:
    """One terminal and the cards that are laid on it."""

    def __init__(
        self,
        gateway: LedgerGateway,
        journal: Journal,
        authorities: Authorities,
        terminal: Terminal,
    ) -> None:
        self._gateway = gateway
        self._journal = journal
        self._authorities = authorities
        self.terminal = terminal

    def tap(self, card: TicketMedium) -> Tapped:
        """Read a card and ask the ledger what it is."""
        reading = self._read(card)
        return self._gateway.tap(reading, terminal_id=self.terminal.terminal_id)

    def bring_in_line(
        self,
        card: TicketMedium,
        *,
        load: Sequence[UUID] = (),
        unload: Sequence[UUID] = (),
    ) -> InLine:
        """Refresh, clear, unload and load, all in one committed write.

        Raises `LedgerRefusal`, `LedgerUnreachable`, `SealBroken` or `CardError`; after
        any of them the same call may be made again.
        """
        reading = self._read(card)
        write = self._gateway.prepare_write(
            reading,
            terminal_id=self.terminal.terminal_id,
            load=load,
            unload=unload,
        )
        if write is None:
            return InLine(None)
        try:
            signed = {c.slot: self._opened(c) for c in write.changes if c.transmission}
            sealed = {
                change.slot: self._sealed_for(write, change, signed[change.slot])
                for change in write.changes
                if change.slot in signed
            }
            steps = plan(reading, write, sealed)
        except ValueError as wrong:
            # Nothing has touched the card yet: say so, and let the tickets go free.
            outcome = Outcome.aborted(str(wrong))
            self._gateway.settle_write(card.uid, write.write_id, outcome)
            raise
        perform(
            card,
            steps,
            write,
            journal=self._journal,
            settle=lambda outcome: self._gateway.settle_write(
                card.uid, write.write_id, outcome
            ),
        )
        claims = tuple(self.terminal.claims(each) for each in signed.values())
        return InLine(write, claims)

    def _read(self, card: TicketMedium) -> CardReading:
        """Settle what was left, then read the card anew under the issue key."""
        uid = card.find(self._authorities)
        settle_unsettled(
            card,
            self._journal,
            self._authorities,
            key_no=ISSUE_KEY,
            settle=lambda entry, outcome: self._gateway.settle_write(
                uid, entry.write_id, outcome
            ),
        )
        card.open(ISSUE_KEY, self._authorities(uid, ISSUE_KEY))
        card.confirm_uid()
        return card.read()

    def _opened(self, change: SlotChange) -> bytes:
        assert change.transmission is not None
        if change.ticket_id is None:
            raise SealBroken("malformed", "A ticket was sent for an empty slot.")
        return self.terminal.open(
            change.transmission, ticket_id=change.ticket_id, epoch=change.epoch
        )

    def _sealed_for(
        self, write: MediumWrite, change: SlotChange, signed: bytes
    ) -> bytes:
        if write.record_public_key is None or change.ticket_id is None:
            raise SealBroken("malformed", "The card's record key is missing.")
        context = Recording(
            self.terminal.origin,
            change.ticket_id,
            change.epoch,
            write.uid,
            change.slot,
        )
        public = X25519PublicKey.from_public_bytes(write.record_public_key)
        return seal(signed, to=public, context=context)


def perform(
    card: TicketMedium,
    steps: Sequence[Step],
    write: MediumWrite,
    *,
    journal: Journal,
    settle: Settle,
) -> None:
    """Write the steps in the open session, commit, and report the proof.

    What fails before the commit is reported as aborted; after it nothing is, for the
    outcome is unknown until the card is seen again.
    """
    committed = write_and_commit(card, steps, write, journal=journal, settle=settle)
    settle(Outcome.of(committed))
    journal.settle(card.uid)


def write_and_commit(
    card: TicketMedium,
    steps: Sequence[Step],
    write: MediumWrite,
    *,
    journal: Journal,
    settle: Settle,
    redemption: Redemption | None = None,
) -> Committed:
    """Do all of `perform` but the report of success."""
    intended = Entry(card.uid, write.write_id, write.stamp, redemption=redemption)
    journal.note(intended)
    try:
        for step in steps:
            _do(card, step)
    except CardError as failed:
        settle(Outcome.aborted(str(failed)))
        journal.settle(card.uid)
        raise
    journal.note(replace(intended, operations=card.operations))
    return card.commit()


def settle_unsettled(
    card: TicketMedium,
    journal: Journal,
    authorities: Authorities,
    *,
    key_no: int,
    settle: Callable[[Entry, Outcome], None],
) -> None:
    """Settle what the journal has of this card, by which state the card is in.

    A refusal that another token or moment may change is raised, and the entry kept:
    it may be the only proof of what the card did.
    """
    entry = journal.unsettled(card.uid)
    if entry is None:
        return
    card.open(key_no, authorities(card.uid, key_no))
    shows = card.read().stamp
    if shows != entry.stamp or entry.operations is None:
        outcome = Outcome.aborted("the card does not show what was to be written")
    else:
        proof = card.last_proof(authorities(card.uid, INSPECT_KEY))
        outcome = Outcome(proof, entry.operations)
    try:
        settle(entry, outcome)
    except LedgerRefusal as refusal:
        # Else the ledger has settled it otherwise, or will by the next reading.
        if not refusal.is_final:
            raise
    journal.settle(card.uid)


def _do(card: TicketMedium, step: Step) -> None:
    match step:
        case WriteBody(slot, body):
            card.write_body(slot, body)
        case WriteEntry(slot, entry):
            card.write_entry(slot, entry)
        case WriteStamp(stamp):
            card.write_stamp(stamp)
