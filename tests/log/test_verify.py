"""An export proves itself, and the first line that was touched is named.

Bugs planted to see this fail: the state left out of the leaf; the canonical form not
compared; versions not counted; the position not compared with the index.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import StoredEvent

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import ExportedEvent, Head, encode, export
from ledger.log.history import owners
from ledger.log.merkle import Tree
from ledger.log.note import Signer, open_note
from ledger.log.verify import exported_events, verify_export
from tests.domain.examples import ALICE, BOB, CAROL
from tests.log.opened import short_story
from tests.log.test_recorder import CAUSE, paper

ORIGIN = "tickets.example/log"
SIGNER = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
KEYS = [SIGNER.verifier]


def exported(ledger) -> list[bytes]:
    return [line.encode() for line in export(ledger.recorder, SIGNER, ORIGIN)]


def signed_anew(events: list[ExportedEvent]) -> list[bytes]:
    """What a forger who holds the log's own key could publish."""
    tree = Tree()
    lines = [encode({"format": "eticket-ledger/export/1", "origin": ORIGIN})]
    for event in events:
        tree.append(event.leaf_hash())
        lines.append(event.line(event.leaf_hash()))
    note = SIGNER.sign(Checkpoint(ORIGIN, tree.size, tree.root()).text())
    return [line.encode() for line in [*lines, encode({"checkpoint": note})]]


def events_in(lines: list[bytes]) -> list[ExportedEvent]:
    return list(exported_events(lines))


@pytest.fixture
def lines(ledger) -> list[bytes]:
    short_story(ledger)
    return exported(ledger)


def test_a_whole_log_is_proven(ledger, lines):
    report = verify_export(lines, KEYS)
    assert report.proven
    assert report.events == len(lines) - 2
    assert report.checkpoint == Checkpoint(ORIGIN, report.events, report.root)


def test_an_empty_log_is_proven(ledger):
    report = verify_export(exported(ledger), KEYS)
    assert (report.proven, report.events) == (True, 0)


def test_a_refused_append_leaves_no_gap_in_the_positions(ledger):
    ledger.record(paper(1), cause=CAUSE)
    with pytest.raises(Exception, match="at the same moment"):
        ledger.record(paper(1), cause=CAUSE)
    ledger.record(paper(2), cause=CAUSE)
    lines = exported(ledger)
    assert [event.position for event in events_in(lines)] == [1, 2]
    assert verify_export(lines, KEYS).proven


def test_it_is_said_what_is_wrong(lines):
    assert problem(lines[:4] + lines[5:]) == (5, "index 4 where 3 is due")
    assert problem(lines[:-1]) == (len(lines), "the export ends without a checkpoint")
    assert problem([]) == (1, "the export ends without a checkpoint")
    assert problem([*lines, lines[-1]])[1] == "there is a line after the checkpoint"
    assert problem([*lines[:-3], lines[-1]]) == (
        len(lines) - 2,
        f"the checkpoint signs {len(lines) - 2} events, and there are {len(lines) - 4}",
    )


def test_an_edited_event_with_a_fitting_leaf_does_not_fit_the_signed_root(lines):
    events = events_in(lines)
    edited = events[-1].state.replace(b"test", b"tess")
    assert edited != events[-1].state
    forged = ExportedEvent(**(as_dict(events[-1]) | {"state": edited}))
    line = forged.line(forged.leaf_hash()).encode()
    assert problem([*lines[:-2], line, lines[-1]]) == (
        len(lines),
        "the events above are not those that the checkpoint signs",
    )


def test_a_checkpoint_of_another_key_is_refused(lines):
    other = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"1" * 32))
    report = verify_export(lines, [other.verifier])
    assert report.problem is not None
    assert report.problem.line == len(lines)
    assert report.problem.what.endswith("by none of the keys that were given")


def test_a_history_that_cannot_have_happened_is_named_though_signed(lines):
    events = events_in(lines)
    last = events[-1]
    later = as_dict(last) | {"index": len(events), "position": last.position + 1}
    unknown = ExportedEvent(**(later | {"topic": "no.such", "version": 2}))
    assert "no.such" in problem(signed_anew([*events, unknown]))[1]
    again = ExportedEvent(**later)
    due = f"version {last.version} of the stream where {last.version + 1} is due"
    assert problem(signed_anew([*events, again])) == (len(events) + 2, due)
    foreign = ExportedEvent(
        **(later | {"topic": "e-ticket.gift-declined", "version": last.version + 1})
    )
    assert problem(signed_anew([*events, foreign]))[1].endswith(
        "is no event of this stream"
    )


def test_lines_that_are_no_export_are_refused_without_a_crash(lines):
    for junk in (b"", b"\n", b"[]\n", b"{}\n", b"null\n", b"\xff\n", b'{"index":0}\n'):
        assert not verify_export([junk], KEYS).proven
        assert not verify_export([lines[0], junk, lines[-1]], KEYS).proven
    event = json.loads(lines[1])
    for name, value in (
        ("index", True),
        ("index", "0"),
        ("position", -1),
        ("version", 1.0),
        ("topic", "café"),
        ("topic", "\ud800"),
        ("originator_id", "nobody"),
        ("state", None),
        ("leaf", None),
    ):
        line = json.dumps(event | {name: value}).encode() + b"\n"
        assert problem([lines[0], line])[0] == 2


def test_a_state_that_is_no_text_is_exported_and_proven_too(ledger):
    event = StoredEvent(paper(1).id, 1, "paper.numbered", b"\xff\x00")
    ledger.recorder.insert_events([event])
    lines = exported(ledger)
    assert (
        json.loads(lines[1])["state_base64"] == base64.b64encode(b"\xff\x00").decode()
    )
    assert verify_export(lines, KEYS, replay=False).proven
    assert problem(lines)[0] == 2  # Proven, but it is no event.


def test_the_checkpoint_grows_with_the_log(ledger):
    head = Head(ledger.recorder, SIGNER, ORIGIN)
    for number in (1, 2, 3):
        ledger.record(paper(number), cause=CAUSE)
        text = open_note(head.checkpoint(), [SIGNER.verifier])
        report = verify_export(exported(ledger), KEYS)
        assert Checkpoint.parse(text) == report.checkpoint


def test_an_export_alone_tells_who_owned_a_ticket_when(ledger):
    ticket_id = short_story(ledger)
    chain = owners(exported(ledger), ticket_id)
    assert [(owned.owner_id, owned.topic) for owned in chain] == [
        (ALICE, "e-ticket.issued"),
        (BOB, "e-ticket.gift-accepted"),
        (CAROL, "e-ticket.resold"),
    ]
    assert chain[-1].until is None


def problem(lines: list[bytes]) -> tuple[int, str]:
    report = verify_export(lines, KEYS)
    assert report.problem is not None
    assert not report.proven
    return report.problem.line, report.problem.what


def as_dict(event: ExportedEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__slots__}
