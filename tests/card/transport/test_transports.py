"""What every way to a card has to do, and what a trace may show."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from card_bridge.protocol.status import CardGone
from card_bridge.transport.base import Transport
from card_bridge.transport.in_process import InProcessTransport
from card_bridge.transport.trace import TRACE_MAX, TracedTransport
from card_bridge.transport.vpcd import OnTheReader
from card_bridge.virtual import VirtualCard
from tests.card import cards
from tests.card.cards import BODIES, MODES

TIMEOUT_S = 5.0


def in_process(card: VirtualCard) -> Transport:
    return InProcessTransport(
        card.transmit, power_on=card.power_on, power_off=card.power_off
    )


def test_closing_takes_the_power_and_twice_does_nothing():
    card = cards.personalised()
    before = card.snapshot()
    with in_process(card) as transport:
        session = cards.opened(card, cards.ISSUE, link=transport)
        session.write_data(BODIES, 0, b"lost", MODES[BODIES])
    transport.close()
    with pytest.raises(CardGone):
        transport.transmit(b"\x60")
    with pytest.raises(CardGone):
        card.transmit(b"\x60")
    assert card.snapshot() == before


def test_a_trace_counts_and_shows_no_data():
    card = cards.personalised()
    with TracedTransport(in_process(card)) as traced:
        session = cards.opened(card, cards.ISSUE, link=traced)
        session.write_data(BODIES, 0, b"secret", MODES[BODIES])
        assert traced.atr == card.atr
        card.power_off()
        with pytest.raises(CardGone):
            traced.transmit(bytes.fromhex("9060000000"))

    assert traced.count == session.exchanges.count + 1
    assert traced.bytes_in == session.exchanges.bytes_in
    first, *_, last = traced.exchanges
    assert first.command == "90 5a 00 00 03 .. .. .. .."
    assert first.answer == "91 00"
    assert (last.command, last.answer) == ("90 60 00 00 00", "CardGone")
    assert all(
        set(each.answer.split()[:-2]) <= {".."} for each in traced.exchanges[:-1]
    )


def test_a_trace_shows_data_when_asked_and_does_not_grow_for_ever():
    card = cards.personalised()
    with TracedTransport(in_process(card), show_data=True) as traced:
        for _ in range(TRACE_MAX + 1):
            traced.transmit(bytes.fromhex("905a000003c1e7f400"))
    assert traced.exchanges[0].command == "90 5a 00 00 03 c1 e7 f4 00"
    assert len(traced.exchanges) == TRACE_MAX
    assert traced.count == TRACE_MAX + 1


@contextlib.contextmanager
def driver(card: VirtualCard) -> Iterator[socket.socket]:
    """The driver's end of vpcd's connection, with a card on it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TIMEOUT_S)
        with OnTheReader(card, port=server.getsockname()[1]):
            connection, _ = server.accept()
            connection.settimeout(TIMEOUT_S)
            with connection:
                yield connection


def say(connection: socket.socket, message: bytes) -> None:
    connection.sendall(len(message).to_bytes(2) + message)


def hear(connection: socket.socket) -> bytes:
    length = connection.recv(2, socket.MSG_WAITALL)
    return connection.recv(int.from_bytes(length), socket.MSG_WAITALL)


def test_the_driver_hears_atr_and_answers_and_power_moves_the_card():
    card = cards.personalised()
    with driver(card) as connection:
        say(connection, b"\x01")
        say(connection, b"\x04")
        assert hear(connection) == card.atr
        say(connection, bytes.fromhex("905a000003c1e7f400"))
        assert hear(connection).hex() == "9100"
        say(connection, b"\x02")
        say(connection, b"\x64\x00")  # Native framing is free again: it was reset.
        assert hear(connection) == b"\x00\x00"
        say(connection, b"\x60")  # One byte that is no control is a native command.
        assert hear(connection)[0] == 0xAF


def test_a_card_torn_away_leaves_the_driver_at_once():
    card = cards.personalised()
    with driver(card) as connection:
        card.tear_after(0)
        say(connection, b"\x60")
        assert connection.recv(2) == b""


def test_a_driver_that_goes_away_takes_the_power():
    card = cards.personalised()
    with driver(card) as connection:
        connection.close()
    with pytest.raises(CardGone):
        card.transmit(b"\x60")
