"""An export as long as one likes: the streams of some lively towns, over and over.

A stream that begins under any id may begin again under another, and its states stay as
they are: they do not name it. The others (a purse's id is computed) are left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import BinaryIO
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import StoredEvent

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import FORMAT, ExportedEvent, encode
from ledger.log.merkle import Tree
from ledger.log.note import Signer
from ledger.log.replay import BadHistory, Replay
from tests.log.forging import MAPPER, legitimate

ORIGIN = "bench.example/log"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
VKEY = str(SIGNER.verifier)
AT_ONCE = 500
"""So many streams grow at the same time: one event each, in turn."""


def write(file: BinaryIO, events: int) -> None:
    """Write an export of so many events, signed by `SIGNER`."""
    tree = Tree()
    file.write(encode({"format": FORMAT, "origin": ORIGIN}).encode())
    for stream_id, said in itertools.islice(_interleaved(), events):
        event = ExportedEvent(
            index=tree.size,
            position=tree.size + 1,
            originator_id=stream_id,
            version=said.originator_version,
            topic=said.topic,
            state=said.state,
        )
        hashed = event.leaf_hash()
        tree.append(hashed)
        file.write(event.line(hashed).encode())
    text = Checkpoint(ORIGIN, tree.size, tree.root()).text()
    file.write(encode({"checkpoint": SIGNER.sign(text)}).encode())


def _interleaved() -> Iterator[tuple[UUID, StoredEvent]]:
    chance = Random(1)
    templates = itertools.cycle(_templates())
    while True:
        growing = [
            (UUID(int=chance.getrandbits(128), version=4), next(templates))
            for _ in range(AT_ONCE)
        ]
        for version in itertools.count():
            still = [(its, told) for its, told in growing if version < len(told)]
            if not still:
                break
            yield from ((its, told[version]) for its, told in still)


def _templates() -> Sequence[Sequence[StoredEvent]]:
    told = [[MAPPER.to_stored_event(e) for e in stream] for stream in legitimate()]
    return [stream for stream in told if _begins_under_any_id(stream)]


def _begins_under_any_id(stream: Sequence[StoredEvent]) -> bool:
    replay = Replay()
    try:
        for said in stream:
            replay.apply(
                ExportedEvent(
                    index=0,
                    position=1,
                    originator_id=UUID(int=1, version=4),
                    version=said.originator_version,
                    topic=said.topic,
                    state=said.state,
                )
            )
    except BadHistory:
        return False
    return True
