"""A state is written whole or not at all, wherever the writer stops.

Every call of the system that a write makes is once the last one: the program dies
there, the medium is pulled out there, or the power goes there, and the file system
keeps all of what was not flushed, nothing, or torn parts of it.

Planted and caught: the newer file replaced instead of the older; no flush of the folder
after the rename; no flush of the draft; a rename that is trusted before it was flushed
by whoever reads; a sum that is not compared.
"""

import errno
import threading

import pytest

from card_bridge.folder.image import IMAGE_LENGTH
from card_bridge.folder.prepare import prepare
from card_bridge.folder.refusals import (
    FolderBusy,
    FolderFault,
    FolderFull,
    FolderGone,
    FolderReadOnly,
    NoPurse,
    NotPrepared,
)
from card_bridge.folder.store import DRAFT, FILES
from card_bridge.protocol.ev2_auth import LocalKey
from card_bridge.protocol.status import CardError, UnknownOutcome
from ledger.vocabulary.medium_record import MalformedRecord
from tests.card.folder.volumes import (
    CALLS_MAX,
    CUTS,
    Dead,
    Volume,
    as_flushed,
    prepared,
    pulled_out,
    showing,
    write,
)

every_cut = pytest.mark.parametrize("cut", CUTS, ids=[cut.__name__ for cut in CUTS])
WRITES = 5  # 2528 bytes in sectors of 512.


def commits(volume, seq):
    """Write the next state; say whether it was done to the end."""
    with volume.laid() as medium:
        medium.find()
        write(medium, seq)
        medium.commit()


@every_cut
@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_write_stopped_at_any_call_leaves_the_old_state_or_the_new(
    tmp_path, cut, before
):
    volume = prepared(tmp_path / "card")
    for seq in range(1, before):
        commits(volume, seq)
    old, whole = showing(volume), volume.contents()
    calls = set()
    for number in range(CALLS_MAX):
        volume.put(whole)
        volume.fails_at(number)
        try:
            commits(volume, before)
        except Dead:
            calls.update(volume.calls)
            volume.cut(cut)
            stamp, slots = showing(volume)
            if (stamp, slots) != old:
                assert stamp.seq == before
                assert slots[:1] == b"\x01"
            # Whatever is left there, the same write is done now.
            if stamp.seq < before:
                commits(volume, before)
            assert showing(volume)[0].seq == before
            continue
        break
    volume.cut(cut)  # After the commit nothing is lost in any cut.
    assert showing(volume)[0].seq == before
    target = FILES[before % 2]
    assert {
        f"unlink {DRAFT}",
        f"create {DRAFT}",
        f"write {DRAFT}",
        f"fsync {DRAFT}",
        f"rename {target}",
    } <= calls
    assert number > 7 + WRITES


@every_cut
def test_a_folder_stopped_at_any_call_of_its_making_is_made_by_doing_it_again(
    tmp_path, cut
):
    def ready(volume):
        with volume.laid() as medium:
            assert prepare(medium, key_version_of=lambda _uid: 7) == 7
            return medium.uid

    for number in range(CALLS_MAX):
        volume = Volume(tmp_path / f"card-{number}")
        volume.root.mkdir()
        volume.fails_at(number)
        try:
            ready(volume)
        except Dead:
            volume.cut(cut)
            uid = ready(volume)
            whole = volume.contents()
            assert ready(volume) == uid
            assert volume.contents() == whole
            continue
        break
    assert number > WRITES


def test_what_a_reader_has_told_is_not_taken_back_by_a_power_cut(tmp_path):
    """A program dies between rename and flush, another reads, then the power goes."""
    volume = prepared(tmp_path / "card")
    volume.fails_at(3, only="fsync")  # Read: file, folder; draft; and the folder.
    with pytest.raises(Dead):
        commits(volume, 1)
    assert volume.calls[-1] == "rename state.b"
    assert showing(volume)[0].seq == 1
    volume.cut(as_flushed)
    assert showing(volume)[0].seq == 1


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, FolderFull, "no room"),
        (errno.EROFS, FolderReadOnly, "write protection"),
        (errno.EACCES, FolderReadOnly, "cannot be written"),
        (errno.EIO, FolderGone, "pulled out"),
        (errno.EMFILE, FolderFault, "too many open files"),
    ],
)
def test_what_the_system_refuses_is_said_in_words_and_changes_nothing(
    tmp_path, number, kind, says
):
    volume = prepared(tmp_path / "card")
    commits(volume, 1)
    was = {name: volume.contents()[name] for name in FILES}
    for call in ("unlink", "create", "write"):
        for position in range(WRITES if call == "write" else 1):
            volume.fails_at(
                position, lambda: OSError(number, "Too many open files"), only=call
            )
            with pytest.raises(kind, match=says):
                commits(volume, 2)
            assert {name: volume.contents()[name] for name in FILES} == was


@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_commit_without_an_answer_is_an_unknown_outcome(tmp_path, call):
    volume = prepared(tmp_path / "card")
    with volume.laid() as medium:
        medium.find()
        write(medium, 1)
        volume.fails_at(0, pulled_out, only=call)
        with pytest.raises(UnknownOutcome):
            medium.commit()
    assert showing(volume)[0].seq == (0 if call == "rename" else 1)


def test_nothing_is_committed_without_its_stamp(tmp_path):
    volume = prepared(tmp_path / "card")
    volume.fails_at(WRITES + 3)
    with pytest.raises(Dead):
        commits(volume, 1)  # It leaves a draft behind.
    with volume.laid() as medium:
        medium.find()
        medium.write_entry(0, bytes(16))
        with pytest.raises(ValueError, match="no stamp"):
            medium.commit()
        write(medium, 1)
        medium.write_entry(1, bytes(16))
        with pytest.raises(ValueError, match="no stamp"):
            medium.commit()
    assert showing(volume)[0].seq == 0


def test_what_was_written_and_not_committed_is_gone_when_it_is_opened_anew(tmp_path):
    volume = prepared(tmp_path / "card")
    with volume.laid() as medium:
        medium.find()
        write(medium, 1)
        assert len(medium.operations) == 2
        medium.open(2, LocalKey(bytes(16), bytes(16)))
        assert not list(medium.operations)
        assert medium.read().stamped().seq == 0


def test_a_stamp_that_is_not_of_these_slots_is_not_written(tmp_path):
    volume = prepared(tmp_path / "card")
    with volume.laid() as medium:
        medium.find()
        write(medium, 1)
        stamp = medium.read().stamp
        medium.write_entry(3, b"\x01" + bytes(15))
        with pytest.raises(MalformedRecord, match="not those of the stamp"):
            medium.write_stamp(stamp)


def test_two_programs_do_not_have_it_at_once(tmp_path):
    volume = prepared(tmp_path / "card")
    seen = []

    def other():
        try:
            showing(volume)
        except CardError as refused:
            seen.append(refused)

    with volume.laid():
        running = threading.Thread(target=other)
        running.start()
        running.join()
    assert [type(each) for each in seen] == [FolderBusy]
    showing(volume)


def test_a_missing_folder_and_one_that_is_no_medium_are_said(tmp_path):
    with pytest.raises(FolderGone, match="not there"):
        showing(Volume(tmp_path / "nowhere"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FolderGone):
        showing(Volume(tmp_path / "file"))
    with pytest.raises(NotPrepared, match="the centre makes it one"):
        showing(Volume(tmp_path))


def test_it_has_no_purse(tmp_path):
    volume = prepared(tmp_path / "card")
    with volume.laid() as medium:
        medium.find()
        for asked in (
            medium.get_value,
            lambda: medium.debit(100),
            lambda: medium.credit(100),
        ):
            with pytest.raises(NoPurse, match="no purse"):
                asked()
    assert showing(volume)[0].seq == 0


def test_a_state_takes_what_the_document_says():
    assert IMAGE_LENGTH == 2528
