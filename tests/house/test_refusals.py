"""Every refusal is written down: its code, its sentence, and what to do about it."""

from __future__ import annotations

import re
from string import Formatter

from api.advice import DO
from api.problems import STATUS_BY_KIND
from ledger.aggregates.medium.judge import CODES
from tests.house.refusal_catalogue import PATH, answers, catalogue, refusals

# What may be in the way of a ticket, a medium or a move. `offline_floor` is not here:
# a machine that decides without the line refuses by it, and the ledger never does.
OF_THE_RULES = {
    "unknown",
    "revoked",
    "frozen",
    "in_dispense",
    "in_gift",
    "listed",
    "sold_pending",
    "epoch_stale",
    "medium_stale",
    "medium_suspect",
    "medium_blocked",
    "counterfeit",
    "already_dispensed",
    "already_used",
    "not_yet_valid",
    "no_longer_valid",
    "ambiguous",
    "incomplete",
    "limit",
    "cap",
    "in_doubt",
    "device_not_authorised",
    "not_owner",
    "not_transferable",
    "name_mismatch",
    "expired",
    "insufficient_funds",
}


def test_the_page_says_what_the_code_refuses():
    assert PATH.read_text("utf-8") == catalogue()


def test_every_code_comes_with_what_to_do():
    assert sorted(DO) == sorted({*refusals(), *(code for code, _, _ in answers())})


def test_the_rules_have_their_codes():
    assert sorted(OF_THE_RULES - set(refusals()) - set(CODES.values())) == []


def test_a_refusal_is_of_one_kind_and_says_one_sentence():
    for kind in [each for kinds in refusals().values() for each in kinds]:
        assert re.fullmatch("[a-z]+(_[a-z]+)*", kind.code), kind
        assert sum(issubclass(kind, each) for each in STATUS_BY_KIND) == 1, kind
        says = kind.says == "{says}" or re.fullmatch(r"[A-Z0-9{].*[.?/-]", kind.says)
        assert says, kind
        names = [name for _, name, _, _ in Formatter().parse(kind.says) if name]
        assert all(re.fullmatch("[a-z_]+", name) for name in names), kind
