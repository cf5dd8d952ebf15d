"""Whatever is done to an export is found, and its first wrong line is named.

The export is of a real, small history: a ticket is bought, given and sold on. Small
changes are tried at every place there is. Bugs planted to see this fail: the last byte
of a state left out of the leaf; the leaf taken from the line; the form of a line not
compared; the index not counted; the root not compared; the root of an older checkpoint
not compared; an older checkpoint that is longer passed over; a key of any name taken,
or none wanted; no quorum wanted; a witness's wrong cosignature passed over; lines read
on after the checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import pytest

from ledger.application import Ledger
from ledger.log.checkpoint import Checkpoint
from ledger.log.cosignature import Cosigner
from ledger.log.export import FORMAT, ExportedEvent, encode, export
from ledger.log.merkle import Tree
from ledger.log.note import Signer, sign
from ledger.log.policy import Policy
from ledger.log.verify import Older, VerifyReport, exported_events, verify_export
from tests.log.opened import opened, short_story
from tests.log.witnessing import COSIGNERS, NOON, ORIGIN, SIGNER, key

FEW = 11
NEW_SIGNER = Signer(ORIGIN, key(2))
FORGER = Signer(ORIGIN, key(3))
KEYS = [SIGNER.verifier, NEW_SIGNER.verifier]
POLICY = Policy.parse(
    f"witness a {COSIGNERS['a'].verifier}\n"
    f"witness b {COSIGNERS['b'].verifier}\n"
    "group both all a b\nquorum both\n".encode()
)


@pytest.fixture
def lines(database) -> list[bytes]:
    with opened(database) as ledger:
        return told(ledger)


@pytest.fixture
def few(lines) -> list[bytes]:
    """The log as it was exported when it was shorter."""
    return exported(events_of(lines)[:FEW])


def told(ledger: Ledger) -> list[bytes]:
    short_story(ledger)
    lines = [line.encode() for line in export(ledger.recorder, SIGNER, ORIGIN)]
    assert len(lines) > 15
    assert verified(lines).proven
    return lines


def verified(
    lines: Sequence[bytes], *older: Checkpoint, replay: bool = True
) -> VerifyReport:
    kept = [Older("kept", each) for each in older]
    return verify_export(lines, KEYS, older=kept, replay=replay)


def first_wrong(lines: Sequence[bytes]) -> int:
    """Return the line that is named, checking integrity alone: that has to do."""
    report = verify_export(lines, KEYS, replay=False)
    assert report.problem is not None
    assert not report.proven
    return report.problem.line


def split(raw: bytes) -> list[bytes]:
    """Lines as a file opened in binary mode gives them."""
    return raw.splitlines(keepends=True) if b"\r" not in raw else list(_split(raw))


def _split(raw: bytes) -> Iterator[bytes]:
    *whole, rest = raw.split(b"\n")
    yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def test_another_byte_at_any_place(few):
    raw = b"".join(few)
    line, tried = 1, 0
    for at, byte in enumerate(raw):
        changed = bytes([byte ^ (1 + at * 7 % 255)])
        touched = split(raw[:at] + changed + raw[at + 1 :])
        assert first_wrong(touched) == line, (at, changed)
        line += byte == 0x0A
        tried += 1
    assert tried == sum(map(len, few)) > 6_000


def test_a_byte_more_or_less_at_any_place(lines):
    raw = b"".join(exported(events_of(lines)[:2]))
    line = 1
    for at, byte in enumerate(raw):
        assert first_wrong(split(raw[:at] + raw[at + 1 :])) == line
        for more in (byte, 0x20, 0x0A):
            assert first_wrong(split(raw[:at] + bytes([more]) + raw[at:])) <= line + 1
        line += byte == 0x0A


def test_any_line_left_out(lines):
    for at in range(len(lines)):
        assert first_wrong([*lines[:at], *lines[at + 1 :]]) == at + 1


def test_any_line_twice_or_anywhere_else(lines):
    for at, line in enumerate(lines):
        assert first_wrong([*lines[: at + 1], *lines[at:]]) == at + 2
        rest = [*lines[:at], *lines[at + 1 :]]
        for to in range(len(lines)):
            if to != at:
                moved = [*rest[:to], line, *rest[to:]]
                assert first_wrong(moved) == min(at, to) + 1


def test_cut_short_at_any_byte(few):
    raw = b"".join(few)
    for length in range(len(raw)):
        cut = raw[:length]
        assert first_wrong(split(cut)) == cut.count(b"\n") + 1


def test_any_other_checkpoint_of_the_log_under_it(lines):
    """Each was signed by the log itself, honestly, when it was shorter."""
    for size, checkpoint in enumerate(checkpoints(lines)[:-1]):
        under = encode({"checkpoint": SIGNER.sign(checkpoint.text())}).encode()
        assert first_wrong([*lines[:-1], under]) == len(lines)
        # The log as it was then is whole, to whoever saw nothing later.
        shorter = [*lines[: size + 1], under]
        assert verified(shorter).proven
        for later in checkpoints(lines)[size + 1 :]:
            problem = verified(shorter, later, replay=False).problem
            assert problem is not None
            assert problem.line == len(shorter)
            assert f"the log had {later.size} events already" in problem.what


def test_the_checkpoint_of_another_log_or_by_another_key(lines):
    last = checkpoints(lines)[-1]
    other = Signer("other.example/log", key(1))
    forged = [
        other.sign(replace(last, origin="other.example/log").text()),
        other.sign(last.text()),
        FORGER.sign(last.text()),
        SIGNER.sign(replace(last, origin="other.example/log").text()),
        Signer(f"{ORIGIN}/receipts", key(1)).sign(last.text()),
    ]
    for note in forged:
        touched = [*lines[:-1], encode({"checkpoint": note}).encode()]
        assert first_wrong(touched) == len(lines)
        report = verify_export(touched, [*KEYS, other.verifier])
        assert report.problem is not None
        assert report.problem.line == len(lines)


def test_a_history_rewritten_at_any_place_and_signed_anew(lines):
    """Nothing is wrong with it, but that the log said otherwise before."""
    honest, tried = checkpoints(lines), 0
    for at, event in enumerate(events_of(lines)):
        changed = event.state.replace(b'"actor":"test"', b'"actor":"tess"')
        assert changed != event.state
        rewritten = signed_anew(lines, at, replace(event, state=changed))
        assert verified(rewritten).proven
        assert first_wrong([*rewritten[:-1], lines[-1]]) == len(lines)
        for kept in honest:
            report = verified(rewritten, kept, replay=False)
            assert report.proven == (kept.size <= at)
            if report.problem is not None:
                assert (report.problem.since, report.problem.line) == (2, kept.size + 1)
                assert f"the first {kept.size} events" in report.problem.what
            tried += 1
    assert tried == len(events_of(lines)) * len(honest)


def test_the_more_checkpoints_were_kept_the_closer_a_rewrite_is_found(lines):
    at = 7
    event = events_of(lines)[at]
    changed = replace(event, state=event.state.replace(b"test", b"tess"))
    rewritten = signed_anew(lines, at, changed)
    honest = checkpoints(lines)
    problem = verified(rewritten, honest[12], honest[3], honest[10]).problem
    assert problem is not None
    assert problem.where == "lines 5 to 11"  # 3 events agree and 10 do not.
    problem = verified(rewritten, *reversed(honest)).problem
    assert problem is not None
    assert problem.where == f"line {at + 2}"


def test_any_event_left_out_of_a_history_that_is_signed_anew(lines):
    events, kept = events_of(lines), checkpoints(lines)[-2]
    for at in range(len(events)):
        left = [*events[:at], *events[at + 1 :]]
        forged = exported(
            replace(e, index=n, position=n + 1) for n, e in enumerate(left)
        )
        # Without its last event the log is what it was when that was kept.
        assert verified(forged, kept).proven == (at == len(events) - 1)


def test_another_byte_in_a_checkpoint_that_many_have_signed(lines):
    """By two keys of the log and two witnesses: no byte is without meaning.

    A signature that is under another name then is a stranger's, and counts for nothing.
    """
    last = checkpoints(lines)[-1]
    note = sign(last.text(), [SIGNER, NEW_SIGNER]) + "".join(
        cosigned(COSIGNERS[name], last) for name in "ab"
    )
    line = encode({"checkpoint": note}).encode()
    whole = verify_export([*lines[:-1], line], KEYS, policy=POLICY)
    assert whole.sealed is not None
    assert len(whole.sealed.signed_by) == len(whole.sealed.cosigned) == 2
    assert whole.sealed.unknown == ()
    strangers = 0
    for at, byte in enumerate(line):
        changed = line[:at] + bytes([byte ^ (1 + at % 15)]) + line[at + 1 :]
        touched = [*lines[:-1], *split(changed)]
        report = verify_export(touched, KEYS, policy=POLICY, replay=False)
        if report.sealed is None:
            assert report.problem is not None
            assert report.problem.line == len(lines)
        else:
            assert len(report.sealed.signed_by) == len(report.sealed.unknown) == 1
            strangers += 1
    assert strangers < 2 * (len(ORIGIN) + 8)  # In the two names and key ids.


def test_a_quorum_that_is_not_met(lines):
    last = checkpoints(lines)[-1]
    by_a = cosigned(COSIGNERS["a"], last)
    wrong_b = cosigned(COSIGNERS["b"], checkpoints(lines)[-2])
    for cosignatures, why in (
        ("", "none did"),
        (by_a, "only a did"),
        (by_a * 2, "only a did"),
        (by_a + wrong_b, "the cosignature of a witness does not fit"),
    ):
        note = SIGNER.sign(last.text()) + cosignatures
        touched = [*lines[:-1], encode({"checkpoint": note}).encode()]
        report = verify_export(touched, KEYS, policy=POLICY)
        assert report.problem is not None
        assert report.problem.line == len(lines)
        assert why in report.problem.what


def cosigned(witness: Cosigner, checkpoint: Checkpoint) -> str:
    return witness.line(checkpoint.text(), at=NOON)


def events_of(lines: Sequence[bytes]) -> list[ExportedEvent]:
    return list(_events_of(tuple(lines)))


@cache
def _events_of(lines: tuple[bytes, ...]) -> list[ExportedEvent]:
    return list(exported_events(lines))


def checkpoints(lines: Sequence[bytes]) -> list[Checkpoint]:
    """Return the checkpoint of every size that the log has had."""
    tree = Tree()
    found = [Checkpoint(ORIGIN, 0, tree.root())]
    for event in events_of(lines):
        tree.append(event.leaf_hash())
        found.append(Checkpoint(ORIGIN, tree.size, tree.root()))
    return found


def signed_anew(lines: Sequence[bytes], at: int, instead: ExportedEvent) -> list[bytes]:
    events = events_of(lines)
    return exported([*events[:at], instead, *events[at + 1 :]])


def exported(events) -> list[bytes]:
    """What a forger who holds the log's own key can publish."""
    tree = Tree()
    lines = [encode({"format": FORMAT, "origin": ORIGIN})]
    for event in events:
        tree.append(event.leaf_hash())
        lines.append(event.line(event.leaf_hash()))
    text = Checkpoint(ORIGIN, tree.size, tree.root()).text()
    return [
        line.encode() for line in [*lines, encode({"checkpoint": SIGNER.sign(text)})]
    ]
