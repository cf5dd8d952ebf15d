"""Whom to believe about a log: its keys, its witnesses, and how many must agree.

C2SP tlog-policy, one thing a line:

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>…
    quorum <name>|none
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from ledger.log.cosignature import CosignatureVerifier, cosigned_at
from ledger.log.note import BadNote, Note, Verifier

LINES_MAX = 10_000
NONE = "none"

_ALLOWED = re.compile(rb"[\t\n\x20-\x7e\x80-\xff]*")
_COUNT = re.compile(r"[1-9][0-9]{0,5}")


class BadPolicy(ValueError):
    """The file is no policy; the message names the line."""


@dataclass(frozen=True, slots=True)
class KnownLog:
    verifier: Verifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class KnownWitness:
    name: str
    verifier: CosignatureVerifier
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs and witnesses by key; the quorum is the name of a witness or a group."""

    logs: tuple[KnownLog, ...] = ()
    witnesses: tuple[KnownWitness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str = NONE

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a policy file. Raises `BadPolicy`."""
        if not _ALLOWED.fullmatch(raw):
            raise BadPolicy("A policy has no control characters but tab and line feed.")
        # Octets beyond ASCII are opaque: they come back as they were.
        lines = raw.decode(errors="surrogateescape").split("\n")
        if len(lines) > LINES_MAX:
            raise BadPolicy(f"A policy has at most {LINES_MAX} lines.")
        reader = _Reader()
        for number, line in enumerate(lines, 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                reader.line(words)
            except ValueError as error:
                raise BadPolicy(f"Line {number} of the policy: {error}.") from None
        if reader.quorum is None:
            raise BadPolicy("The policy has no quorum line.")
        return cls(
            tuple(reader.logs),
            tuple(reader.witnesses),
            tuple(reader.groups),
            reader.quorum,
        )

    def cosigned(self, note: Note) -> dict[str, datetime]:
        """Return which witnesses cosigned a checkpoint, and when.

        A cosignature that is wrong is passed over: its line may be anybody's.
        """
        found = {each.name: _cosigned_at(note, each) for each in self.witnesses}
        return {name: at for name, at in found.items() if at is not None}

    def is_met(self, cosigned: Collection[str]) -> bool:
        """Say whether these witnesses' cosignatures are a quorum."""
        if self.quorum == NONE:
            return True
        witnessed = {each.name for each in self.witnesses if each.name in cosigned}
        for group in self.groups:  # Each knows only names that stand before it.
            if sum(name in witnessed for name in group.members) >= group.needed:
                witnessed.add(group.name)
        return self.quorum in witnessed

    def agreed_at(self, note: Note) -> datetime | None:
        """Return until when at least a quorum has held a checkpoint to be the newest.

        Each by its own clock; one witness that is behind the others, or whose clock is
        wrong, does not count alone. None: no quorum cosigned, or nobody is believed.
        """
        cosigned = self.cosigned(note)
        if self.quorum == NONE:
            return None
        for at in sorted(cosigned.values(), reverse=True):
            if self.is_met([name for name, its in cosigned.items() if its >= at]):
                return at
        return None


def _cosigned_at(note: Note, witness: KnownWitness) -> datetime | None:
    its = witness.verifier
    for name, key_id, signature in note.signatures:
        if (name, key_id) == (its.name, its.key_id):
            try:
                its.check(note.text, signature)
                return cosigned_at(signature)
            except BadNote:
                continue
    return None


@dataclass
class _Reader:
    """What the lines so far have defined."""

    logs: list[KnownLog] = field(default_factory=list)
    witnesses: list[KnownWitness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorum: str | None = None
    _names: set[str] = field(default_factory=lambda: {NONE})
    _members: set[str] = field(default_factory=set)
    _keys: set[bytes] = field(default_factory=set)

    def line(self, words: Sequence[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                log = Verifier.parse(vkey)
                self._new_key(log)
                self.logs.append(KnownLog(log, *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                witness = CosignatureVerifier.parse(vkey)
                self._new_key(witness)
                self._define(name)
                self.witnesses.append(KnownWitness(name, witness, *url))
            case ["group", name, needed, *members] if members:
                self.groups.append(self._group(name, needed, tuple(members)))
            case ["quorum", name]:
                if self.quorum is not None:
                    raise ValueError("there is a quorum already")
                if name not in self._names:
                    raise ValueError(f"{name} is not defined above")
                self.quorum = name
            case _:
                raise ValueError("it is none of log, witness, group, quorum")

    def _group(self, name: str, needed: str, members: tuple[str, ...]) -> Group:
        for member in members:
            if member == NONE or member not in self._names:
                raise ValueError(f"{member} is not defined above")
            if member in self._members:
                raise ValueError(f"{member} is a member already")
            self._members.add(member)
        self._define(name)
        match needed:
            case "all":
                return Group(name, len(members), members)
            case "any":
                return Group(name, 1, members)
            case _ if _COUNT.fullmatch(needed) and int(needed) <= len(members):
                return Group(name, int(needed), members)
        raise ValueError(f"{needed} is no number of its members")

    def _define(self, name: str) -> None:
        if name in self._names:
            raise ValueError(f"{name} is defined already")
        self._names.add(name)

    def _new_key(self, verifier: Verifier | CosignatureVerifier) -> None:
        # A log's key and a witness's may be the same: they sign different messages.
        kind = type(verifier).__name__.encode()
        key = kind + verifier.public.public_bytes_raw()
        if key in self._keys:
            raise ValueError("its key stands there already")
        self._keys.add(key)
