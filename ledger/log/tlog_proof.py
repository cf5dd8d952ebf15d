"""A proof that one entry is in a log, for somebody without a line (C2SP tlog-proof).

c2sp.org/tlog-proof@v1
extra <base64>                       (may be missing; proves nothing)
index <index of the entry>
<hash of the inclusion proof, base64>
…

<the checkpoint, signed and cosigned>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from ledger.log.merkle import HASH_LENGTH
from ledger.log.note import BadNote, from_base64, to_base64

HEADER = "c2sp.org/tlog-proof@v1"
FILE_ENDING = ".tlog-proof"
HASHES_MAX = 63

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An entry's index, its inclusion proof, and the checkpoint that this leads to."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def text(self) -> str:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {to_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(to_base64, self.hashes)
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a proof apart; nothing is verified. Raises `BadNote`."""
        head, gap, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER or not gap:
            raise BadNote(f"not a {HEADER}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_base64(lines.pop(0).removeprefix("extra "))
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        hashes = tuple(map(from_base64, lines))
        if index is None or len(hashes) > HASHES_MAX:
            raise BadNote("a proof has an index, and no more than 63 hashes")
        if any(len(each) != HASH_LENGTH for each in hashes):
            raise BadNote("a hash has 32 bytes")
        return cls(int(index[1]), hashes, checkpoint, extra)
