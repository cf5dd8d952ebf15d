"""What the tree commits to, for each event: a few ASCII lines.

    eticket-ledger/leaf/2
    <originator id>
    <version>
    <topic>
    <SHA-256 of the stored state, in hex>

The state stands there as a hash, so it can be withheld from a reader and still be
proven to another. Its place in the log is its index in the tree and not said here: a
writer can be promised its leaf before it has one. Each line ends with a line feed.

`leaf_hash_of` in `migrations/0008_sequenced_log.sql` is the same, in SQL.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

FORMAT = "eticket-ledger/leaf/2"


def leaf(
    *,
    originator_id: UUID | str,
    version: int,
    topic: str,
    state: bytes,
) -> bytes:
    """Return the leaf's bytes. Raises ValueError if a topic is no ASCII line."""
    if not (topic.isascii() and topic.isprintable()):
        raise ValueError("a topic is printable ASCII")
    stated = hashlib.sha256(state).hexdigest()
    lines = (FORMAT, str(originator_id), str(version), topic, stated)
    return "".join(f"{line}\n" for line in lines).encode("ascii")
