"""Whatever stands in a folder, it is read as a state, or refused in a sentence.

Planted and caught: links that are followed; a file read to its end however long; a
pipe that is opened and waited for; the digest of the slots that is not compared.
"""

import hashlib
import os
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from card_bridge.folder.image import IMAGE_LENGTH, Image
from card_bridge.folder.prepare import prepare
from card_bridge.folder.refusals import FolderFault, ForeignFolder, NotPrepared
from card_bridge.folder.store import FILES, FOLDER, NothingWhole
from card_bridge.profile.card import UidMismatch
from card_bridge.profile.records import Body
from card_bridge.protocol.status import CardError
from ledger.vocabulary.medium_record import MalformedRecord, Stamp
from tests.card.folder.volumes import (
    UUID_B,
    Volume,
    newest,
    prepared,
    showing,
    write,
)

OVERSIZED = 1 << 22
BODIES_AT = 192


def with_sum(raw: bytes) -> bytes:
    """Give a state the sum that fits, as everybody can."""
    return raw[:-32] + hashlib.sha256(raw[:-32]).digest()


@pytest.fixture
def volume(tmp_path):
    return prepared(tmp_path / "card")


def states(volume: Volume) -> list[Path]:
    return [volume.root / FOLDER / name for name in FILES]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "state.b"])
def test_a_link_is_not_followed(volume, tmp_path, target):
    first, _ = states(volume)
    outside = tmp_path / "outside"
    outside.write_bytes(first.read_bytes())
    first.unlink()
    first.symlink_to(target)
    with pytest.raises(MalformedRecord, match="none of ours"):
        showing(volume)


def test_a_folder_that_is_a_link_is_not_followed(volume, tmp_path):
    (volume.root / FOLDER).rename(tmp_path / "elsewhere")
    (volume.root / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MalformedRecord, match="none of ours"):
        showing(volume)


def test_a_pipe_a_folder_and_an_endless_file_are_not_read(volume):
    first, _ = states(volume)
    whole = first.read_bytes()
    first.unlink()
    os.mkfifo(first)
    with pytest.raises(MalformedRecord, match="no plain file"):
        showing(volume)
    first.unlink()
    first.mkdir()
    with pytest.raises(MalformedRecord, match="no plain file"):
        showing(volume)
    first.rmdir()
    first.write_bytes(whole)
    os.truncate(first, OVERSIZED)
    with pytest.raises(MalformedRecord, match="too long"):
        showing(volume)


def test_a_draft_that_cannot_be_replaced_stops_the_write_alone(volume):
    (volume.root / FOLDER / "state.new").mkdir()
    with volume.laid() as medium:
        medium.find()
        with pytest.raises(FolderFault):
            write(medium, 1)
    assert showing(volume)[0].seq == 0


def test_a_link_in_the_place_of_the_draft_is_replaced_and_not_written_through(
    volume, tmp_path
):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (volume.root / FOLDER / "state.new").symlink_to(victim)
    with volume.laid() as medium:
        medium.find()
        write(medium, 1)
        medium.commit()
    assert victim.read_bytes() == b"mine"
    assert showing(volume)[0].seq == 1


def test_two_states_with_one_number_are_refused(volume):
    first, second = states(volume)
    image = Image.decode(first.read_bytes())
    second.write_bytes(image.with_body(0, Body(UUID(int=7), b"other")).encode())
    with pytest.raises(MalformedRecord, match="one number"):
        showing(volume)
    second.write_bytes(first.read_bytes())
    showing(volume)


def test_every_bit_of_a_state_is_under_its_sum(volume):
    first, _ = states(volume)
    raw = first.read_bytes()
    for place in range(IMAGE_LENGTH):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        with pytest.raises(MalformedRecord):
            Image.decode(bytes(changed))
    for length in (0, 1, IMAGE_LENGTH - 1):
        with pytest.raises(MalformedRecord):
            Image.decode(raw[:length])


def test_slots_that_are_not_those_of_the_stamp_are_refused_with_a_right_sum(volume):
    first, _ = states(volume)
    raw = bytearray(first.read_bytes())
    raw[64] = 1
    first.write_bytes(with_sum(bytes(raw)))
    with pytest.raises(NothingWhole):
        showing(volume)


def test_a_body_that_is_longer_than_its_place_is_refused(volume):
    first, _ = states(volume)
    raw = bytearray(first.read_bytes())
    raw[BODIES_AT : BODIES_AT + 2] = b"\xff\xff"
    first.write_bytes(with_sum(bytes(raw)))
    with volume.laid() as medium:
        medium.find()
        with pytest.raises(MalformedRecord, match="no sealed ticket"):
            medium.read_body(0)
        for slot in (-1, 8):
            with pytest.raises(MalformedRecord, match="no slot"):
                medium.read_body(slot)
            with pytest.raises(MalformedRecord, match="no slot"):
                medium.write_entry(slot, bytes(16))


def test_a_copy_on_another_volume_says_that_it_is_one(volume, tmp_path):
    copy = volume.copied(tmp_path / "copy", name=UUID_B)
    with copy.laid() as medium:
        assert medium.find() != Stamp.decode(newest(volume).stamp).uid
        with pytest.raises(ForeignFolder, match="it is a copy") as refused:
            medium.confirm_uid()
        # Nor does the desk make it another medium in silence.
        with pytest.raises(ForeignFolder):
            prepare(medium, key_version_of=lambda _uid: 1)
    assert refused.value.code == "clone"
    assert isinstance(refused.value, UidMismatch)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    first=st.none() | st.binary(max_size=64) | st.just(b"ETLMEDIA\x01"),
    patch=st.lists(
        st.tuples(st.integers(0, IMAGE_LENGTH - 33), st.binary(max_size=48)),
        max_size=3,
    ),
    cut=st.integers(0, IMAGE_LENGTH + 8),
    summed=st.booleans(),
)
@example(first=None, patch=[], cut=IMAGE_LENGTH, summed=False)
def test_anything_in_a_folder_is_read_or_refused(volume, first, patch, cut, summed):
    a, b = states(volume)
    whole = prepared_bytes(volume)
    raw = bytearray(whole)
    for at, part in patch:
        raw[at : at + len(part)] = part
    changed = bytes(raw[:IMAGE_LENGTH])
    b.write_bytes((with_sum(changed) if summed else changed)[:cut])
    a.unlink(missing_ok=True)
    if first is not None:
        a.write_bytes(first)
    try:
        with volume.laid() as medium:
            medium.find()
            medium.confirm_uid()
            medium.read().entries()
            for slot in range(8):
                try:
                    medium.read_body(slot)
                except MalformedRecord:
                    continue
    except (CardError, MalformedRecord):
        pass  # Refused, as it should be.
    finally:
        b.unlink()
        a.write_bytes(whole)


def prepared_bytes(volume: Volume) -> bytes:
    return states(volume)[0].read_bytes()


def test_an_empty_folder_of_ours_is_no_medium_yet(volume):
    for path in states(volume):
        path.unlink(missing_ok=True)
    with pytest.raises(NotPrepared):
        showing(volume)
