"""Judging: one answer a key, one effect a key, and every cent where it belongs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from ledger.application import Ledger
from ledger.usecases import accounts
from tests.duplicates.sending import Said, Told

REUSED = 422, "idempotency"
PAGE = 5_000


def answers(told: Sequence[Told]) -> Iterator[str]:
    """Say where copies of one command were answered differently."""
    for each in told:
        key = each.command.key
        ours, twins = set(each.its), set(each.twins)
        if len(ours) > 1:
            yield f"{key}: copies were answered in {len(ours)} ways: {_some(ours)}"
        if len(twins) > 1:
            yield f"{key}: its twins were answered in {len(twins)} ways: {_some(twins)}"
        if twins and not _is_refused(ours) ^ _is_refused(twins):
            yield f"{key}: of two requests under one key not exactly one was refused"
        if not twins and _is_refused(ours):
            yield f"{key}: is refused, and was used once"
        if any(said.status >= 500 for said in ours | twins):
            yield f"{key}: the server failed: {_some(ours | twins)}"
        if each.done is None:
            yield f"{key}: nothing was done: {_some(ours | twins)}"


def effects(ledger: Ledger, told: Sequence[Told], *, after: int) -> Iterator[str]:
    """Say where the log does not hold one effect for each key."""
    wanted = Counter[str]()
    for each in told:
        if each.done is not None:
            wanted.update(each.command.effect.split())
    found = recorded(ledger, wanted, after=after)
    for topic in sorted(wanted):
        if wanted[topic] != found[topic]:
            yield f"{topic}: {wanted[topic]} keys have {found[topic]} effects"


def recorded(ledger: Ledger, topics: Mapping[str, int], *, after: int) -> Counter[str]:
    """Count the events of some topics after a position."""
    found = Counter[str]()
    start: int | None = after + 1
    while start is not None:
        page = ledger.recorder.select_notifications(start, PAGE, topics=list(topics))
        found.update(each.topic for each in page)
        start = page[-1].id + 1 if len(page) == PAGE else None
    return found


def balances(ledger: Ledger, wanted: Mapping[str, int]) -> Iterator[str]:
    """Say whose purse holds another sum than his commands make."""
    for party_id, minor in wanted.items():
        found = ledger.account(accounts.purse_ref(UUID(party_id), "EUR").id)
        if found.balance_minor != minor:
            yield f"{party_id} has {found.balance_minor} instead of {minor}"


def _is_refused(said: set[Said]) -> bool:
    return {(each.status, each.code) for each in said} == {REUSED}


def _some(said: set[Said]) -> str:
    return "; ".join(sorted(f"{each}"[:160] for each in said)[:3])
