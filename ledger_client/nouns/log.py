"""The log: what was recorded is in it, and it is still the log that it was."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger_client.calls import Calls
from ledger_client.proofs import (
    Checkpoint,
    NotProven,
    check_consistency,
    check_inclusion,
    open_checkpoint,
)
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Included:
    """An event's leaf, and the signed checkpoint that it is in."""

    position: int
    leaf_hash: bytes
    checkpoint: Checkpoint
    note: str


class Log:
    """`/v1/log/proofs`. Take the log's verifier keys from elsewhere than from there."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def included(self, position: int, *, vkeys: Iterable[str]) -> Included:
        """Return the newest checkpoint, proven to include what stands at a position.

        Positions count from 1: a command's `Reply.position` is one. Raises `Problem`
        with `not_published` while no checkpoint includes it, and `NotProven`.
        """
        query = {"position": position}
        reply = self._calls.get("/v1/log/proofs/inclusion", query=query)
        said = read(_Inclusion, reply.said)
        checkpoint = open_checkpoint(said.checkpoint, vkeys)
        leaf = _raw(said.leaf_hash)
        check_inclusion(
            index=position - 1,
            size=checkpoint.size,
            leaf_hash=leaf,
            proof=_all_raw(said.hashes),
            root=checkpoint.root,
        )
        return Included(position, leaf, checkpoint, said.checkpoint)

    def continues(self, old: Checkpoint, new: Checkpoint) -> None:
        """Check that a log goes on what it was. Raises `Problem` and `NotProven`."""
        if old.origin != new.origin:
            raise NotProven("these are checkpoints of two logs")
        query = {"old_size": old.size, "size": new.size}
        reply = self._calls.get("/v1/log/proofs/consistency", query=query)
        check_consistency(
            old_size=old.size,
            size=new.size,
            old_root=old.root,
            root=new.root,
            proof=_all_raw(read(_Consistency, reply.said).hashes),
        )


@dataclass(frozen=True, slots=True)
class _Inclusion:
    leaf_hash: str
    hashes: tuple[str, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class _Consistency:
    hashes: tuple[str, ...]


def _all_raw(hashes: Sequence[str]) -> list[bytes]:
    return [_raw(each) for each in hashes]


def _raw(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotProven("a hash is not base64") from None
