"""What a card keeps, what it forgets, and what an attacker can do with a copy."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.protocol.files import AccessRights
from card_bridge.protocol.secure_messaging import CommMode
from card_bridge.protocol.status import (
    AuthenticationFailed,
    CardGone,
    CardRefused,
    UnknownOutcome,
)
from card_bridge.virtual import VirtualCard
from card_bridge.virtual.store import CardFileDamaged
from tests.card import cards
from tests.card.cards import BODIES, LOG, PROOF, PURSE, STATES

FULL = CommMode.FULL
PERSONALISED = cards.personalised().snapshot()


def spend(card: VirtualCard, amount: int = 30) -> int:
    session = cards.opened(card, cards.ISSUE)
    session.debit(PURSE, amount, FULL)
    return session.commit_transaction().tmc


def test_a_card_in_a_file_is_the_same_card_after_loading(tmp_path):
    path = tmp_path / "card.json"
    card = cards.personalised(path=path)
    spend(card)
    session = cards.opened(card, cards.OPERATE)
    session.write_record(LOG, b"r" * 24, FULL)
    session.commit_transaction()

    loaded = VirtualCard.load(path)

    assert loaded.snapshot() == card.snapshot()
    assert spend(loaded) == 3
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir()] == ["card.json"]


@given(st.data())
def test_a_damaged_file_is_refused_by_name(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("card") / "card.json"
    cards.personalised(path=path)
    text = path.read_text()
    end = data.draw(st.integers(0, len(text) - 2))
    path.write_text(text[:end])
    with pytest.raises(CardFileDamaged, match=r"card\.json"):
        VirtualCard.load(path)


@pytest.mark.parametrize("change", [{"format": "other"}, {"uid": "00"}, {"uid": 5}])
def test_a_file_of_another_form_is_refused(tmp_path, change):
    path = tmp_path / "card.json"
    cards.personalised(path=path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CardFileDamaged):
        VirtualCard.load(path)


@pytest.mark.parametrize("event", ["reset", "power_off"])
def test_without_power_session_and_transaction_are_gone(event):
    card = VirtualCard(PERSONALISED)
    session = cards.opened(card, cards.ISSUE)
    session.write_data(BODIES, 0, b"gone", FULL)
    getattr(card, event)()
    with pytest.raises(UnknownOutcome):
        session.commit_transaction()
    card.power_on()
    assert card.snapshot() == PERSONALISED
    assert cards.opened(card, cards.ISSUE).read_data(BODIES, 0, 4, FULL) == bytes(4)


def test_what_was_committed_outlives_a_lost_answer(tmp_path):
    path = tmp_path / "card.json"
    card = cards.personalised(path=path)
    session = cards.opened(card, cards.ISSUE)
    session.debit(PURSE, 30, FULL)
    card.tear_after(0, processed=True)
    with pytest.raises(UnknownOutcome) as unknown:
        session.commit_transaction()
    assert isinstance(unknown.value.__cause__, CardGone)

    again = cards.opened(VirtualCard.load(path), cards.ISSUE)
    assert again.get_value(PURSE, FULL) == 470
    assert again.read_transaction_mac(PROOF, CommMode.MAC).tmc == 1


def test_an_image_put_back_shows_its_old_counter():
    card = VirtualCard(PERSONALISED)
    spend(card)
    image = card.snapshot()
    spend(card)
    card.restore(image)

    session = cards.opened(card, cards.ISSUE)
    assert session.read_transaction_mac(PROOF, CommMode.MAC).tmc == 1
    assert session.get_value(PURSE, FULL) == 470


def test_a_copy_has_the_contents_and_neither_uid_nor_keys():
    original, copy = VirtualCard(PERSONALISED), cards.personalised(cards.OTHER_UID)
    other_key = b"another card's k"
    maker = cards.opened(copy, cards.MASTER)
    maker.change_key(cards.ISSUE, new=other_key, old=cards.KEYS[cards.ISSUE], version=1)
    spend(original)
    copy.copy_contents_from(original)

    reader = cards.picc(copy)
    assert reader.get_reader_uid() == cards.OTHER_UID
    with pytest.raises(AuthenticationFailed):
        cards.opened(copy, cards.ISSUE)
    reader.select_application(cards.AID)
    reader.authenticate(cards.ISSUE, cards.key(other_key))
    assert reader.get_card_uid() == cards.OTHER_UID
    assert reader.get_value(PURSE, FULL) == 470
    assert reader.read_transaction_mac(PROOF, CommMode.MAC).tmc == 1


def test_a_copy_on_a_blank_card_has_keys_of_zeros():
    blank = VirtualCard.blank(cards.OTHER_UID)
    blank.copy_contents_from(VirtualCard(PERSONALISED))
    with pytest.raises(AuthenticationFailed):
        cards.opened(blank, cards.ISSUE)
    reader = cards.picc(blank)
    reader.select_application(cards.AID)
    reader.authenticate(cards.ISSUE, cards.key(cards.ZEROS))
    assert reader.get_value(PURSE, FULL) == 500


def test_the_log_keeps_the_newest_records_and_reads_the_oldest_first():
    card = VirtualCard(PERSONALISED)
    session = cards.opened(card, cards.OPERATE)
    for number in range(5):
        session.write_record(LOG, bytes([number]) * 24, FULL)
        session.commit_transaction()
    records = session.read_records(LOG, 0, 3, 24, FULL)
    assert [record[0] for record in records] == [2, 3, 4]
    assert session.read_records(LOG, 0, 1, 24, FULL) == (b"\x04" * 24,)
    with pytest.raises(CardRefused):
        session.read_records(LOG, 3, 1, 24, FULL)


def test_a_limited_credit_gives_back_once_what_the_last_debit_took():
    card = VirtualCard(PERSONALISED)
    spend(card, 30)
    session = cards.opened(card, cards.ISSUE)
    session.limited_credit(PURSE, 20, FULL)
    session.commit_transaction()
    assert session.get_value(PURSE, FULL) == 490
    with pytest.raises(CardRefused):
        session.limited_credit(PURSE, 1, FULL)


def test_a_standard_file_changes_at_once_and_an_abort_drops_the_rest():
    card = VirtualCard(PERSONALISED)
    session = cards.opened(card, cards.OPERATE)
    session.write_data(STATES, 0, b"now", FULL)
    session.write_record(LOG, b"never" * 4, FULL)
    session.abort_transaction()
    assert session.operations == ()
    assert session.read_data(STATES, 0, 3, FULL) == b"now"
    with pytest.raises(CardRefused):
        session.read_records(LOG, 0, 1, 24, FULL)


def test_reads_move_the_counter_too():
    session = cards.opened(VirtualCard(PERSONALISED), cards.ISSUE)
    session.get_value(PURSE, FULL)
    assert session.commit_transaction().tmc == 1


def test_one_transaction_may_go_on_under_another_key():
    card = VirtualCard(PERSONALISED)
    session = cards.opened(card, cards.OPERATE)
    session.write_record(LOG, b"x" * 24, FULL)
    with pytest.raises(ValueError, match="commit or abort"):
        session.authenticate(cards.ISSUE, cards.key(cards.KEYS[cards.ISSUE]))
    session.authenticate_non_first(cards.ISSUE, cards.key(cards.KEYS[cards.ISSUE]))
    session.write_data(BODIES, 0, b"y", FULL)
    operations = len(session.operations)
    session.commit_transaction()
    assert operations == 2
    assert session.read_data(BODIES, 0, 1, FULL) == b"y"


def test_changing_the_key_of_the_session_ends_it():
    card = VirtualCard(PERSONALISED)
    session = cards.opened(card, cards.MASTER)
    session.change_own_key(cards.MASTER, new=b"n" * 16, version=9)
    assert not session.authenticated
    assert session.get_key_version(cards.MASTER) == 9
    with pytest.raises(AuthenticationFailed):
        cards.opened(card, cards.MASTER)


def test_memory_is_given_out_in_blocks_and_twice_for_backup_files():
    card = VirtualCard.blank()
    maker = cards.picc(card)
    before = maker.free_memory()
    maker.create_application(cards.AID, keys=1)
    maker.select_application(cards.AID)
    created = maker.free_memory()
    maker.create_std_data_file(1, comm=FULL, rights=AccessRights(0, 0, 0, 0), size=64)
    single = maker.free_memory()
    maker.create_backup_data_file(
        2, comm=FULL, rights=AccessRights(0, 0, 0, 0), size=64
    )
    assert before == 8192
    assert created < before
    assert created - single == 96
    assert single - maker.free_memory() == 192
    assert maker.get_file_ids() == {1, 2}
