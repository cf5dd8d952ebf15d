"""What a tap costs on the air, counted on the virtual card and priced by a model.

One tap at a dispenser: find the card, select, authenticate, confirm the UID, read stamp
and slots (here the ledger judges), read the ticket, mark its slot, stamp, commit. The
time is the card's alone: no ledger, no person, no printer is in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, personalise
from card_bridge.profile.records import Body
from card_bridge.protocol.commands import (
    FRAME_PAYLOAD_CCID,
    FRAME_PAYLOAD_MAX,
    Picc,
)
from card_bridge.protocol.ev2_auth import LocalKey
from card_bridge.protocol.record_key import record_private_key
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.codes import Question
from ledger.vocabulary.medium_record import (
    EMPTY_SLOT,
    ISSUE_KEY,
    OPERATE_KEY,
    SLOTS_MAX,
    SlotEntry,
    SlotStatus,
    Stamp,
    digest,
)
from ledger.vocabulary.sealed_ticket import (
    HolderCheck,
    Recording,
    TicketClaims,
    answer_digest,
    seal,
    sign,
)
from tests.benchmarks.frame import Place, Result

# A byte on the air: eight bits and parity are nine bit times (ISO/IEC 14443-3). Frame
# delays, CRC and block headers are counted with the reader.
BYTE_MS_106 = 0.085
BYTE_MS_424 = BYTE_MS_106 / 4
# What a reader adds to each exchange (USB, CCID, driver), as others measured it: 3 ms
# for the best, 19 for the slowest. The middle stands for a usual CCID reader.
READER_MS, READER_BEST_MS, READER_SLOWEST_MS = 11.0, 3.0, 19.0
# What the card computes and programs in each exchange: an assumption. Data sheets say
# 1 ms for one EEPROM erase and write; AES is done in hardware.
CARD_MS = 1.0

TARGET_MS = 300.0
# The slimmest dispense that a prototype's layout allowed: 9 to 11 exchanges and 570 to
# 744 bytes, with ticket bodies of 48 bytes.
EXCHANGES_BEFORE, BYTES_BEFORE = 11, 744

UID = bytes.fromhex("04597a32501490")
ORIGIN = "eticket-ledger.local/log"
TICKET, OFFERING = UUID(int=9), UUID(int=8)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SLOT = 0
KEYS = CardKeys(
    keys={number: bytes([0xA0 + number]) * 16 for number in layout.KEYS},
    transaction_mac=bytes(range(16)),
    version=1,
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Exchanges with the card, and the bytes of their APDUs."""

    exchanges: int
    bytes_out: int
    bytes_in: int

    @property
    def total_bytes(self) -> int:
        return self.bytes_out + self.bytes_in

    def ms(self, byte_ms: float, reader_ms: float = READER_MS) -> float:
        air = self.total_bytes * byte_ms
        return air + self.exchanges * (reader_ms + CARD_MS)

    def __str__(self) -> str:
        return f"{self.exchanges} exchanges, {self.bytes_out} B out, {self.bytes_in} in"


@dataclass(frozen=True, slots=True)
class TapCost:
    """A dispense tap: up to the judgement, and whole."""

    judged: Cost
    whole: Cost


def tap(frame_payload_max: int) -> TapCost:
    """Dispense the one ticket of a card; frames carry so many bytes."""
    chip = VirtualCard.blank(UID)
    marked = _record_ticket(chip)
    card = _before_reader(chip, frame_payload_max)
    card.find()
    card.open(OPERATE_KEY, _key(OPERATE_KEY))
    card.confirm_uid()
    reading = card.read()
    judged = _cost(card)
    body = card.read_body(SLOT)
    assert body.ticket_id == TICKET
    card.write_entry(SLOT, marked.encode())
    card.write_stamp(_stamp(reading.stamped().seq + 1, marked).encode())
    card.commit()
    return TapCost(judged, _cost(card))


def narrow(_place: Place) -> TapCost:
    """As the programs do: frames that every reader carries."""
    return tap(FRAME_PAYLOAD_MAX)


def wide(_place: Place) -> TapCost:
    return tap(FRAME_PAYLOAD_CCID)


def exchanges(place: Place) -> Result:
    return _counted(place, "exchanges", lambda cost: cost.exchanges, EXCHANGES_BEFORE)


def total_bytes(place: Place) -> Result:
    return _counted(place, "bytes", lambda cost: cost.total_bytes, BYTES_BEFORE)


def ms_at_106(place: Place) -> Result:
    return _timed(place, BYTE_MS_106)


def ms_at_424(place: Place) -> Result:
    return _timed(place, BYTE_MS_424)


def _counted(
    place: Place, unit: str, count: Callable[[Cost], int], before: int
) -> Result:
    cost, other = place.once(narrow), place.once(wide)
    note = (
        f"dispense by frames of {FRAME_PAYLOAD_MAX} bytes: {cost.whole}; of it until"
        f" judged: {cost.judged}; by frames of {FRAME_PAYLOAD_CCID}: {other.whole};"
        f" baseline: a prototype with bodies of 48 bytes"
    )
    value = count(cost.whole)
    return Result(value=value, unit=unit, baseline=before, n=1, note=note)


def _timed(place: Place, byte_ms: float) -> Result:
    cost, other = place.once(narrow), place.once(wide)
    ends = (READER_BEST_MS, READER_SLOWEST_MS)
    best, slowest = (cost.whole.ms(byte_ms, reader) for reader in ends)
    note = (
        f"by model, not measured: {byte_ms * 1000:g} µs a byte, {READER_MS:g} ms reader"
        f" and {CARD_MS:g} ms card an exchange; readers of {ends[0]:g} and {ends[1]:g}"
        f" ms: {best:.0f} and {slowest:.0f} ms; until judged"
        f" {cost.judged.ms(byte_ms):.0f} ms; by frames of {FRAME_PAYLOAD_CCID} bytes"
        f" {other.whole.ms(byte_ms):.0f} ms; baseline: the target"
    )
    value = cost.whole.ms(byte_ms)
    return Result(value=value, unit="ms", baseline=TARGET_MS, n=1, note=note)


def _record_ticket(chip: VirtualCard) -> SlotEntry:
    """Make a card with one ticket; return the entry that will say it is dispensed."""
    card = _before_reader(chip, FRAME_PAYLOAD_MAX)
    card.find()
    personalise(card, KEYS)
    live = SlotEntry(SlotStatus.LIVE, 2, 1, TICKET.bytes[:8])
    card.open(ISSUE_KEY, _key(ISSUE_KEY))
    card.write_body(SLOT, Body(TICKET, _sealed(live.epoch)))
    card.write_entry(SLOT, live.encode())
    card.write_stamp(_stamp(1, live).encode())
    card.commit()
    return SlotEntry(SlotStatus.DISPENSED, live.epoch, 0, live.ticket_ref)


def _sealed(epoch: int) -> bytes:
    """A ticket as long as they come: every claim given, a right of full length."""
    claims = TicketClaims(
        ticket_id=TICKET,
        epoch=epoch,
        offering_id=OFFERING,
        kind="admission",
        right="Block 104 row 22 seat 31",
        not_before=NOON,
        not_after=NOON + timedelta(hours=9),
        check=HolderCheck(Question.DATE_OF_BIRTH, answer_digest(TICKET, "12031990")),
    )
    signed = sign(claims, key=Ed25519PrivateKey.generate(), origin=ORIGIN)
    context = Recording(ORIGIN, TICKET, epoch, UID, SLOT)
    return seal(signed, to=record_private_key(bytes(16)).public_key(), context=context)


def _stamp(seq: int, entry: SlotEntry) -> Stamp:
    slots = [EMPTY_SLOT] * SLOTS_MAX
    slots[SLOT] = entry
    return Stamp(
        key_version=KEYS.version,
        seq=seq,
        uid=UID,
        digest=digest(uid=UID, seq=seq, slots=slots),
    )


def _before_reader(chip: VirtualCard, frame_payload_max: int) -> TicketCard:
    link = InProcessTransport(chip.transmit, power_on=chip.power_on)
    return TicketCard(Picc(link, frame_payload_max=frame_payload_max))


def _cost(card: TicketCard) -> Cost:
    counted = card.picc.exchanges
    return Cost(counted.count, counted.bytes_out, counted.bytes_in)


def _key(number: int) -> LocalKey:
    return LocalKey(KEYS.keys[number], secrets.token_bytes(16))
