"""A foyer: cards with real proofs, a terminal, dispensers and tills, and short ways."""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from card_bridge.protocol.transaction_mac import (
    Operation,
    transaction_mac_input,
    transaction_mac_value,
)
from ledger.aggregates.case import Case
from ledger.aggregates.device import Rights
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.medium import Medium, Reading
from ledger.application import Cause, attempt
from ledger.bootstrap import Installation
from ledger.ports import CardOperation
from ledger.projections.redemptions import RedemptionsView
from ledger.usecases import coupons, dispensing, media, offline, parties
from ledger.usecases.media import MediumWrite, Proof
from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    SLOTS_MAX,
    SlotEntry,
    SlotStatus,
    Stamp,
    digest,
    encode_slots,
)
from ledger.vocabulary.money import Money
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    ISSUER,
    NOON,
    TERMINAL,
    TILL,
    a_ticket,
)

CAUSE = Cause(actor="test")
MAKER, DISPENSER_2, TILL_2, OTHER_TILL = (UUID(int=n) for n in range(31, 35))
SHOP, OTHER_SHOP, KEEPER = (UUID(int=n) for n in range(41, 44))
DEVICES = {
    TERMINAL: ("terminal", ALICE),
    MAKER: ("personaliser", KEEPER),
    DISPENSER: ("dispenser", KEEPER),
    DISPENSER_2: ("dispenser", KEEPER),
    TILL: ("point_of_sale", SHOP),
    TILL_2: ("point_of_sale", SHOP),
    OTHER_TILL: ("point_of_sale", OTHER_SHOP),
}
_ids = itertools.count(70_000)
_WRITE_DATA, _STAMP_FILE, _SLOTS_FILE, _ENTRY = 0x8D, 5, 2, 16


def fresh() -> UUID:
    return UUID(int=next(_ids) << 96)  # A card tells tickets by their first bytes.


def after(**more: float) -> datetime:
    return NOON + timedelta(**more)


@dataclass(slots=True)
class PocketCard:
    """A card as it is in somebody's pocket; copied, there are two of it."""

    uid: bytes
    tm_key: bytes
    slots: list[SlotEntry] = field(default_factory=lambda: [EMPTY_SLOT] * SLOTS_MAX)
    seq: int = 0
    counter: int = 0

    def reading(self) -> Reading:
        shown = digest(uid=self.uid, seq=self.seq, slots=self.slots)
        stamp = Stamp(key_version=1, seq=self.seq, uid=self.uid, digest=shown)
        return Reading.parse(
            uid=self.uid, stamp=stamp.encode(), slots=encode_slots(self.slots)
        )

    def copied(self) -> PocketCard:
        return deepcopy(self)

    def commit(self, write: MediumWrite) -> Proof:
        """Take a write in, and prove it."""
        operations = []
        for change in write.changes:
            self.slots[change.slot] = SlotEntry.decode(change.entry)
            operations.append(
                Operation(
                    _WRITE_DATA,
                    _SLOTS_FILE,
                    change.slot * _ENTRY,
                    _ENTRY,
                    change.entry,
                )
            )
        operations.append(
            Operation(_WRITE_DATA, _STAMP_FILE, 0, len(write.stamp), write.stamp)
        )
        self.seq = write.seq
        self.counter += 1
        mac = transaction_mac_value(
            self.tm_key,
            uid=self.uid,
            tmc=self.counter,
            tmi=transaction_mac_input(operations),
        )
        told = [
            CardOperation(each.cmd, each.file, each.offset, each.length, each.data)
            for each in operations
        ]
        return Proof(
            committed=True,
            transaction_counter=self.counter,
            transaction_mac=mac,
            operations=tuple(told),
        )

    def mark(self, slot: int, status: SlotStatus, uses_left: int = 0) -> int:
        """Let a machine without the line mark a slot; return the new state's number."""
        old = self.slots[slot]
        self.slots[slot] = SlotEntry(status, old.epoch, uses_left, old.ticket_ref)
        self.seq += 1
        self.counter += 1
        return self.seq


class Foyer:
    """Alice, Bob and Carol, two shops, and the machines of a house."""

    def __init__(self, installation: Installation) -> None:
        self.its = installation
        self.ledger = installation.ledger
        for party_id in (ISSUER, ALICE, BOB, CAROL, SHOP, OTHER_SHOP, KEEPER):
            parties.register(
                self.ledger,
                installation.personal,
                party_id=party_id,
                kind="person",
                name="x",
                contact=None,
                at=NOON,
                cause=CAUSE,
            )
        for device_id, (kind, keeper_id) in DEVICES.items():
            self.enrol(device_id, kind, keeper_id)

    def do(self, command: Any, *given: Any, at: datetime = NOON, **said: Any) -> Any:
        """Give one command, again if it was overtaken, as a door does."""
        return attempt(lambda: command(self.ledger, *given, **said, at=at, cause=CAUSE))

    def enrol(self, device_id: UUID, kind: Any, keeper_id: UUID) -> None:
        self.do(
            parties.enrol,
            device_id=device_id,
            kind=kind,
            keeper_id=keeper_id,
            public_key="09" + "00" * 31,
            label=kind,
        )

    @property
    def redemptions(self) -> RedemptionsView:
        return RedemptionsView(self.ledger.recorder.datastore)

    def delegate(self, device_id: UUID, at: datetime = NOON, **rights: Any) -> None:
        self.do(
            parties.delegate,
            device_id=device_id,
            rights=Rights(**rights),
            by=KEEPER,
            as_operator=True,
            at=at,
        )

    def ticket(self, **given: Any) -> UUID:
        """Issue a ticket to Alice outside of any sale; return its id."""
        said = {"ticket_id": fresh(), "order_id": None}
        ticket = a_ticket(**(said | given))
        self.ledger.record(ticket, cause=CAUSE)
        return ticket.id

    def coupon(self, **given: Any) -> UUID:
        return self.ticket(**({"kind": "coupon", "uses_limit": 3} | given))

    def tell(self, ticket_id: UUID, command: str, at: datetime = NOON, **said: Any):
        """Give a ticket one command, and record it."""
        ticket = self.ledger.ticket(ticket_id)
        told = getattr(ticket, command)(**said, at=at)
        self.ledger.record(ticket, cause=CAUSE)
        return told

    def card(self, holder: UUID = ALICE, kind: str = "ic_card") -> PocketCard:
        uid = (0x04 << 48 | next(_ids)).to_bytes(7)
        self.do(
            media.register,
            device_id=MAKER,
            uid=uid,
            holder_id=holder,
            profile="desfire-8k",
            key_version=1,
            kind=kind,
        )
        key = bytes.fromhex(self.its.cards.card_keys(uid)["transaction_mac"])
        return PocketCard(uid, key)

    def prepare(self, card: PocketCard, *load: UUID, at: datetime = NOON, **more: Any):
        """Prepare a write at Alice's terminal; return it."""
        said = {"by": ALICE, "unload": [], "terminal_id": TERMINAL} | more
        return self.do(
            media.prepare_write,
            self.its.personal,
            self.its.secrets,
            reading=card.reading(),
            write_id=fresh(),
            load=load,
            origin="test",
            at=at,
            **said,
        ).write

    def load(self, card: PocketCard, *tickets: UUID, at: datetime = NOON, **more: Any):
        """Bring a card in line, with these tickets on it."""
        write = self.prepare(card, *tickets, at=at, **more)
        if write is not None:
            self.settle(card, write, card.commit(write), at=at)

    def settle(self, card: PocketCard, write: Any, proof: Proof, at: datetime = NOON):
        return self.do(
            media.settle_write,
            self.its.cards,
            uid=card.uid,
            write_id=write.write_id,
            proof=proof,
            by=self.medium(card).holder_id,
            at=at,
        )

    def on_card(self, **given: Any) -> tuple[UUID, PocketCard]:
        """Give Alice a ticket on a card of hers."""
        ticket_id, card = self.ticket(**given), self.card()
        self.load(card, ticket_id)
        return ticket_id, card

    def tap(self, card: PocketCard, machine: UUID | None = DISPENSER, at=NOON):
        """Tap a card as a machine reads it, judged by the streams themselves."""
        return self.do(
            media.tap,
            Unsure(),
            reading=card.reading(),
            machine_id=machine,
            at=at,
        ).judgement

    def lease(self, ticket_id: UUID, card: PocketCard, machine=DISPENSER, at=NOON):
        slot = self.slot_of(card, ticket_id)
        return self.do(
            dispensing.start,
            ticket_id=ticket_id,
            reading=card.reading(),
            slot=slot,
            expected_epoch=card.slots[slot].epoch,
            answered=True,
            device_id=machine,
            job_id=fresh(),
            write_id=fresh(),
            at=at,
        )

    def mark(self, ticket_id, card, lease, serial, machine=DISPENSER, at=NOON):
        return self.do(
            dispensing.mark,
            self.its.cards,
            self.its.secrets,
            ticket_id=ticket_id,
            job_id=lease.job_id,
            uid=card.uid,
            write_id=lease.write.write_id,
            proof=card.commit(lease.write),
            serial=serial,
            device_id=machine,
            at=at,
        )

    def printed(self, ticket_id, lease, serial, machine=DISPENSER, at=NOON):
        return self.do(
            dispensing.printed,
            ticket_id=ticket_id,
            job_id=lease.job_id,
            serial=serial,
            device_id=machine,
            device_time=None,
            at=at,
        )

    def dispense(self, ticket_id, card, serial, at=NOON):
        """Print a ticket; return what the paper says."""
        lease = self.lease(ticket_id, card, at=at)
        paper = self.mark(ticket_id, card, lease, serial, at=at)
        self.printed(ticket_id, lease, serial, at=at)
        return paper

    def session(self, coupon_id, card, receipt, till=TILL, at=NOON, **more: Any):
        slot = self.slot_of(card, coupon_id)
        return self.do(
            coupons.start,
            ticket_id=coupon_id,
            reading=card.reading(),
            slot=slot,
            expected_epoch=card.slots[slot].epoch,
            receipt=receipt,
            purchase=Money(900, "EUR"),
            device_id=till,
            session_id=fresh(),
            write_id=fresh(),
            at=at,
            **more,
        )

    def redeem(self, coupon_id, card, session, till=TILL, at=NOON, proof=None):
        return self.do(
            coupons.redeem,
            self.its.cards,
            ticket_id=coupon_id,
            session_id=session.session_id,
            uid=card.uid,
            write_id=session.write.write_id,
            proof=proof or card.commit(session.write),
            device_id=till,
            at=at,
        )

    def use(self, coupon_id, card, receipt, at=NOON, **more: Any) -> UUID:
        """Redeem a coupon; return the session's id."""
        session = self.session(coupon_id, card, receipt, at=at, **more)
        self.redeem(coupon_id, card, session, till=more.get("till", TILL), at=at)
        session_id: UUID = session.session_id
        return session_id

    def upload(self, device_id: UUID, *facts: Any, at: datetime = NOON):
        return attempt(
            lambda: offline.upload(
                self.ledger, device_id=device_id, facts=facts, at=at, cause=CAUSE
            )
        )

    def lose(self, card: PocketCard, at: datetime = NOON):
        return self.do(
            media.report_lost, uid=card.uid, by=ALICE, as_operator=False, at=at
        )

    def block(self, card: PocketCard, at: datetime = NOON):
        return self.do(
            media.block,
            uid=card.uid,
            by=ALICE,
            as_operator=False,
            reason="lost",
            at=at,
        )

    # What there is.

    def slot_of(self, card: PocketCard, ticket_id: UUID) -> int:
        refs = [entry.ticket_ref for entry in card.slots]
        return refs.index(ticket_id.bytes[:8]) if ticket_id.bytes[:8] in refs else 0

    def now(self, ticket_id: UUID) -> ETicket:
        return self.ledger.ticket(ticket_id)

    def medium(self, card: PocketCard) -> Medium:
        return self.ledger.medium(card.uid)

    def case(self, case_id: UUID) -> Case:
        case = self.ledger.find(Case, case_id)
        assert case is not None
        return case


class Unsure:
    """A view that knows nothing yet, so that the streams are asked."""

    def known(self, uid: bytes):
        return None, [], {}
