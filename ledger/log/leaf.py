"""What the tree commits to, for each event: a few ASCII lines.

    eticket-ledger/leaf/1
    <position in the log>
    <originator id>
    <version>
    <topic>
    <SHA-256 of the stored state, in hex>

The state stands there as a hash, so it can be withheld from a reader and still be
proven to another. Each line ends with a line feed.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

FORMAT = "eticket-ledger/leaf/1"


def leaf(
    *,
    position: int,
    originator_id: UUID | str,
    version: int,
    topic: str,
    state: bytes,
) -> bytes:
    """Return the leaf's bytes. Raises ValueError if a topic is no ASCII line."""
    if not (topic.isascii() and topic.isprintable()):
        raise ValueError("a topic is printable ASCII")
    stated = hashlib.sha256(state).hexdigest()
    lines = (FORMAT, str(position), str(originator_id), str(version), topic, stated)
    return "".join(f"{line}\n" for line in lines).encode("ascii")
