"""What is intended is on disk, whole, before the card hears of it.

Planted and caught: a journal that writes in place; one that does not flush; a damaged
file taken for none.
"""

import json
import os
import stat
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from card_bridge.journal import Entry, Journal, JournalDamaged, Redemption
from card_bridge.protocol.transaction_mac import WRITE_DATA, Operation

UID = bytes.fromhex("04112233445566")
INTENDED = Entry(UID, UUID(int=1), b"S" * 32)
operations = st.builds(
    Operation,
    st.just(WRITE_DATA),
    st.integers(0, 31),
    st.integers(0, 1 << 20),
    st.integers(0, 64),
    st.binary(max_size=64),
)
noted = st.builds(
    Entry,
    st.just(UID),
    st.uuids(),
    st.binary(min_size=32, max_size=32),
    st.none() | st.lists(operations, max_size=8).map(tuple),
    st.none() | st.builds(Redemption, st.uuids(), st.uuids(), st.text(), st.text()),
)


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal")


@given(noted)
def test_an_entry_is_there_for_the_next_program(tmp_path_factory, entry):
    folder = tmp_path_factory.mktemp("journal")
    Journal(folder).note(entry)
    assert Journal(folder).unsettled(UID) == entry


def test_a_card_never_written_has_nothing_unsettled(journal):
    assert journal.unsettled(UID) is None
    journal.settle(UID)
    assert journal.unsettled(UID) is None


def test_each_card_has_its_own_entry_and_the_newest_stands(journal, tmp_path):
    other = Entry(bytes(7), UUID(int=2), b"O" * 32)
    newer = Entry(UID, UUID(int=3), b"N" * 32)
    for entry in (INTENDED, other, newer):
        journal.note(entry)
    assert (journal.unsettled(UID), journal.unsettled(bytes(7))) == (newer, other)
    journal.settle(UID)
    assert journal.unsettled(UID) is None
    assert journal.unsettled(bytes(7)) == other


def test_nobody_else_may_read_it(journal, tmp_path):
    journal.note(INTENDED)
    folder = tmp_path / "journal"
    for path in (folder, *folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_a_crash_before_the_rename_leaves_the_former_entry(
    journal, tmp_path, monkeypatch
):
    journal.note(INTENDED)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", crash)
    with pytest.raises(KeyboardInterrupt):
        journal.note(Entry(UID, UUID(int=2), b"N" * 32))
    monkeypatch.undo()
    assert Journal(tmp_path / "journal").unsettled(UID) == INTENDED


def test_bytes_and_name_are_flushed_in_that_order(journal, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def flushed(handle):
        kind = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append(kind)
        fsync(handle)

    def renamed(path, target):
        done.append("rename")
        replace(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr("pathlib.Path.replace", renamed)
    journal.note(INTENDED)
    assert done == ["file", "rename", "folder"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "null",
        '{"uid": 5, "write_id": "x", "stamp": "", "operations": null}',
        json.dumps(
            {
                "uid": UID.hex(),
                "write_id": str(UUID(int=1)),
                "stamp": "00",
                "operations": [[1, 2]],
            }
        ),
        json.dumps(
            {
                "uid": UID.hex(),
                "write_id": str(UUID(int=1)),
                "stamp": "00",
                "operations": [[0xFF, 2, 0, 0, ""]],
            }
        ),
        json.dumps(
            {"uid": UID.hex(), "write_id": 5, "stamp": "00", "operations": None}
        ),
        json.dumps(
            {
                "uid": UID.hex(),
                "write_id": str(UUID(int=1)),
                "stamp": "00",
                "operations": None,
                "redemption": {"receipt": "R1"},
            }
        ),
        "\udcff\udcfe",
    ],
)
def test_a_damaged_file_is_named_in_words_and_not_taken_for_none(
    journal, tmp_path, text
):
    path = tmp_path / "journal" / f"{UID.hex()}.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(JournalDamaged, match=path.name) as refused:
        journal.unsettled(UID)
    assert refused.value.code == "in_doubt"
