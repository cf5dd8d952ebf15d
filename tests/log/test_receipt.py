"""A receipt is a promise that can be held against the log, and proves a loss."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import leaf_hash, root
from ledger.log.note import BadNote
from ledger.log.receipt import (
    MERGE_DELAY,
    Evidence,
    Promised,
    Receipt,
    Verdict,
    judge,
    search,
)
from tests.log.witnessing import NOON, ORIGIN

LEAVES = [leaf_hash(bytes([n])) for n in range(20)]
LOST = leaf_hash(b"lost")
PLACED = Receipt.now(ORIGIN, [Promised(LEAVES[4], 5), Promised(LEAVES[5], 6)], at=NOON)
PROMISED = Receipt.now(ORIGIN, [Promised(LEAVES[7], None)], at=NOON)
BEFORE, AFTER = NOON + MERGE_DELAY, NOON + MERGE_DELAY + timedelta(seconds=1)


def checkpoint(size, leaves=LEAVES):
    return Checkpoint(ORIGIN, size, root(leaves[:size]))


def held(receipt, size, *, seen_at=None, leaves=LEAVES):
    signed = checkpoint(size, leaves)
    evidence = search(leaves, signed, receipt)
    assert evidence is not None
    return judge(receipt, signed, evidence, seen_at=seen_at).verdict


def test_a_receipt_is_a_few_lines_in_one_form():
    assert PLACED.text().splitlines()[:4] == [
        "eticket-ledger/receipt/1",
        ORIGIN,
        "time 2026-11-22T12:00:00Z",
        "by 2026-11-22T13:00:00Z",
    ]
    assert PLACED.text().splitlines()[4].endswith(" 5")
    assert PROMISED.text().endswith(" ?\n")
    for receipt in (PLACED, PROMISED):
        assert Receipt.parse(receipt.text()) == receipt


@pytest.mark.parametrize("line", range(5))
def test_no_line_of_a_receipt_may_be_missing_or_of_another_form(line):
    lines = PROMISED.text().splitlines(keepends=True)
    for wrong in ("", "x\n", lines[line].replace(" ", "  "), lines[line] * 2):
        changed = [*lines[:line], wrong, *lines[line + 1 :]]
        text = "".join(changed)
        if (line == 1 and wrong == "x\n") or text == PROMISED.text():
            continue  # An origin may be anything.
        if line == 4 and wrong == lines[line] * 2:
            continue  # An event may be promised twice.
        with pytest.raises(BadNote):
            Receipt.parse(text)


@pytest.mark.parametrize("receipt", [PLACED, PROMISED])
@pytest.mark.parametrize("seen_at", [None, BEFORE, AFTER])
def test_what_is_in_the_log_is_proven_at_any_time(receipt, seen_at):
    assert held(receipt, 12, seen_at=seen_at) == Verdict.PROVEN
    assert held(receipt, 20, seen_at=seen_at) == Verdict.PROVEN


def test_another_event_at_the_promised_position_is_a_loss_whatever_the_time():
    rewritten = [*LEAVES[:5], LOST, *LEAVES[6:]]
    assert held(PLACED, 12, leaves=rewritten) == Verdict.REFUTED
    signed = checkpoint(12, rewritten)
    places = Evidence({4: LEAVES[4], 5: LOST})
    assert judge(PLACED, signed, places, seen_at=None).verdict == Verdict.REFUTED


@pytest.mark.parametrize("receipt", [PLACED, PROMISED])
def test_a_log_that_is_too_short_has_lost_it_only_after_the_limit(receipt):
    assert held(receipt, 5, seen_at=None) == Verdict.UNCHECKED
    assert held(receipt, 5, seen_at=BEFORE) == Verdict.UNCHECKED
    assert held(receipt, 5, seen_at=AFTER) == Verdict.REFUTED


def test_a_promise_that_is_nowhere_is_a_loss_only_after_the_limit():
    lost = replace(PROMISED, events=(Promised(LOST, None),))
    assert held(lost, 20, seen_at=BEFORE) == Verdict.UNCHECKED
    assert held(lost, 20, seen_at=AFTER) == Verdict.REFUTED
    some = Evidence({4: LEAVES[4]}, whole=False)
    found = judge(lost, checkpoint(20), some, seen_at=AFTER)
    assert found.verdict == Verdict.UNCHECKED


def test_one_lost_event_among_many_is_a_loss():
    both = replace(PROMISED, events=(*PLACED.events, Promised(LOST, None)))
    assert held(both, 20, seen_at=AFTER) == Verdict.REFUTED


def test_without_evidence_nothing_is_proven_and_nothing_refuted():
    for receipt in (PLACED, PROMISED):
        found = judge(receipt, checkpoint(20), Evidence(), seen_at=AFTER)
        assert found.verdict == Verdict.UNCHECKED


def test_leaves_that_a_checkpoint_does_not_sign_are_no_evidence():
    assert search(LEAVES[:11], checkpoint(12), PLACED) is None
    assert search([*LEAVES[:11], LOST], checkpoint(12), PLACED) is None
