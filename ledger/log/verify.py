"""Checks an export with nothing but the log's public key: no database, no trust.

Every leaf and the tree's root are computed anew from the events themselves, streams
must be whole and must replay, and the checkpoint must be signed. The first line that
is wrong is named; a rewrite that kept all leaves consistent shows at the checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import FORMAT, ExportedEvent, encode
from ledger.log.merkle import Tree
from ledger.log.note import BadNote, Verifier, open_note
from ledger.log.replay import BadHistory, Replay

LINE_MAX = 64 * 1024 * 1024


class Wrong(ValueError):
    """What is wrong with a line."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first line that is wrong (counted from 1), and what is wrong with it."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked. `checkpoint` is None unless everything is proven."""

    events: int
    streams: int
    root: bytes
    checkpoint: Checkpoint | None
    problem: Problem | None

    @property
    def proven(self) -> bool:
        return self.problem is None and self.checkpoint is not None


def verify_export(
    lines: Iterable[bytes], vkey: str, *, replay: bool = True
) -> VerifyReport:
    """Check an export, given as lines with their line feeds, as a file gives them.

    `vkey` is the log's verifier key (`Verifier`); raises `BadNote` if it is none.
    Without `replay` only integrity is checked, in a fifth of the memory.
    """
    check = _Check(Verifier.parse(vkey), Replay() if replay else None)
    problem = None
    try:
        for line in lines:
            check.line(line)
        check.end()
    except Wrong as wrong:
        problem = Problem(check.number, str(wrong))
    return VerifyReport(
        events=check.tree.size,
        streams=len(check.versions),
        root=check.tree.root(),
        checkpoint=None if problem else check.checkpoint,
        problem=problem,
    )


def exported_events(lines: Iterable[bytes]) -> Iterator[ExportedEvent]:
    """Read the events of an export, unproven. Raises `Wrong`."""
    for raw in lines:
        said = _parse(raw)
        if "index" in said:
            yield _exported(said)


class _Check:
    """What the lines so far have shown."""

    def __init__(self, verifier: Verifier, replay: Replay | None) -> None:
        self._verifier = verifier
        self._replay = replay
        self._origin: str | None = None
        self.number = 0
        self.tree = Tree()
        self.versions: dict[UUID, int] = {}
        self.checkpoint: Checkpoint | None = None

    def line(self, raw: bytes) -> None:
        self.number += 1
        if self.checkpoint is not None:
            raise Wrong("there is a line after the checkpoint")
        said = _parse(raw)
        if self._origin is None:
            self._origin = self._header(said, raw)
        elif "checkpoint" in said:
            self.checkpoint = self._checkpoint(said, raw)
        else:
            self._event(said, raw)

    def _header(self, said: dict[str, Any], raw: bytes) -> str:
        origin = _text(said, "origin")
        if encode({"format": FORMAT, "origin": origin}).encode() != raw:
            raise Wrong(f"the first line is not the header of {FORMAT}")
        if origin != self._verifier.name:
            raise Wrong(f"the key is that of the log {self._verifier.name}")
        return origin

    def end(self) -> None:
        if self.checkpoint is None:
            self.number += 1
            raise Wrong("the export ends without a checkpoint")

    def _event(self, said: dict[str, Any], raw: bytes) -> None:
        event = _exported(said)
        try:
            hashed = event.leaf_hash()
        except ValueError as error:
            raise Wrong(str(error)) from None
        if said.get("leaf") != hashed.hex():
            raise Wrong("the event does not fit its leaf")
        if event.line(hashed).encode() != raw:
            raise Wrong("the line is not in its only form")
        self._in_order(event)
        if self._replay is not None:
            try:
                self._replay.apply(event)
            except BadHistory as error:
                raise Wrong(str(error)) from error
        self.tree.append(hashed)

    def _in_order(self, event: ExportedEvent) -> None:
        if event.index != self.tree.size:
            raise Wrong(f"index {event.index} where {self.tree.size} is due")
        if event.position != event.index + 1:
            raise Wrong(f"position {event.position} where {event.index + 1} is due")
        due = self.versions.get(event.originator_id, 0) + 1
        if event.version != due:
            raise Wrong(f"version {event.version} of the stream where {due} is due")
        self.versions[event.originator_id] = due

    def _checkpoint(self, said: dict[str, Any], raw: bytes) -> Checkpoint:
        note = _text(said, "checkpoint")
        try:
            checkpoint = Checkpoint.parse(open_note(note, [self._verifier]))
        except BadNote as error:
            raise Wrong(f"the checkpoint does not hold: {error}") from None
        if encode({"checkpoint": note}).encode() != raw:
            raise Wrong("the line is not in its only form")
        if checkpoint.origin != self._origin:
            raise Wrong(f"the checkpoint is of the log {checkpoint.origin}")
        if checkpoint.size != self.tree.size:
            raise Wrong(f"{checkpoint.size} events signed, {self.tree.size} shown")
        if checkpoint.root != self.tree.root():
            raise Wrong("the events above are not those that were signed")
        return checkpoint


def _parse(raw: bytes) -> dict[str, Any]:
    if not raw.endswith(b"\n") or len(raw) > LINE_MAX:
        raise Wrong("the line does not end with a line feed")
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        raise Wrong("the line is not JSON") from None
    if not isinstance(said, dict):
        raise Wrong("the line is not a JSON object")
    return said


def _exported(said: dict[str, Any]) -> ExportedEvent:
    try:
        originator_id = UUID(_text(said, "originator_id"))
    except ValueError:
        raise Wrong("originator_id is not a UUID") from None
    return ExportedEvent(
        index=_number(said, "index"),
        position=_number(said, "position"),
        originator_id=originator_id,
        version=_number(said, "version"),
        topic=_text(said, "topic"),
        state=_state(said),
    )


def _state(said: dict[str, Any]) -> bytes:
    if "state" in said:
        return _text(said, "state").encode()
    try:
        return base64.b64decode(_text(said, "state_base64"), validate=True)
    except binascii.Error:
        raise Wrong("state_base64 is not base64") from None


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise Wrong(f"{name} is missing")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Wrong(f"{name} is not Unicode text") from None
    return value


def _number(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"{name} is not a whole number")
    return value
