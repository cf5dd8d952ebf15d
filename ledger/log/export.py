"""The whole log as JSON lines, for whoever wants to check it without us.

    {"format": "eticket-ledger/export/1", "origin": …}
    {"index": 0, "position": …, "originator_id": …, "version": 1, "topic": …,
     "state": …, "leaf": <RFC 6962 leaf hash, hex>}
    …
    {"checkpoint": <signed note>}

Every line has one form only (no spaces, these keys in this order), so that no byte can
change unnoticed. A state that is not UTF-8 text stands as "state_base64".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification

from ledger.log.checkpoint import Checkpoint
from ledger.log.leaf import leaf
from ledger.log.merkle import Tree, leaf_hash
from ledger.log.note import Signer

FORMAT = "eticket-ledger/export/1"
BATCH_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ExportedEvent:
    """One event of an export; `index` counts from 0 without a gap."""

    index: int
    position: int
    originator_id: UUID
    version: int
    topic: str
    state: bytes

    def leaf_hash(self) -> bytes:
        return leaf_hash(
            leaf(
                originator_id=self.originator_id,
                version=self.version,
                topic=self.topic,
                state=self.state,
            )
        )

    def line(self, leaf_hash: bytes) -> str:
        return encode(
            {
                "index": self.index,
                "position": self.position,
                "originator_id": str(self.originator_id),
                "version": self.version,
                "topic": self.topic,
                **_state(self.state),
                "leaf": leaf_hash.hex(),
            }
        )


def export(recorder: ApplicationRecorder, signer: Signer, origin: str) -> Iterator[str]:
    """Yield the lines of the log as it is now, in constant memory.

    The signer's name is the origin, too.
    """
    tree = Tree()
    yield encode({"format": FORMAT, "origin": origin})
    for found in _events(recorder, 0, recorder.max_notification_id() or 0):
        event = _exported(tree.size, found)
        hashed = event.leaf_hash()
        tree.append(hashed)
        yield event.line(hashed)
    checkpoint = Checkpoint(origin, tree.size, tree.root())
    yield encode({"checkpoint": signer.sign(checkpoint.text())})


class Head:
    """The log's newest checkpoint. It hashes each event once in a process's life."""

    def __init__(
        self, recorder: ApplicationRecorder, signer: Signer, origin: str
    ) -> None:
        self._recorder = recorder
        self._signer = signer
        self._origin = origin
        self._tree = Tree()
        self._position = 0
        self._lock = Lock()

    def checkpoint(self) -> str:
        """Return a signed note that covers every event recorded before the call."""
        with self._lock:
            stop = self._recorder.max_notification_id() or 0
            for found in _events(self._recorder, self._position, stop):
                self._tree.append(_exported(self._tree.size, found).leaf_hash())
                self._position = found.id
            checkpoint = Checkpoint(self._origin, self._tree.size, self._tree.root())
        return self._signer.sign(checkpoint.text())


def encode(line: dict[str, Any]) -> str:
    """Write one line, with its line feed, in its only form."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def _events(
    recorder: ApplicationRecorder, after: int, stop: int
) -> Iterator[Notification]:
    while found := recorder.select_notifications(
        after, BATCH_MAX, stop, inclusive_of_start=False
    ):
        yield from found
        after = found[-1].id


def _exported(index: int, found: Notification) -> ExportedEvent:
    return ExportedEvent(
        index=index,
        position=found.id,
        originator_id=UUID(str(found.originator_id)),
        version=found.originator_version,
        topic=found.topic,
        state=found.state,
    )


def _state(state: bytes) -> dict[str, str]:
    try:
        return {"state": state.decode()}
    except UnicodeDecodeError:
        return {"state_base64": base64.b64encode(state).decode()}
