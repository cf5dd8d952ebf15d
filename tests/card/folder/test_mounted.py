"""On a file system of its own: ext4 and FAT, in an image that is mounted.

Planted and caught: no flush of the draft, or of the folder; a state reported before it
was flushed.
"""

import os
from dataclasses import dataclass, field

import pytest

from card_bridge.folder.medium import laid
from card_bridge.folder.prepare import prepare
from card_bridge.folder.refusals import FolderFull, FolderReadOnly
from card_bridge.folder.volume import Volumes
from tests.card.folder.mounts import MAKERS, UUID, Mounted, a_volume
from tests.card.folder.volumes import NONCE, Volume, showing, write


@pytest.fixture(params=list(MAKERS))
def mounted(request, tmp_path):
    with a_volume(tmp_path, request.param) as mounted:
        with mounted.volume().laid() as medium:
            prepare(medium, key_version_of=lambda _uid: 1, nonce=NONCE)
        yield mounted


def commit(volume: Volume, seq: int) -> None:
    with volume.laid() as medium:
        medium.find()
        write(medium, seq)
        medium.commit()


@dataclass(slots=True)
class Photographed(Volume):
    """Before each call of the system what is on the medium is kept."""

    mounted: Mounted | None = None
    kept: list[str] = field(default_factory=list)

    def before(self, call: str, file: str) -> None:
        assert self.mounted is not None
        self.mounted.keep(self.mounted.image.parent / f"kept-{len(self.kept)}")
        self.kept.append(f"{call} {file}")


def test_a_medium_pulled_out_at_any_call_is_old_or_new(mounted):
    commit(mounted.volume(), 1)
    seen = Photographed(mounted.root, f"uuid:{UUID}", mounted=mounted)
    commit(seen, 2)
    seen.before("done", "")
    found = []
    for number in range(len(seen.kept)):
        image = mounted.image.parent / f"kept-{number}"
        with mounted.inserted(image) as again:
            found.append(showing(again.volume())[0].seq)
            commit(again.volume(), found[-1] + 1)
    assert found == sorted(found)
    assert (found[0], found[-1]) == (1, 2)
    assert len(found) > 10


def test_a_full_medium_keeps_its_state_and_says_so(mounted):
    commit(mounted.volume(), 1)
    with mounted.filled() as volume, pytest.raises(FolderFull, match="no room"):
        commit(volume, 2)
    commit(mounted.volume(), 2)
    assert showing(mounted.volume())[0].seq == 2


def test_a_write_protected_medium_is_read_and_not_written(mounted):
    commit(mounted.volume(), 1)
    mounted.protect()
    assert showing(mounted.volume())[0].seq == 1
    with pytest.raises(FolderReadOnly, match="write protection"):
        commit(mounted.volume(), 2)
    assert showing(mounted.volume())[0].seq == 1


def test_a_mounted_volume_is_known_by_its_device(mounted, tmp_path):
    device = mounted.root.stat().st_dev
    udev = tmp_path / "udev"
    udev.mkdir()
    record = udev / f"b{os.major(device)}:{os.minor(device)}"
    record.write_text(f"E:ID_FS_UUID={UUID}\n")
    known = Volumes(by_uuid=tmp_path / "none", udev=udev)
    with laid(mounted.root, identify=known) as medium:
        assert medium.volume == f"uuid:{UUID}"
        assert medium.find() == medium.read().stamped().uid
