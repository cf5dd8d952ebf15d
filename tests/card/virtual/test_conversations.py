"""Whole conversations with the card, whatever comes in between."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.protocol import transaction_mac as tm
from card_bridge.protocol.apdu import Command
from card_bridge.protocol.commands import FRAME_PAYLOAD_CCID, FRAME_PAYLOAD_MAX, Picc
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import (
    CardError,
    CardGone,
    CardRefused,
    Status,
    UnknownOutcome,
)
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.state import CardState
from tests.card import cards
from tests.card.cards import BODIES, LOG, MACED, MODES, PLAIN, PURSE, SIZE, STATES

PERSONALISED = cards.personalised().snapshot()
PLACES = st.integers(0, SIZE - 1).flatmap(
    lambda at: st.tuples(st.just(at), st.binary(min_size=1, max_size=SIZE - at))
)


def fresh() -> VirtualCard:
    return VirtualCard(PERSONALISED)


class Wire:
    """A link that remembers what passed, and may change an answer on its way."""

    def __init__(
        self,
        card: VirtualCard,
        change: Callable[[int, bytes], bytes] = lambda _, answer: answer,
    ) -> None:
        self._card = card
        self._change = change
        self.sent: list[bytes] = []
        self.answers: list[bytes] = []

    def transmit(self, command: bytes, /) -> bytes:
        self.sent.append(command)
        answer = self._change(len(self.answers), self._card.transmit(command))
        self.answers.append(answer)
        return answer


@given(
    file_no=st.sampled_from([BODIES, PLAIN, MACED]),
    writes=st.lists(PLACES, min_size=1, max_size=5),
    frame=st.sampled_from([FRAME_PAYLOAD_MAX, FRAME_PAYLOAD_CCID]),
)
def test_what_is_written_and_committed_is_read_back(file_no, writes, frame):
    card, expected = fresh(), bytearray(SIZE)
    session = cards.opened(card, cards.ISSUE)
    session._frame = frame
    for at, data in writes:
        session.write_data(file_no, at, data, MODES[file_no])
        expected[at : at + len(data)] = data
        assert session.read_data(file_no, 0, SIZE, MODES[file_no]) == bytes(SIZE)
    session.commit_transaction()

    assert session.read_data(file_no, 0, SIZE, MODES[file_no]) == expected


MOVES = st.one_of(
    st.tuples(st.just("write_data"), st.sampled_from([BODIES, PLAIN, MACED]), PLACES),
    st.tuples(st.just("read_data"), st.sampled_from([BODIES, PLAIN, MACED]), PLACES),
    st.tuples(st.sampled_from(["credit", "debit"]), st.just(PURSE), st.integers(0, 90)),
    st.tuples(st.just("get_value"), st.just(PURSE), st.none()),
    st.tuples(st.just("write_record"), st.just(LOG), st.binary(max_size=24)),
)


def do(session: Picc, name: str, file_no: int, what: Any) -> None:
    if name == "write_data":
        at, data = what
        session.write_data(file_no, at, data, MODES[file_no])
    elif name == "read_data":
        session.read_data(file_no, what[0], len(what[1]), MODES[file_no])
    elif name == "get_value":
        session.get_value(file_no, MODES[file_no])
    else:
        getattr(session, name)(file_no, what, MODES[file_no])


@given(st.lists(st.lists(MOVES, min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_cards_proof_is_the_one_recomputed_from_its_operations(transactions):
    card = fresh()
    session = cards.opened(card, cards.ISSUE)
    for count, moves in enumerate(transactions, start=1):
        for move in moves:
            do(session, *move)
        if not session.operations:
            session.get_value(PURSE, MODES[PURSE])
        operations = session.operations
        proof = session.commit_transaction()

        assert proof.tmc == count
        assert tm.proves(
            cards.TM_KEY,
            uid=cards.UID,
            tmc=proof.tmc,
            tmv=proof.tmv,
            operations=operations,
        )
        assert session.read_transaction_mac(cards.PROOF, CommMode.MAC) == proof
        assert not tm.proves(
            cards.TM_KEY,
            uid=cards.UID,
            tmc=proof.tmc,
            tmv=proof.tmv,
            operations=operations[:-1],
        )


def dispense(session: Picc) -> None:
    """Touch every kind of file that waits for the commit."""
    session.write_data(BODIES, 3, b"dispensed" * 5, MODES[BODIES])
    session.debit(PURSE, 30, MODES[PURSE])
    session.write_record(LOG, b"\x01" * 24, MODES[LOG])
    session.commit_transaction()


def contents(state: CardState) -> Any:
    return state.applications[cards.AID[::-1]].files


@pytest.mark.parametrize("processed", [False, True])
def test_a_transaction_torn_at_any_exchange_leaves_the_old_state_or_the_new(processed):
    whole = fresh()
    dispense(cards.opened(whole, cards.ISSUE))
    old, new = contents(PERSONALISED), contents(whole.snapshot())
    seen = []
    for exchange in range(100):
        card = fresh()
        wire = Wire(card)
        card.tear_after(exchange, processed=processed)
        try:
            dispense(cards.opened(card, cards.ISSUE, link=wire))
        except CardGone:
            assert contents(card.snapshot()) == old
        except UnknownOutcome:
            assert wire.sent[-1][1] == 0xC7
            assert contents(card.snapshot()) == (new if processed else old)
        else:
            assert contents(card.snapshot()) == new
            break
        seen.append(exchange)
        card.power_on()
        session = cards.opened(card, cards.OPERATE)
        assert session.get_value(PURSE, MODES[PURSE]) in (500, 470)
    assert len(seen) >= 8


@given(st.data())
def test_any_bit_flipped_in_an_answer_is_noticed(data):
    card = fresh()
    wire = Wire(card)
    dispense(cards.opened(card, cards.ISSUE, link=wire))
    number = data.draw(st.integers(0, len(wire.answers) - 1))
    bit = data.draw(st.integers(0, 8 * len(wire.answers[number]) - 1))

    def flip(at: int, answer: bytes) -> bytes:
        if at != number:
            return answer
        place = bit % (8 * len(answer))
        mask = 1 << place % 8
        return (
            answer[: place // 8]
            + bytes([answer[place // 8] ^ mask])
            + answer[place // 8 + 1 :]
        )

    with pytest.raises(CardError):
        dispense(cards.opened(fresh(), cards.ISSUE, link=Wire(fresh(), flip)))


@given(bit=st.integers(0, 8 * 24 - 1))
def test_a_value_is_never_read_wrong(bit):
    def flip(at: int, answer: bytes) -> bytes:
        if at != 3:
            return answer
        place = bit % (8 * len(answer))
        flipped = bytearray(answer)
        flipped[place // 8] ^= 1 << place % 8
        return bytes(flipped)

    session = cards.opened(fresh(), cards.OPERATE, link=Wire(fresh(), flip))
    with pytest.raises(CardError):
        session.get_value(PURSE, MODES[PURSE])
    assert not session.authenticated


@given(st.integers(0, 30), st.sampled_from([BODIES, MACED]))
def test_a_command_changed_on_its_way_is_refused(place, file_no):
    card = fresh()
    wire = Wire(card)
    session = cards.opened(card, cards.ISSUE, link=wire)
    session.write_data(file_no, 0, b"x" * 20, MODES[file_no])
    changed = bytearray(wire.sent[-1])
    changed[5 + 7 + place % (len(changed) - 13)] ^= 1

    card.power_on()
    again = Wire(card)
    session = cards.opened(card, cards.ISSUE, link=again)
    assert card.transmit(bytes(changed)) == bytes([0x91, Status.INTEGRITY_ERROR])
    with pytest.raises(CardRefused):
        session.get_value(PURSE, MODES[PURSE])


def test_a_replayed_command_is_refused_and_ends_the_session():
    card = fresh()
    wire = Wire(card)
    session = cards.opened(card, cards.ISSUE, link=wire)
    session.credit(PURSE, 10, MODES[PURSE])

    answer = card.transmit(wire.sent[-1])

    assert answer == bytes([0x91, Status.INTEGRITY_ERROR])
    with pytest.raises(UnknownOutcome) as unknown:
        session.commit_transaction()
    assert isinstance(unknown.value.__cause__, CardRefused)
    assert contents(card.snapshot()) == contents(PERSONALISED)
    assert session.operations, "they are kept for whoever settles it"


@pytest.mark.parametrize("file_no", [BODIES, PLAIN, MACED, STATES])
def test_every_frame_fits_the_weakest_reader(file_no):
    wire = Wire(fresh())
    key_no = cards.OPERATE if file_no == STATES else cards.ISSUE
    session = cards.opened(fresh(), key_no, link=wire)
    session.write_data(file_no, 0, b"w" * SIZE, MODES[file_no])
    session.read_data(file_no, 0, SIZE, MODES[file_no])
    session.commit_transaction()

    assert max(len(Command.decode(sent).data) for sent in wire.sent) <= 52
    assert max(len(answer) - 2 for answer in wire.answers) <= 52


def test_the_exchanges_are_counted_with_their_bytes():
    card = fresh()
    wire = Wire(card)
    session = cards.opened(card, cards.ISSUE, link=wire)

    assert session.exchanges.count == len(wire.sent) == 3
    assert session.exchanges.bytes_out == sum(map(len, wire.sent))
    assert session.exchanges.bytes_in == sum(map(len, wire.answers))
