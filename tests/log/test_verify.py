"""An export proves itself, and the first line that was touched is named.

Bugs planted to see this fail: versions not counted; an error of the first reading named
though the second finds an earlier one; the last of several errors named; what is held
forgotten when it is spilled; a long bucket not laid apart; a topic imported; keys of
receipts taken; a checkpoint of another log compared.
"""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from eventsourcing.persistence import StoredEvent

from ledger.log.checkpoint import Checkpoint
from ledger.log.export import ExportedEvent, Head, encode, export
from ledger.log.history import owners
from ledger.log.merkle import Tree, root
from ledger.log.note import Signer, open_note, sign
from ledger.log.verify import (
    NotComparable,
    Older,
    Problem,
    exported_events,
    streams,
    verify_export,
)
from ledger.log.verify import lines as verify_lines
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
    assert problem(lines[:4] + lines[5:]) == (
        5,
        "index 4 where 3 is due: an event is missing, doubled or moved",
    )
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


@pytest.mark.parametrize(
    "topic", ["antigravity", "xml.dom.pulldom", "xml.dom:pulldom", "e-ticket"]
)
def test_a_topic_that_names_no_event_is_not_imported(lines, topic):
    """An export does not choose what code runs where it is checked."""
    before = set(sys.modules)
    event = replace(events_in(lines)[0], topic=topic)
    assert problem(signed_anew([event])) == (2, f"{topic} is no event")
    assert set(sys.modules) == before


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


def test_any_key_of_the_log_will_do_the_old_one_and_the_new(lines):
    events = events_in(lines)
    new = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"2" * 32))
    receipts = Signer(
        f"{ORIGIN}/receipts", Ed25519PrivateKey.from_private_bytes(bytes(32))
    )
    text = Checkpoint(ORIGIN, len(events), root_of(events)).text()
    both = under(lines, sign(text, [new, SIGNER]))
    for keys in ([SIGNER], [new], [new, SIGNER], [receipts, new]):
        report = verify_export(both, [each.verifier for each in keys])
        assert report.sealed is not None
        known = {new, SIGNER} & set(keys)
        assert len(report.sealed.signed_by) == len(known)
        assert len(report.sealed.unknown) == 2 - len(known)
    for keys in ([], [receipts]):
        report = verify_export(both, [each.verifier for each in keys])
        assert report.problem is not None
        assert report.problem.line == 1
    # What a key of receipts signs is no checkpoint.
    report = verify_export(
        under(lines, receipts.sign(text)), [receipts.verifier, SIGNER.verifier]
    )
    assert report.problem is not None
    assert report.problem.line == len(lines)


def test_an_older_checkpoint_is_continued_and_one_of_another_log_is_not_compared(lines):
    events = events_in(lines)
    for size in (0, 1, 7, len(events)):
        kept = Checkpoint(ORIGIN, size, root_of(events[:size]))
        assert verify_export(lines, KEYS, older=[Older("kept", kept)]).proven
    stranger = Older("kept", Checkpoint("other.example/log", 1, bytes(32)))
    with pytest.raises(NotComparable, match=r"kept is of the log other\.example/log"):
        verify_export(lines, KEYS, older=[stranger])


@pytest.mark.parametrize(
    ("held", "bucket"), [(0, 1 << 20), (0, 1), (4_000, 1 << 20), (1 << 20, 1 << 20)]
)
def test_what_is_held_and_what_is_spilled_shows_the_same(
    lines, monkeypatch, tmp_path, held, bucket
):
    monkeypatch.setattr(streams, "HELD_BYTES_MAX", held)
    monkeypatch.setattr(streams, "BUCKET_BYTES_MAX", bucket)
    whole = verify_export(lines, KEYS)
    assert verify_export(lines, KEYS, spill=tmp_path / "whole") == whole
    assert any(tmp_path.rglob("??-parts")) == (bucket == 1)
    events = events_in(lines)
    for at in range(len(events)):
        forged = list(events)
        for wrong in range(at, len(events), 2):
            forged[wrong] = replace(events[wrong], topic="no.such")
        report = verify_export(signed_anew(forged), KEYS, spill=tmp_path / str(at))
        assert report.problem == Problem(at + 2, "no.such is no event", at + 2)


def test_a_bucket_that_is_too_long_is_laid_apart(tmp_path):
    alike = [UUID(int=n) for n in range(60_000) if first(UUID(int=n)) == 7]
    for depth, count in ((0, 1), (1, 100)):
        buckets = streams.Buckets(tmp_path / str(depth), depth=depth)
        for line, stream_id in enumerate(alike):
            buckets.add(line, stream_id.bytes, 1, b"", b"")
        found = buckets.all()
        assert len(found) >= count
        shown = streams.first_of(
            streams.first_wrong(each, replay=False) for each in found
        )
        assert shown == streams.Found(len(alike))


def first(stream_id: UUID) -> int:
    """The number of the bucket that a stream is laid into first."""
    return crc32(stream_id.bytes) % streams.FAN


def test_of_two_wrong_lines_the_first_is_named_whichever_reading_finds_it(lines):
    events = events_in(lines)
    impossible = signed_anew(
        [*events[:5], replace(events[5], topic="no.such"), *events[6:]]
    )
    for at in range(1, len(lines)):
        touched = [*impossible[:at], b"{}\n", *impossible[at + 1 :]]
        assert problem(touched)[0] == min(at + 1, 7)


def test_no_line_is_read_that_is_longer_than_a_line_may_be(lines, monkeypatch):
    longest = max(map(len, lines))
    monkeypatch.setattr(verify_lines, "LINE_BYTES_MAX", longest)
    assert verify_export(lines, KEYS).proven
    monkeypatch.setattr(verify_lines, "LINE_BYTES_MAX", longest - 1)
    assert "is longer than" in problem(lines)[1]


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


def root_of(events: list[ExportedEvent]) -> bytes:
    return root([event.leaf_hash() for event in events])


def under(lines: list[bytes], note: str) -> list[bytes]:
    return [*lines[:-1], encode({"checkpoint": note}).encode()]


def problem(lines: list[bytes]) -> tuple[int, str]:
    report = verify_export(lines, KEYS)
    assert report.problem is not None
    assert not report.proven
    return report.problem.line, report.problem.what


def as_dict(event: ExportedEvent) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__slots__}
