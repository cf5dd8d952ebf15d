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
from json.encoder import encode_basestring as _quoted
from threading import Lock
from typing import Any
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Notification

from ledger.errors import Conflict
from ledger.log.checkpoint import Checkpoint
from ledger.log.leaf import leaf
from ledger.log.merkle import Tree, leaf_hash
from ledger.log.note import Signer
from ledger.log.proof_store import Published

FORMAT = "eticket-ledger/export/1"
BATCH_MAX = 1_000


class NotAsSigned(Conflict):
    code = "counterfeit"
    says = (
        "The first {size} events of the stored log are not those that its checkpoint"
        " signs: somebody has changed the database. Keep it as it is, and run"
        " `ledgerctl doctor --deep`."
    )


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
        """Return the line; put together by hand, for there may be millions."""
        name, state = _state(self.state)
        return (
            f'{{"index":{self.index},"position":{self.position},'
            f'"originator_id":"{self.originator_id}","version":{self.version},'
            f'"topic":{_quoted(self.topic)},"{name}":{_quoted(state)},'
            f'"leaf":"{leaf_hash.hex()}"}}\n'
        )


def export(recorder: ApplicationRecorder, signer: Signer, origin: str) -> Iterator[str]:
    """Yield the lines of the log as it is now, in constant memory, and sign it.

    The signer's name is the origin, too.
    """
    tree = Tree()
    yield encode({"format": FORMAT, "origin": origin})
    yield from _event_lines(recorder, recorder.max_notification_id() or 0, tree)
    checkpoint = Checkpoint(origin, tree.size, tree.root())
    yield encode({"checkpoint": signer.sign(checkpoint.text())})


def export_published(
    recorder: ApplicationRecorder, published: Published
) -> Iterator[str]:
    """Yield the lines of the log up to a checkpoint, and that, in constant memory.

    Raises `NotAsSigned` instead of the last line.
    """
    tree, signed = Tree(), published.checkpoint
    yield encode({"format": FORMAT, "origin": signed.origin})
    yield from _event_lines(recorder, signed.size, tree)
    if (tree.size, tree.root()) != (signed.size, signed.root):
        raise NotAsSigned(size=signed.size)
    yield encode({"checkpoint": published.note})


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


def _event_lines(recorder: ApplicationRecorder, size: int, tree: Tree) -> Iterator[str]:
    for found in _events(recorder, 0, size):
        event = _exported(tree.size, found)
        hashed = event.leaf_hash()
        tree.append(hashed)
        yield event.line(hashed)


def _state(state: bytes) -> tuple[str, str]:
    try:
        return "state", state.decode()
    except UnicodeDecodeError:
        return "state_base64", base64.b64encode(state).decode()
