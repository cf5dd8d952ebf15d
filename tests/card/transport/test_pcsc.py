"""The card behind a real PC/SC stack: pyscard, pcscd and the vpcd driver."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardGone, UnknownOutcome
from card_bridge.transport.pcsc import (
    PcscTransport,
    ReaderMissing,
    reader_names,
    wait_for_card,
)
from card_bridge.transport.vpcd import OnTheReader
from card_bridge.virtual import VirtualCard
from tests.card import cards
from tests.card.cards import BODIES, MODES, PURSE

pytestmark = pytest.mark.pcsc
WAIT_S = 10.0
CHILD = """
import sys
from card_bridge.transport.daemon import PrivateDaemon
with PrivateDaemon() as daemon:
    print(daemon._process.pid, flush=True)
    sys.stdin.read()
"""


def laid(daemon, card: VirtualCard) -> OnTheReader:
    return OnTheReader(card, port=daemon.port)


def waited(daemon) -> PcscTransport:
    transport = wait_for_card(daemon.reader, timeout_s=WAIT_S)
    assert transport is not None
    return transport


def test_the_reader_is_listed_and_another_is_missed_by_name(daemon):
    assert daemon.reader in reader_names()
    with pytest.raises(ReaderMissing, match="no card reader named 'x'"):
        PcscTransport("x")
    with pytest.raises(ReaderMissing):
        wait_for_card("x", timeout_s=0)


def test_a_whole_tap_gives_the_bytes_that_a_card_in_process_gives(daemon):
    card = cards.personalised()
    with laid(daemon, card), waited(daemon) as transport:
        assert transport.atr == card.atr
        assert Picc(transport).get_reader_uid() == cards.UID
        session = cards.opened(card, cards.ISSUE, link=transport)
        session.write_data(BODIES, 0, bytes(range(150)), MODES[BODIES])
        session.debit(PURSE, 30, MODES[PURSE])
        proof = session.commit_transaction()
        assert session.read_data(BODIES, 0, 150, MODES[BODIES]) == bytes(range(150))
    assert proof.tmc == 1
    assert cards.opened(card, cards.ISSUE).get_value(PURSE, MODES[PURSE]) == 470


def test_nobody_else_gets_the_card_during_a_tap(daemon):
    with laid(daemon, cards.personalised()), waited(daemon), pytest.raises(CardGone):
        PcscTransport(daemon.reader)


def test_a_card_taken_away_during_the_commit_is_an_unknown_outcome(daemon):
    card = cards.personalised()
    with laid(daemon, card), waited(daemon) as transport:
        session = cards.opened(card, cards.ISSUE, link=transport)
        session.debit(PURSE, 30, MODES[PURSE])
        card.tear_after(0, processed=True)
        with pytest.raises(UnknownOutcome):
            session.commit_transaction()
        with pytest.raises(CardGone):
            session.select_application(cards.AID)
    assert cards.opened(card, cards.ISSUE).get_value(PURSE, MODES[PURSE]) == 470


def test_an_uncommitted_write_is_gone_when_the_tap_ends(daemon):
    card = cards.personalised()
    before = card.snapshot()
    with laid(daemon, card):
        with waited(daemon) as transport:
            session = cards.opened(card, cards.ISSUE, link=transport)
            session.write_data(BODIES, 0, b"lost", MODES[BODIES])
        with waited(daemon) as transport:
            session = cards.opened(card, cards.ISSUE, link=transport)
            assert session.read_data(BODIES, 0, 4, MODES[BODIES]) == bytes(4)
    assert card.snapshot() == before


def test_waiting_for_a_card_that_does_not_come_ends(daemon):
    assert wait_for_card(daemon.reader, timeout_s=0.2) is None
    with pytest.raises(CardGone):
        PcscTransport(daemon.reader)


def test_the_service_ends_with_whoever_started_it(daemon):
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with child:
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        watched = os.pidfd_open(pid)
        child.send_signal(signal.SIGKILL)
        child.wait()
        try:
            assert select.select([watched], [], [], WAIT_S)[0]
        finally:
            os.close(watched)
