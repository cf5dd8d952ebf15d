"""Second reading: every stream is whole, and its events can have happened.

Streams do not depend on each other, so the events are laid into buckets by stream, and
one bucket is replayed after the other: the memory is that of one bucket however long
the log is. A record of a bucket is the number of the event's line and what a replay
needs of the event.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Protocol
from uuid import UUID
from zlib import crc32

from ledger.log.export import ExportedEvent
from ledger.log.replay import BadHistory, Replay

FAN = 256
HELD_BYTES_MAX = 16 * 1024 * 1024
"""So much is held in memory before it is written into the buckets' files."""

BUCKET_BYTES_MAX = 4 * 1024 * 1024
"""A longer bucket is laid into buckets of its own before it is replayed."""

DEPTH_MAX = 4  # Bytes of a CRC-32: streams that share them all stay together.

_HEAD = Struct("<QQII16s")  # line, version, length of topic, of state, stream id


@dataclass(frozen=True, slots=True)
class Found:
    """What a bucket has shown; `line` is its first wrong one, as the file counts."""

    streams: int
    line: int | None = None
    what: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Some of the streams, in a file or, of a small log, in memory."""

    place: Path | bytes
    depth: int

    def open(self) -> BinaryIO:
        if isinstance(self.place, bytes):
            return io.BytesIO(self.place)
        return self.place.open("rb")

    @property
    def is_too_long(self) -> bool:
        """Whether to lay it into buckets of its own; in memory it is there anyway."""
        is_file, is_splittable = (
            isinstance(self.place, Path),
            self.depth + 1 < DEPTH_MAX,
        )
        return is_file and is_splittable and len(self) > BUCKET_BYTES_MAX

    def __len__(self) -> int:
        if isinstance(self.place, bytes):
            return len(self.place)
        return self.place.stat().st_size


class Over(Protocol):
    """How the buckets are gone through: as `map` does, or by several processes."""

    def __call__(
        self, find: Callable[[Bucket], Found], buckets: Sequence[Bucket], /
    ) -> Iterable[Found]: ...


class Buckets:
    """Events laid apart by stream. Without a folder all are held in memory."""

    def __init__(self, folder: Path | None, *, depth: int = 0) -> None:
        self._folder = folder
        self._depth = depth
        self._held = [bytearray() for _ in range(FAN)]
        self._held_bytes = 0
        self._is_spilled = False

    def add(
        self, line: int, stream_id: bytes, version: int, topic: bytes, state: bytes
    ) -> None:
        record = _HEAD.pack(line, version, len(topic), len(state), stream_id)
        number = crc32(stream_id) >> (8 * self._depth) & (FAN - 1)
        self._held[number] += record + topic + state
        self._held_bytes += len(record) + len(topic) + len(state)
        if self._held_bytes > HELD_BYTES_MAX and self._folder is not None:
            self._spill(self._folder)

    def all(self) -> list[Bucket]:
        """Return the buckets that are not empty; nothing is added any more."""
        if self._folder is None or not self._is_spilled:
            held = [bytes(each) for each in self._held if each]
            self._held.clear()
            return [Bucket(each, self._depth) for each in held]
        self._spill(self._folder)
        return [Bucket(each, self._depth) for each in sorted(self._folder.iterdir())]

    def _spill(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for number, held in enumerate(self._held):
            if held:
                with (folder / f"{number:02x}").open("ab") as file:
                    file.write(held)
                held.clear()
        self._held_bytes = 0
        self._is_spilled = True


def first_wrong(bucket: Bucket, *, replay: bool) -> Found:
    """Count the versions of a bucket's streams and, if asked to, replay them."""
    if bucket.is_too_long:
        return _first_wrong_of_parts(bucket, replay=replay)
    versions: dict[int, int] = {}  # By the integer of an id, which hashes fast.
    replaying = Replay() if replay else None
    for line, event in _records(bucket):
        stream = event.originator_id.int
        due = versions.get(stream, 0) + 1
        if event.version != due:
            what = f"version {event.version} of the stream where {due} is due"
            return Found(len(versions), line, what)
        versions[stream] = due
        if replaying is not None:
            try:
                replaying.apply(event)
            except BadHistory as error:
                return Found(len(versions), line, str(error))
    return Found(len(versions))


def first_of(found: Iterable[Found]) -> Found:
    """Put what several buckets have shown together."""
    streams, first = 0, Found(0)
    for each in found:
        streams += each.streams
        if each.line is not None and (first.line is None or each.line < first.line):
            first = each
    return Found(streams, first.line, first.what)


def _first_wrong_of_parts(bucket: Bucket, *, replay: bool) -> Found:
    assert isinstance(bucket.place, Path)
    folder = bucket.place.with_name(f"{bucket.place.name}-parts")
    parts = Buckets(folder, depth=bucket.depth + 1)
    for line, event in _records(bucket):
        its_id, topic = event.originator_id.bytes, event.topic.encode()
        parts.add(line, its_id, event.version, topic, event.state)
    bucket.place.unlink()
    return first_of(first_wrong(each, replay=replay) for each in parts.all())


def _records(bucket: Bucket) -> Iterator[tuple[int, ExportedEvent]]:
    with bucket.open() as file:
        while head := file.read(_HEAD.size):
            line, version, topic, state, stream_id = _HEAD.unpack(head)
            yield (
                line,
                ExportedEvent(
                    index=line - 2,
                    position=line - 1,
                    originator_id=UUID(bytes=stream_id),
                    version=version,
                    topic=file.read(topic).decode(),
                    state=file.read(state),
                ),
            )
