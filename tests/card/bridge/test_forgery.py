"""Copies, old images, moved and made-up tickets, and cards that talk nonsense.

Each is refused by its code and leaves the log as it was, but for one kept suspicion.

Planted and caught: a terminal that does not hold the claims against what it asked for;
a card made for an unconfirmed UID; a recording without the slot in its context; a
reader that does not hold the entry's epoch against the ticket's; a length field that is
believed.
"""

import base64
import dataclasses
from contextlib import contextmanager, suppress
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from card_bridge.bridge import Terminal
from card_bridge.gateway import LedgerRefusal
from card_bridge.keys import KeysError, LocalKeys
from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.kinds import WrongCard
from card_bridge.profile.personalise import personalise
from card_bridge.profile.records import Body
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardError
from card_bridge.reader import CardReader
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.virtual import VirtualCard
from ledger.aggregates.e_ticket.states import FormKind
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.medium_record import OPERATE_KEY, MalformedRecord
from ledger.vocabulary.sealed_ticket import (
    Recording,
    SealBroken,
    TicketClaims,
    Transmission,
    key_id,
    seal,
    sign,
    unseal,
)
from tests.api.callers import NOON
from tests.card.bridge.stage import content, laid, party, standing, with_content

BODIES = layout.BODIES.number
SLOT = layout.BODY_LENGTH
GARBAGE_EXCHANGES_MAX = 60


@pytest.fixture
def held(stage):
    """Somebody with a card and two tickets on it."""
    _reader(stage)
    return _with_tickets(stage, 2)


def _with_tickets(stage, number):
    ada = stage.callers.person(Role.BUYER)
    card, bridge = stage.card_of(ada), stage.bridge_of(ada)
    tickets = [stage.ticket_of(ada) for _ in range(number)]
    with laid(card) as lying:
        bridge.bring_in_line(lying, load=tickets)
    return card, bridge, tickets


def _reader(stage):
    return stage.reader_of("dispenser", Role.DISPENSER)[0]


def _present(stage, card):
    with laid(card) as lying:
        return _reader(stage).present(lying).tapped


def test_every_byte_on_another_card_is_a_clone_and_kept_once(stage, held):
    card, _, _ = held
    thief = stage.callers.person(Role.BUYER)
    copy = stage.card_of(thief)
    copy.copy_contents_from(card)
    before = stage.position()
    tapped = _present(stage, copy)
    assert (tapped.verdict, tapped.code) == (Verdict.CLONE, "clone")
    kept = stage.position()
    assert kept > before
    _present(stage, copy)
    assert stage.position() == kept
    assert stage.medium(copy).status == "SUSPECT"
    stage.require_agreed(card)


def test_a_copy_on_a_card_that_is_not_ours_opens_no_session(stage, held):
    card, bridge, _ = held
    copy = VirtualCard.blank()
    copy.copy_contents_from(card)
    before = stage.position()
    with laid(copy) as lying, pytest.raises(CardError):
        _reader(stage).present(lying)
    with laid(copy) as lying, pytest.raises(LedgerRefusal) as refused:
        bridge.tap(lying)
    assert refused.value.code == "unknown"
    assert stage.position() == before


def test_an_old_image_put_back_is_a_rollback_and_the_owner_keeps_the_ticket(
    stage, held
):
    card, bridge, tickets = held
    image = card.snapshot()
    stage.modify(tickets[0], "Row 9 seat 9")
    with laid(card) as lying:
        bridge.bring_in_line(lying)
    card.restore(image)
    before = stage.position()
    tapped = _present(stage, card)
    assert (tapped.verdict, tapped.code) == (Verdict.ROLLBACK, "rollback")
    kept = stage.position()
    assert kept > before
    with laid(card) as lying, pytest.raises(LedgerRefusal) as refused:
        bridge.bring_in_line(lying)
    assert refused.value.code == "medium_suspect"
    assert stage.position() == kept
    owner = stage.its.ledger.ticket(tickets[0]).owner_id
    assert owner == stage.medium(card).holder_id


def _swapped(raw, _):
    return raw[SLOT : 2 * SLOT] + raw[:SLOT] + raw[2 * SLOT :]


def _cut(raw, _):
    return (int.from_bytes(raw[:2]) - 1).to_bytes(2) + raw[2:]


def _empty(raw, _):
    return bytes(2) + raw[2:]


def _endless(raw, _):
    return b"\xff\xff" + raw[2:]


def _noise(raw, _):
    return raw[:18] + bytes(byte ^ 0x5A for byte in raw[18:SLOT]) + raw[SLOT:]


def _flipped(raw, _):
    return raw[:200] + bytes([raw[200] ^ 1]) + raw[201:]


def _other_id(raw, _):
    return raw[:2] + raw[SLOT + 2 : SLOT + 18] + raw[18:]


def _home_signed(raw, scene):
    """Sealed as it should be for this slot; only the signature is somebody else's."""
    reader, card, claims = scene
    signed = sign(claims, key=Ed25519PrivateKey.generate(), origin=reader.origin)
    return _resealed(reader, card, claims, signed) + raw[SLOT:]


def _resealed(reader, card, claims, signed):
    context = Recording(reader.origin, claims.ticket_id, claims.epoch, card.uid, 0)
    record_key = reader.keys.record_key(card.uid).public_key()
    sealed = seal(signed, to=record_key, context=context)
    return Body(claims.ticket_id, sealed).encode().ljust(SLOT, b"\0")


@pytest.mark.parametrize(
    ("tampered", "code"),
    [
        pytest.param(_swapped, "counterfeit", id="moved to another slot"),
        pytest.param(_other_id, "counterfeit", id="named after another ticket"),
        pytest.param(_cut, "malformed", id="one byte short"),
        pytest.param(_empty, "malformed", id="of no length"),
        pytest.param(_endless, "malformed", id="longer than its slot"),
        pytest.param(_noise, "malformed", id="noise"),
        pytest.param(_flipped, "counterfeit", id="one bit flipped"),
        pytest.param(_home_signed, "counterfeit", id="home-made"),
    ],
)
def test_a_tampered_body_is_refused_and_nothing_happens(stage, held, tampered, code):
    card, _, _ = held
    genuine, reader = card.snapshot(), _reader(stage)
    with laid(card) as lying:
        presented = reader.present(lying)
        first = presented.usable[0]
        claims, _ = reader.open_ticket(lying, presented, first)
    raw = tampered(content(genuine, BODIES), (reader, card, claims))
    card.restore(with_content(genuine, BODIES, raw))
    before = stage.position()
    with laid(card) as lying:
        presented = reader.present(lying)
        with pytest.raises(ValueError, match=r"\w") as refused:
            reader.open_ticket(lying, presented, first)
    assert isinstance(refused.value, SealBroken | MalformedRecord)
    assert refused.value.code == code
    assert stage.position() == before
    card.restore(genuine)
    stage.require_agreed(card)


def test_an_older_ticket_under_the_present_epochs_seal_is_refused(stage, held):
    """Who keeps what his terminal once opened can seal it again, and no more."""
    card, bridge, tickets = held
    sent = bridge._gateway.transmission(
        tickets[0], terminal_id=bridge.terminal.terminal_id
    )
    older = bridge.terminal.open(
        base64.b64decode(sent["sealed"]), ticket_id=tickets[0], epoch=sent["epoch"]
    )
    stage.modify(tickets[0], "Row 30 seat 1")
    with laid(card) as lying:
        bridge.bring_in_line(lying)
    reader = _reader(stage)
    with laid(card) as lying:
        presented = reader.present(lying)
        first = presented.usable[0]
        claims, _ = reader.open_ticket(lying, presented, first)
    raw = content(card.snapshot(), BODIES)
    body = _resealed(reader, card, claims, older)
    card.restore(with_content(card.snapshot(), BODIES, body + raw[SLOT:]))
    with laid(card) as lying:
        presented = reader.present(lying)
        with pytest.raises(MalformedRecord, match="of one piece"):
            reader.open_ticket(lying, presented, first)


def test_a_ticket_of_another_log_does_not_open_here(stage, held):
    card, _, _ = held
    reader, gateway = stage.reader_of("dispenser", Role.DISPENSER)
    bundle = dataclasses.replace(reader._bundle, origin="another.example/log")
    foreign = CardReader(gateway, bundle)
    with laid(card) as lying:
        presented = foreign.present(lying)
        with pytest.raises(SealBroken) as refused:
            foreign.open_ticket(lying, presented, presented.usable[0])
    assert refused.value.code == "counterfeit"


def test_a_ticket_that_the_ledger_knows_by_another_name_is_refused(stage, held):
    card, _, _ = held
    reader = _reader(stage)
    with laid(card) as lying:
        presented = reader.present(lying)
        first, second = presented.usable
        with pytest.raises(SealBroken) as refused:
            reader.open_ticket(
                lying, presented, dataclasses.replace(second, slot=first.slot)
            )
    assert refused.value.code == "counterfeit"


def test_slots_written_past_the_ledger_are_a_fork(stage, held):
    card, _, _ = held
    slots = content(card.snapshot(), layout.SLOTS.number)
    other = slots[:15] + bytes([slots[15] ^ 1]) + slots[16:]
    card.restore(with_content(card.snapshot(), layout.SLOTS.number, other))
    before = stage.position()
    assert _present(stage, card).verdict == Verdict.FORK
    assert stage.position() > before


class Meddling:
    """A line on which the tickets sent are not those of this terminal."""

    def __init__(self, gateway, meddle):
        self._gateway = gateway
        self._meddle = meddle

    def __getattr__(self, name):
        return getattr(self._gateway, name)

    def prepare_write(self, reading, **asked):
        write = self._gateway.prepare_write(reading, **asked)
        changes = tuple(
            dataclasses.replace(change, transmission=self._meddle(change))
            for change in write.changes
        )
        return dataclasses.replace(write, changes=changes)


def _home_made(change):
    """Open to nobody: sealed for a terminal that does not exist."""
    elsewhere = X25519PrivateKey.generate().public_key()
    context = Transmission("o", change.ticket_id, change.epoch, change.ticket_id)
    return seal(b"ticket", to=elsewhere, context=context)


@pytest.mark.parametrize(
    ("meddle", "code"),
    [
        (_home_made, "counterfeit"),
        (lambda change: change.transmission[:-1], "malformed"),
        (lambda change: change.transmission[:60], "malformed"),
        (lambda _: b"\x83" * 40, "malformed"),
        (lambda _: b"\0" * 5000, "malformed"),
    ],
)
def test_a_ticket_that_does_not_open_here_is_not_recorded_and_stays_free(
    stage, meddle, code
):
    ada = stage.callers.person(Role.BUYER)
    card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
    bridge = stage.bridge_of(ada, gateway=Meddling(stage.gateway(ada), meddle))
    image = card.snapshot()
    with laid(card) as lying, pytest.raises(SealBroken) as refused:
        bridge.bring_in_line(lying, load=[ticket_id])
    assert refused.value.code == code
    assert card.snapshot() == image
    ticket = stage.its.ledger.ticket(ticket_id)
    assert (ticket.owner_id, ticket.form.kind) == (party(ada), FormKind.ELECTRONIC)
    with laid(card) as lying:
        stage.bridge_of(ada).bring_in_line(lying, load=[ticket_id])
    stage.require_agreed(card)


def test_another_epochs_ticket_in_this_ones_seal_does_not_open_at_a_terminal():
    issuer, device = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
    keys = {key_id(issuer.public_key()): issuer.public_key()}
    terminal = Terminal(UUID(int=1), device, keys, "o")
    older = TicketClaims(
        ticket_id=UUID(int=2),
        epoch=2,
        offering_id=UUID(int=3),
        kind="admission",
        right="Row 1",
        not_before=NOON,
        not_after=NOON,
    )
    signed = sign(older, key=issuer, origin="o")
    for epoch, opens in ((2, True), (3, False)):
        context = Transmission("o", UUID(int=2), epoch, UUID(int=1))
        sealed = seal(signed, to=device.public_key(), context=context)
        if opens:
            assert terminal.open(sealed, ticket_id=UUID(int=2), epoch=2) == signed
            continue
        with pytest.raises(SealBroken, match="not the one expected") as refused:
            terminal.open(sealed, ticket_id=UUID(int=2), epoch=epoch)
        assert refused.value.code == "counterfeit"


def test_what_was_sent_to_one_terminal_does_not_open_at_another(stage):
    ada = stage.callers.person(Role.BUYER)
    ticket_id = stage.ticket_of(ada)
    one, other = stage.bridge_of(ada), stage.bridge_of(ada)
    sent = stage.gateway(ada).transmission(
        ticket_id, terminal_id=one.terminal.terminal_id
    )
    sealed = base64.b64decode(sent["sealed"])
    assert one.terminal.open(sealed, ticket_id=ticket_id, epoch=1)
    context = Transmission(
        one.terminal.origin, ticket_id, 1, other.terminal.terminal_id
    )
    with pytest.raises(SealBroken):
        other.terminal.open(sealed, ticket_id=ticket_id, epoch=1)
    with pytest.raises(SealBroken):
        one.terminal.open(sealed, ticket_id=ticket_id, epoch=2)
    with pytest.raises(SealBroken):
        unseal(sealed, key=one.terminal.private, context=context)


class Nonsense(InProcessTransport):
    """A card that answers once, at one exchange, with something else."""

    def __init__(self, card, *, at, instead):
        super().__init__(card.transmit, power_on=card.power_on)
        self._left, self._instead = at, instead
        self.answered = False

    def transmit(self, command, /):
        answer = super().transmit(command)
        self._left -= 1
        if self._left >= 0:
            return answer
        self.answered = True
        if self._left == -1:
            return self._instead(answer)
        return answer if self._instead is not _more else _more(answer)


def _more(_):
    return bytes(20) + b"\x91\xaf"


NONSENSE = {
    "silence": lambda _: b"",
    "one byte": lambda _: b"\x91",
    "bare yes": lambda _: b"\x91\x00",
    "ISO yes": lambda _: b"\x90\x00",
    "zeros and yes": lambda _: bytes(16) + b"\x91\x00",
    "many bytes": lambda _: b"\xa5" * 250 + b"\x91\x00",
    "more for ever": _more,
    "refusal": lambda _: b"\x91\xae",
    "unknown status": lambda _: b"\x6f\x00",
    "bit flipped": lambda answer: bytes([answer[0] ^ 1]) + answer[1:],
    "cut": lambda answer: answer[1:],
    "last byte of the data": lambda answer: answer[:-3] + b"\x77" + answer[-2:],
}
each_nonsense = pytest.mark.parametrize("kind", NONSENSE)
EXPECTED = (CardError, SealBroken, MalformedRecord, LedgerRefusal)


@contextmanager
def _nonsensical(card, at, kind):
    with Nonsense(card, at=at, instead=NONSENSE[kind]) as transport:
        yield TicketCard(Picc(transport)), transport


@each_nonsense
def test_nonsense_at_any_step_of_recording_ends_in_words_and_is_mended(stage, kind):
    ada = stage.callers.person(Role.BUYER)
    card, bridge = stage.card_of(ada), stage.bridge_of(ada)
    ticket_id = stage.ticket_of(ada)
    for at in range(GARBAGE_EXCHANGES_MAX):
        with _nonsensical(card, at, kind) as (lying, transport), suppress(*EXPECTED):
            bridge.bring_in_line(lying, load=[ticket_id])
        with laid(card) as lying:
            bridge.bring_in_line(lying, unload=[ticket_id])
        if not transport.answered:
            break
    assert not transport.answered
    stage.require_agreed(card)


@each_nonsense
def test_nonsense_at_any_step_of_reading_ends_in_words(stage, held, kind):
    card, _, _ = held
    reader = _reader(stage)
    for at in range(GARBAGE_EXCHANGES_MAX):
        with _nonsensical(card, at, kind) as (lying, transport), suppress(*EXPECTED):
            presented = reader.present(lying)
            for slot in presented.usable:
                reader.open_ticket(lying, presented, slot)
        if not transport.answered:
            break
    assert not transport.answered
    stage.require_agreed(card)


@each_nonsense
def test_nonsense_at_any_step_of_personalising_ends_in_words(stage, kind):
    holder = stage.callers.person(Role.BUYER)
    card = VirtualCard.blank()
    keys = stage.keys_for(card, holder)
    for at in range(GARBAGE_EXCHANGES_MAX):
        blank = VirtualCard.blank(card.uid)
        with (
            _nonsensical(blank, at, kind) as (lying, transport),
            suppress(*EXPECTED, WrongCard),
        ):
            lying.find()
            personalise(lying, keys)
        with laid(blank) as lying:
            lying.find()
            personalise(lying, keys)
        assert standing(blank)[0].uid == card.uid
        if not transport.answered:
            break
    assert not transport.answered


def test_a_card_whose_reader_says_another_uid_is_not_made(stage):
    card = VirtualCard.blank()
    keys = stage.keys_for(card, stage.callers.person(Role.BUYER))
    with laid(card) as lying:
        lying.uid = bytes(7)
        with pytest.raises(MalformedRecord) as refused:
            personalise(lying, keys)
    assert refused.value.code == "counterfeit"
    with laid(card) as lying:
        lying.find()
        personalise(lying, keys)
    assert standing(card)[0].uid == card.uid


def test_a_terminals_bundle_holds_no_master(stage):
    ada = stage.callers.person(Role.BUYER)
    bundle = stage.bridge_of(ada).terminal
    assert not hasattr(bundle, "masters")
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with pytest.raises(KeysError):
        reader.keys(bytes(7), 0)
    bare = dataclasses.replace(reader._bundle, masters={})
    with pytest.raises(KeysError):
        LocalKeys(bare)(bytes(7), OPERATE_KEY)
    assert all(
        key.hex() not in repr(reader._bundle) for key in reader._bundle.masters.values()
    )
