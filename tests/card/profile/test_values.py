"""Who may move what on a card: purse and points, and what a thief could do.

Planted and caught: the dispenser's key as the one that reads the purse (who reads may
debit); the key that sells as the one of read and write; the purse without an upper end.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from card_bridge.profile import layout
from card_bridge.profile.card import TicketCard
from card_bridge.profile.personalise import CardKeys, personalise
from card_bridge.protocol.commands import Picc
from card_bridge.protocol.status import CardRefused
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.files import ValueFile
from card_bridge.virtual.state import CardState
from ledger.vocabulary.medium_record import (
    APPLICATION_ID,
    FIND_KEY,
    INSPECT_KEY,
    ISSUE_KEY,
    OPERATE_KEY,
    PURSE_MAX_MINOR,
    SELL_KEY,
    TOP_UP_KEY,
)
from tests.card.bridge.stage import laid
from tests.card.cards import key

KEYS = CardKeys(
    {number: bytes([0xA0 + number]) * 16 for number in layout.KEYS}, b"T" * 16, 3
)
FILES = pytest.mark.parametrize(
    "file", layout.VALUE_FILES, ids=["the purse", "the points"]
)
LOADED = 500

Move = Callable[[Picc, int, int], None]


def _credit(picc: Picc, number: int, amount: int) -> None:
    picc.credit(number, amount, layout.PURSE.comm)


def _debit(picc: Picc, number: int, amount: int) -> None:
    picc.debit(number, amount, layout.PURSE.comm)


def _give_back(picc: Picc, number: int, amount: int) -> None:
    picc.limited_credit(number, amount, layout.PURSE.comm)


def _look(picc: Picc, number: int, _: int) -> None:
    picc.get_value(number, layout.PURSE.comm)


def _made() -> CardState:
    """A card with something in its purse, and some points."""
    card = VirtualCard.blank()
    with laid(card) as lying:
        lying.find()
        personalise(lying, KEYS)
        picc = _opened(lying, TOP_UP_KEY)
        for file in layout.VALUE_FILES:
            _credit(picc, file.number, LOADED)
        picc.commit_transaction()
    return card.snapshot()


def _opened(lying: TicketCard, number: int) -> Picc:
    lying.find()
    lying.open(number, key(KEYS.keys[number]))
    return lying.picc


def _value(card: VirtualCard, number: int) -> int:
    file = card.snapshot().applications[APPLICATION_ID[::-1]].files[number]
    assert isinstance(file, ValueFile)
    return file.value


IMAGE = _made()


@FILES
@pytest.mark.parametrize("number", [OPERATE_KEY, INSPECT_KEY, FIND_KEY, ISSUE_KEY])
@pytest.mark.parametrize("move", [_credit, _debit, _give_back, _look])
def test_neither_a_dispenser_nor_a_user_terminal_moves_or_sees_value(
    file: layout.ValueFile, number: int, move: Move
) -> None:
    card = VirtualCard(IMAGE)
    with laid(card) as lying, pytest.raises(CardRefused, match="PERMISSION_DENIED"):
        move(_opened(lying, number), file.number, 1)
    assert card.snapshot() == IMAGE


@FILES
def test_a_point_of_sale_debits(file: layout.ValueFile) -> None:
    card = VirtualCard(IMAGE)
    with laid(card) as lying:
        picc = _opened(lying, SELL_KEY)
        assert picc.get_value(file.number, file.comm) == LOADED
        _debit(picc, file.number, 180)
        picc.commit_transaction()
    assert _value(card, file.number) == LOADED - 180


@FILES
@pytest.mark.parametrize("move", [_credit, _give_back])
def test_a_point_of_sale_credits_nothing_not_even_what_it_took(
    file: layout.ValueFile, move: Move
) -> None:
    card = VirtualCard(IMAGE)
    with laid(card) as lying:
        picc = _opened(lying, SELL_KEY)
        _debit(picc, file.number, 180)
        picc.commit_transaction()
        with pytest.raises(CardRefused, match="PERMISSION_DENIED"):
            move(picc, file.number, 180)
    assert _value(card, file.number) == LOADED - 180


@FILES
@pytest.mark.parametrize(
    ("number", "move", "amount"),
    [(SELL_KEY, _debit, LOADED + 1), (TOP_UP_KEY, _credit, None)],
    ids=["below nothing", "above its upper end"],
)
def test_a_value_stays_between_its_ends(
    file: layout.ValueFile, number: int, move: Move, amount: int | None
) -> None:
    card = VirtualCard(IMAGE)
    too_much = file.upper - LOADED + 1 if amount is None else amount
    with laid(card) as lying, pytest.raises(CardRefused, match="BOUNDARY_ERROR"):
        move(_opened(lying, number), file.number, too_much)
    assert card.snapshot() == IMAGE


def test_a_card_carries_150_at_most_and_the_ledger_says_the_same() -> None:
    assert (layout.PURSE.lower, layout.PURSE.upper) == (0, 150_00)
    assert layout.PURSE.upper == PURSE_MAX_MINOR


@pytest.mark.parametrize("number", [OPERATE_KEY, INSPECT_KEY, FIND_KEY, SELL_KEY])
def test_no_machine_in_the_field_can_mint_a_ticket(number: int) -> None:
    card, file = VirtualCard(IMAGE), layout.BODIES
    with laid(card) as lying, pytest.raises(CardRefused, match="PERMISSION_DENIED"):
        _opened(lying, number).write_data(file.number, 0, b"ticket", file.comm)
    assert card.snapshot() == IMAGE


@pytest.mark.parametrize("number", [FIND_KEY, SELL_KEY, TOP_UP_KEY])
@pytest.mark.parametrize("file", layout.BACKUP_FILES)
def test_keys_for_value_and_for_finding_read_no_ticket(
    file: layout.BackupFile, number: int
) -> None:
    with laid(VirtualCard(IMAGE)) as lying:
        picc = _opened(lying, number)
        with pytest.raises(CardRefused, match="PERMISSION_DENIED"):
            picc.read_data(file.number, 0, 1, file.comm)
