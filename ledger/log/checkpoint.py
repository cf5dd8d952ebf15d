"""How long the log is and what its root is (C2SP tlog-checkpoint).

    <origin>
    <size>
    <root, base64>

    — <key name> <base64 of key id and signature>

The text is signed as a note (`note.py`), by the log and then by its witnesses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from ledger.log.merkle import HASH_LENGTH
from ledger.log.note import BadNote, from_base64, to_base64

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long the log of an origin is, and the root of the tree over it."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint; extension lines are passed over.

        Raises `BadNote`.
        """
        origin, size, root, *_ = [*text.split("\n"), "", "", ""]
        raw = from_base64(root)
        if not origin or not _SIZE.fullmatch(size) or len(raw) != HASH_LENGTH:
            raise BadNote("not a checkpoint: origin, size, root")
        return cls(origin, int(size), raw)
