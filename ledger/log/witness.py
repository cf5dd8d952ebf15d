"""The witness's part: cosign a checkpoint that grew out of the last one, refuse others.

C2SP tlog-witness, `add-checkpoint`. It remembers one checkpoint for each log, the
longest it has cosigned, and so no log can show two histories to people who ask for its
cosignature. Both ends of the protocol's text are here; the HTTP is elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Protocol, Self

from ledger.log.checkpoint import Checkpoint
from ledger.log.cosignature import Cosigner
from ledger.log.merkle import EMPTY_ROOT, HASH_LENGTH, BadProof, check_consistency
from ledger.log.note import BadNote, Note, Verifier, from_base64, open_note, to_base64

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
REQUEST_MAX = 64 * 1024
PROOF_LINES_MAX = 63

OK = 200
BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 400, 403, 404, 409, 422

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Submission:
    """What a log sends: a checkpoint and the proof that it continues an older one."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    def encode(self) -> bytes:
        lines = [f"old {self.old_size}", *map(to_base64, self.proof), "", self.note]
        return "\n".join(lines).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Take a request's body apart. Raises `BadNote`."""
        try:
            head, gap, note = raw.decode().partition("\n\n")
        except UnicodeDecodeError:
            raise BadNote("the request is not UTF-8") from None
        old, *lines = head.split("\n")
        said = _OLD.fullmatch(old)
        if not said or not gap or len(lines) > PROOF_LINES_MAX:
            raise BadNote("a request is an old size, a proof and a checkpoint")
        proof = tuple(map(from_base64, lines))
        if any(len(each) != HASH_LENGTH for each in proof):
            raise BadNote("a hash has 32 bytes")
        return cls(int(said[1]), proof, note)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


class Memory(Protocol):
    """Keeps one note for each origin, through crashes."""

    def recall(self, origin: str) -> str | None: ...

    def keep(self, origin: str, note: str) -> None:
        """Return when the note is on the disk, whole."""


class Witness:
    """Answers for several logs, one request at a time."""

    def __init__(
        self, cosigner: Cosigner, logs: Iterable[Verifier], memory: Memory
    ) -> None:
        """`logs` may have several keys of one origin, as while one is replaced."""
        self._cosigner = cosigner
        self._logs: dict[str, list[Verifier]] = {}
        for verifier in logs:
            self._logs.setdefault(verifier.name, []).append(verifier)
        self._memory = memory
        self._lock = Lock()

    def add_checkpoint(self, raw: bytes, *, at: datetime) -> Answer:
        """Answer a request as C2SP tlog-witness says."""
        try:
            asked = Submission.decode(raw)
            text = Note.parse(asked.note).text
            checkpoint = Checkpoint.parse(text)
        except BadNote as error:
            return Answer(BAD_REQUEST, f"{error}\n")
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            return Answer(NOT_FOUND, "this witness does not know the log\n")
        try:
            open_note(asked.note, keys)
        except BadNote as error:
            return Answer(FORBIDDEN, f"{error}\n")
        if asked.old_size > checkpoint.size:
            return Answer(BAD_REQUEST, "the old size is beyond the checkpoint's\n")
        with self._lock:
            return self._judge(asked, checkpoint, text, at)

    def _judge(
        self, asked: Submission, checkpoint: Checkpoint, text: str, at: datetime
    ) -> Answer:
        last = self._last(checkpoint.origin)
        if asked.old_size != last.size:
            return Answer(CONFLICT, f"{last.size}\n", SIZE_TYPE)
        if checkpoint.size == last.size and checkpoint.root != last.root:
            return Answer(CONFLICT, f"{last.size}\n", SIZE_TYPE)
        if not _continues(last, checkpoint, asked.proof):
            return Answer(UNPROCESSABLE, "the proof does not hold\n")
        self._memory.keep(checkpoint.origin, asked.note)
        return Answer(OK, self._cosigner.line(text, at=at))

    def _last(self, origin: str) -> Checkpoint:
        note = self._memory.recall(origin)
        if note is None:
            return Checkpoint(origin, 0, EMPTY_ROOT)
        return Checkpoint.parse(Note.parse(note).text)


def _continues(last: Checkpoint, now: Checkpoint, proof: Sequence[bytes]) -> bool:
    if last.size == 0:  # Every tree continues the empty one; there is nothing to prove.
        return not proof
    try:
        check_consistency(
            old_size=last.size,
            size=now.size,
            old_root=last.root,
            root=now.root,
            proof=proof,
        )
    except BadProof:
        return False
    return True
