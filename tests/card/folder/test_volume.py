"""A volume is known by what it keeps in every reader, or it is no medium.

Planted and caught: the first link taken instead of the device's own; a serial number of
zeros taken for an id; two partitions of a device with one id.
"""

import os
from pathlib import Path

import pytest

from card_bridge.folder.image import uid_of
from card_bridge.folder.medium import laid
from card_bridge.folder.refusals import NoIdentity
from card_bridge.folder.volume import RECORD_MAX, Nameless, Volumes
from tests.card.folder.volumes import NONCE, UUID_A, UUID_B

DEVICE = os.makedev(8, 17)


@pytest.fixture
def machine(tmp_path):
    """What udev has written, in a folder: records, and links."""
    (tmp_path / "udev").mkdir()
    (tmp_path / "by-uuid").mkdir()
    return tmp_path


def volumes(machine):
    return Volumes(by_uuid=machine / "by-uuid", udev=machine / "udev")


def record(machine, *lines, device="8:17"):
    path = machine / "udev" / f"b{device}"
    path.write_text("".join(f"{line}\n" for line in lines))


def test_the_uuid_of_the_file_system_is_the_id(machine):
    record(machine, "N:sdb1", "E:ID_SERIAL=Generic_0001", "E:ID_FS_UUID=1A2B-3C4D")
    assert volumes(machine)(DEVICE) == "uuid:1a2b-3c4d"


def test_a_link_by_uuid_serves_without_a_record(machine):
    null = Path("/dev/null").stat().st_rdev
    (machine / "by-uuid" / "0AAA-0000").symlink_to("/dev/zero")
    (machine / "by-uuid" / "0AAA-0001").symlink_to("/dev/nothing-here")
    (machine / "by-uuid" / "1B2C-3D4E").symlink_to("/dev/null")
    assert volumes(machine)(null) == "uuid:1b2c-3d4e"


def test_without_a_uuid_it_is_the_devices_serial_number_and_partition(machine):
    record(machine, "E:ID_SERIAL=Maker_Stick_0123AB", "E:ID_PART_ENTRY_NUMBER=1")
    record(
        machine,
        "E:ID_SERIAL=Maker_Stick_0123AB",
        "E:ID_PART_ENTRY_NUMBER=2",
        device="8:18",
    )
    first = volumes(machine)(DEVICE)
    assert first == "serial:Maker_Stick_0123AB:1"
    assert volumes(machine)(os.makedev(8, 18)) != first


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("E:ID_FS_UUID=",),
        ("E:ID_FS_UUID=0000-0000",),
        ("E:ID_FS_UUID=1A2B 3C4D", "E:ID_SERIAL=a b"),
        ("E:ID_FS_UUID=" + "9" * 200,),
        ("E:ID_SERIAL=000000000000",),
        ("ID_FS_UUID=1A2B-3C4D",),
        ("X" * RECORD_MAX, "E:ID_FS_UUID=1A2B-3C4D"),
    ],
)
def test_what_tells_nothing_apart_is_no_id(machine, lines):
    record(machine, *lines)
    with pytest.raises(Nameless, match="no UUID"):
        volumes(machine)(DEVICE)


def test_what_has_no_device_is_refused_in_words(machine):
    with pytest.raises(Nameless, match="no device of its own"):
        volumes(machine)(os.makedev(0, 45))

    def nameless(_device):
        raise Nameless("it has no device of its own")

    with (
        pytest.raises(NoIdentity, match="file system of its own") as refused,
        laid(machine, identify=nameless),
    ):
        raise AssertionError("it was taken for a medium")
    assert refused.value.code == "medium-without-identity"
    assert "it has no device of its own" in str(refused.value)


def test_a_uid_is_the_volumes_and_the_nonces_and_no_cards():
    uid = uid_of(UUID_A, NONCE)
    assert len(uid) == 7
    assert uid[0] == 0  # A card's first byte is its maker, and no maker has 0.
    assert uid == uid_of(UUID_A, NONCE)
    assert len({uid, uid_of(UUID_B, NONCE), uid_of(UUID_A, bytes(16))}) == 3
    assert uid.hex() == "00a2e0d4b7ed1f"
