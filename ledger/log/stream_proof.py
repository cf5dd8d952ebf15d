"""All events of one stream, each with the proof that it is in the log: one file.

    {"format": "eticket-ledger/proof/1", "origin": …}
    {"index": …, … as in an export …, "leaf": …, "proof": [<hash, base64>, …]}
    …
    {"checkpoint": <signed note>}

Whoever has the log's verifier key needs nothing else to check it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import ExportedEvent, encode
from ledger.log.merkle import BadProof, check_inclusion
from ledger.log.note import NoteVerifier, from_base64, open_note, to_base64
from ledger.log.tiles import TiledTree
from ledger.log.verify import Wrong, exported_events

FORMAT = "eticket-ledger/proof/1"


def write(
    events: Iterable[ExportedEvent], tree: TiledTree, *, origin: str, note: str
) -> Iterator[str]:
    """Yield the lines; the tree is that of the checkpoint in `note`."""
    yield encode({"format": FORMAT, "origin": origin})
    for event in events:
        line = json.loads(event.line(event.leaf_hash()))
        proof = [to_base64(each) for each in tree.inclusion_proof(event.index)]
        yield encode({**line, "proof": proof})
    yield encode({"checkpoint": note})


def check(
    lines: Sequence[str], verifiers: Iterable[NoteVerifier]
) -> tuple[Checkpoint, str, list[ExportedEvent]]:
    """Return the checkpoint, its note and the events that it includes, all proven.

    Raises `BadNote`, `BadProof` or `Wrong`.
    """
    head, *told, last = [json.loads(line) for line in lines] or [{}, {}]
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise Wrong(f"not a {FORMAT}")
    note = last.get("checkpoint") if isinstance(last, dict) else None
    if not isinstance(note, str):
        raise Wrong("the checkpoint is missing")
    checkpoint = Checkpoint.parse(open_note(note, verifiers))
    events = list(exported_events(line.encode() for line in lines[1:-1]))
    if len(events) != len(told):
        raise Wrong("a line is no event")
    for event, said in zip(events, told, strict=True):
        _require_included(event, said.get("proof"), checkpoint)
    return checkpoint, note, events


def _require_included(
    event: ExportedEvent, proof: object, checkpoint: Checkpoint
) -> None:
    if not isinstance(proof, list) or not all(isinstance(each, str) for each in proof):
        raise BadProof("an event has no proof")
    if event.position != event.index + 1:
        raise BadProof("position and index do not fit")
    try:
        leaf_hash = event.leaf_hash()
    except ValueError as error:
        raise BadProof(str(error)) from None
    check_inclusion(
        index=event.index,
        size=checkpoint.size,
        leaf_hash=leaf_hash,
        proof=[from_base64(each) for each in proof],
        root=checkpoint.root,
    )
