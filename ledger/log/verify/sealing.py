"""First reading of an export: every byte of it is what the log's key has signed.

Leaves and tree are computed anew, line by line; of the tree its right edge is kept and
nothing else. What the events say is not looked at here (`streams.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import FORMAT, ExportedEvent, encode
from ledger.log.merkle import EMPTY_ROOT, Tree
from ledger.log.note import BadNote, Note, NoteVerifier, Verifier
from ledger.log.policy import Policy
from ledger.log.verify.lines import Wrong, event_of, parse, text

VERSION_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Older:
    """A checkpoint that somebody kept; its signature was checked already."""

    name: str
    """Where it was kept, as its keeper calls it."""

    checkpoint: Checkpoint


class NotComparable(ValueError):
    """An older checkpoint is of another log; says which."""


class Rewritten(Wrong):
    """The events are not those of an older checkpoint.

    `agreed` is the size of the newest older checkpoint that they still agreed with.
    """

    def __init__(self, what: str, *, agreed: int) -> None:
        super().__init__(what)
        self.agreed = agreed


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint that holds, and who signed it: keys as `<name>+<id>`."""

    checkpoint: Checkpoint
    signed_by: tuple[str, ...]
    cosigned: dict[str, datetime]
    unknown: tuple[str, ...]
    """Signatures by keys that were not given; they were not checked."""


class Sealing:
    """What the lines so far have shown."""

    def __init__(
        self, keys: Sequence[Verifier], policy: Policy, older: Sequence[Older]
    ) -> None:
        self._keys = keys
        self._policy = policy
        self._older = sorted(older, key=lambda each: each.checkpoint.size)
        self._agreed = 0
        self.origin: str | None = None
        self.tree = Tree()
        self.sealed: Sealed | None = None

    def line(self, raw: bytes) -> ExportedEvent | None:
        """Take the next line; return its event. Raises `Wrong`, `NotComparable`."""
        if self.sealed is not None:
            raise Wrong("there is a line after the checkpoint")
        said = parse(raw)
        if self.origin is None:
            self.origin = self._header(said, raw)
        elif "checkpoint" in said:
            self.sealed = self._checkpoint(said, raw)
        else:
            return self._event(said, raw)
        return None

    def end(self) -> None:
        if self.sealed is None:
            raise Wrong("the export ends without a checkpoint")

    def _header(self, said: dict[str, Any], raw: bytes) -> str:
        if said.get("format") != FORMAT:
            raise Wrong(f"it is not the first line of an {FORMAT}")
        origin = text(said, "origin")
        if encode({"format": FORMAT, "origin": origin}).encode() != raw:
            raise Wrong("the line is not in its only form")
        if all(key.name != origin for key in self._keys):
            names = " and ".join(sorted({key.name for key in self._keys})) or "none"
            raise Wrong(f"it is of the log {origin}, the keys are of {names}")
        for older in self._older:
            if older.checkpoint.origin != origin:
                raise NotComparable(
                    f"{older.name} is of the log {older.checkpoint.origin},"
                    f" the export of {origin}"
                )
        self._compare(EMPTY_ROOT)
        return origin

    def _event(self, said: dict[str, Any], raw: bytes) -> ExportedEvent:
        event = event_of(said)
        try:
            hashed = event.leaf_hash()
        except ValueError as error:
            raise Wrong(str(error)) from None
        if said.get("leaf") != hashed.hex():
            raise Wrong("the event does not fit its leaf")
        if event.line(hashed).encode() != raw:
            raise Wrong("the line is not in its only form")
        tree = self.tree
        if event.index != tree.size:
            raise Wrong(
                f"index {event.index} where {tree.size} is due: an event is missing,"
                " doubled or moved"
            )
        if event.position != event.index + 1:
            raise Wrong(f"position {event.position} where {event.index + 1} is due")
        if not 0 < event.version <= VERSION_MAX:
            raise Wrong(f"no stream has a version {event.version}")
        tree.append(hashed)
        if self._older and self._older[0].checkpoint.size == tree.size:
            self._compare(tree.root())
        return event

    def _compare(self, root: bytes) -> None:
        """Hold the tree as it is now against the older checkpoints of its size."""
        size = self.tree.size
        while self._older and self._older[0].checkpoint.size == size:
            older = self._older[0]
            if older.checkpoint.root != root:
                raise Rewritten(
                    f"the first {size} events are not the {size} that the older"
                    f" checkpoint {older.name} signs: the history was rewritten",
                    agreed=self._agreed,
                )
            self._older.pop(0)
        self._agreed = size

    def _checkpoint(self, said: dict[str, Any], raw: bytes) -> Sealed:
        signed = text(said, "checkpoint")
        if encode({"checkpoint": signed}).encode() != raw:
            raise Wrong("the line is not in its only form")
        try:
            note = Note.parse(signed)
            sealed = self._signed(note)
        except BadNote as error:
            raise Wrong(f"the checkpoint does not hold: {error}") from None
        checkpoint = sealed.checkpoint
        if checkpoint.origin != self.origin:
            raise Wrong(f"the checkpoint is of the log {checkpoint.origin}")
        if checkpoint.size != self.tree.size:
            raise Wrong(
                f"the checkpoint signs {checkpoint.size} events, and there are"
                f" {self.tree.size}"
            )
        if checkpoint.root != self.tree.root():
            raise Wrong("the events above are not those that the checkpoint signs")
        if self._older:
            older = self._older[-1]
            raise Wrong(
                f"the log had {older.checkpoint.size} events already, as the older"
                f" checkpoint {older.name} signs, and here it has {checkpoint.size}:"
                " it was cut short, or exported before that"
            )
        return sealed

    def _signed(self, note: Note) -> Sealed:
        """Say who signed; a key under another name than the log's does not count."""
        logs = [key for key in self._keys if key.name == self.origin]
        signed = note.signed_by(logs)
        if not signed:
            by = ", ".join(_named(*each[:2]) for each in note.signatures)
            raise BadNote(f"it is signed by {by}, by none of the keys that were given")
        witnesses = [each.verifier for each in self._policy.witnesses]
        try:
            known = [*signed, *note.signed_by(witnesses)]
        except BadNote:
            raise BadNote("the cosignature of a witness does not fit it") from None
        cosigned = self._policy.cosigned(note)
        if not self._policy.is_met(cosigned):
            by = f"only {', '.join(cosigned)} did" if cosigned else "none did"
            raise BadNote(f"no quorum of its witnesses has cosigned it, {by}")
        given = {_id(each) for each in known}
        return Sealed(
            checkpoint=Checkpoint.parse(note.text),
            signed_by=tuple(_named(*_id(each)) for each in signed),
            cosigned=cosigned,
            unknown=tuple(
                _named(name, its_id)
                for name, its_id, _ in note.signatures
                if (name, its_id) not in given
            ),
        )


def _id(key: NoteVerifier) -> tuple[str, bytes]:
    return key.name, key.key_id


def _named(name: str, its_id: bytes) -> str:
    return f"{name}+{its_id.hex()}"
