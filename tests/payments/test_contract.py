"""What every payment provider has to keep, whoever it is.

A further adapter joins `BENCHES` and passes the same tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ledger.adapters.sandbox_payments import CALLBACK_AGE_S, SandboxPayments
from ledger.ports import (
    BadCallback,
    Declined,
    NewsKind,
    PaymentNews,
    PaymentProvider,
    ProviderUnreachable,
)
from ledger.vocabulary.money import Money
from tests.domain.examples import NOON

PRICE = Money(4_000, "EUR")


@dataclass(frozen=True)
class Bench:
    """A provider and its cards: one that is good, and others that are not."""

    provider: PaymentProvider
    callback: Callable[[PaymentNews, datetime], tuple[bytes, str]]
    good: str
    declined: str
    not_refunded: str
    not_captured: str
    loses: dict[str, str]
    """By call, a card with which it is done and the answer lost, once."""
    away: dict[str, str]
    """By call, a card with which nobody is there, once."""


CALLS = ("authorise", "capture", "refund")


def sandbox(file: Path | None) -> Bench:
    provider = SandboxPayments(secret=b"s" * 32, file=file)
    return Bench(
        provider=provider,
        callback=lambda news, at: provider.callback(news, at=at),
        good="tok-ok",
        declined="tok-declines",
        not_refunded="tok-refund-declines",
        not_captured="tok-capture-declines",
        loses={call: f"tok-loses-{call}" for call in CALLS},
        away={call: f"tok-away-{call}" for call in CALLS},
    )


BENCHES: dict[str, Callable[[Path], Bench]] = {
    "sandbox in memory": lambda _: sandbox(None),
    "sandbox in a file": lambda folder: sandbox(folder / "payments.json"),
}


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return BENCHES[request.param](tmp_path)


@pytest.fixture
def payment_id() -> UUID:
    return uuid4()


def authorise(bench: Bench, payment_id: UUID, card: str | None = None) -> str:
    instrument = bench.good if card is None else card
    return bench.provider.authorise(
        payment_id=payment_id, amount=PRICE, instrument=instrument
    )


def captured(bench: Bench, payment_id: UUID, card: str | None = None) -> str:
    reference = authorise(bench, payment_id, card)
    bench.provider.capture(payment_id=payment_id, reference=reference)
    return reference


def refund(bench: Bench, payment_id: UUID, reference: str, number: int, minor: int):
    bench.provider.refund(
        payment_id=payment_id,
        reference=reference,
        refund_id=UUID(int=number),
        amount=Money(minor, "EUR"),
    )


def known(bench: Bench, payment_id: UUID) -> list[NewsKind]:
    return [each.kind for each in bench.provider.look_up(payment_id=payment_id)]


def refunded(bench: Bench, payment_id: UUID) -> list[str]:
    news = bench.provider.look_up(payment_id=payment_id)
    return [each.about for each in news if each.kind == NewsKind.REFUNDED]


def test_what_was_authorised_is_captured_and_found_again(bench, payment_id):
    reference = authorise(bench, payment_id)
    assert known(bench, payment_id) == [NewsKind.AUTHORISED]
    bench.provider.capture(payment_id=payment_id, reference=reference)
    (news,) = bench.provider.look_up(payment_id=payment_id)
    assert (news.kind, news.reference) == (NewsKind.CAPTURED, reference)


def test_of_a_payment_it_never_heard_of_a_provider_knows_nothing(bench, payment_id):
    assert known(bench, payment_id) == []


def test_a_declined_card_stays_declined_and_says_so(bench, payment_id):
    for _ in range(2):
        with pytest.raises(Declined, match=r"\w"):
            authorise(bench, payment_id, bench.declined)
    assert known(bench, payment_id) == [NewsKind.DECLINED]


def test_every_call_made_twice_has_its_effect_once(bench, payment_id):
    assert authorise(bench, payment_id) == authorise(bench, payment_id)
    reference = captured(bench, payment_id)
    bench.provider.capture(payment_id=payment_id, reference=reference)
    for _ in range(2):
        refund(bench, payment_id, reference, 1, 3_000)
    assert refunded(bench, payment_id) == [str(UUID(int=1))]
    refund(bench, payment_id, reference, 2, 1_000)


def test_no_more_is_paid_back_than_was_captured(bench, payment_id):
    reference = authorise(bench, payment_id)
    with pytest.raises(Declined):
        refund(bench, payment_id, reference, 1, 1)
    bench.provider.capture(payment_id=payment_id, reference=reference)
    refund(bench, payment_id, reference, 1, 3_000)
    with pytest.raises(Declined):
        refund(bench, payment_id, reference, 2, 1_001)
    assert refunded(bench, payment_id) == [str(UUID(int=1))]


def test_what_is_cancelled_is_not_captured(bench, payment_id):
    reference = authorise(bench, payment_id)
    for _ in range(2):
        bench.provider.cancel(payment_id=payment_id)
    with pytest.raises(Declined):
        bench.provider.capture(payment_id=payment_id, reference=reference)
    assert NewsKind.CAPTURED not in known(bench, payment_id)


def test_a_payment_cancelled_before_it_is_heard_of_is_never_authorised(
    bench, payment_id
):
    bench.provider.cancel(payment_id=payment_id)
    with pytest.raises(Declined):
        authorise(bench, payment_id)
    assert known(bench, payment_id) == [NewsKind.CANCELLED]


def test_what_was_captured_is_not_cancelled(bench, payment_id):
    captured(bench, payment_id)
    with pytest.raises(Declined):
        bench.provider.cancel(payment_id=payment_id)
    assert known(bench, payment_id) == [NewsKind.CAPTURED]


def test_an_authorisation_that_is_not_good_for_its_capture_says_so_for_good(
    bench, payment_id
):
    reference = authorise(bench, payment_id, bench.not_captured)
    for _ in range(2):
        with pytest.raises(Declined):
            bench.provider.capture(payment_id=payment_id, reference=reference)
    assert known(bench, payment_id) == [NewsKind.DECLINED]


def test_a_card_that_takes_nothing_back_says_so_for_good(bench, payment_id):
    reference = captured(bench, payment_id, bench.not_refunded)
    for _ in range(2):
        with pytest.raises(Declined):
            refund(bench, payment_id, reference, 1, 1_000)
    assert known(bench, payment_id) == [NewsKind.CAPTURED]


def through(bench: Bench, payment_id: UUID, card: str) -> tuple[str, list[str]]:
    """Pay and pay back; make a call again that had no answer. Return what had none."""
    unanswered: list[str] = []

    def again(name: str, call: Callable[[], str | None]) -> str:
        for _ in range(3):
            try:
                return call() or ""
            except ProviderUnreachable:
                unanswered.append(name)
        raise AssertionError(f"{name} never answers")

    provider = bench.provider
    reference = again("authorise", lambda: authorise(bench, payment_id, card))
    again(
        "capture",
        lambda: provider.capture(payment_id=payment_id, reference=reference),
    )
    again("refund", lambda: refund(bench, payment_id, reference, 1, 500))
    return reference, unanswered


@pytest.mark.parametrize("call", CALLS)
def test_a_lost_answer_is_got_by_asking_again_and_nothing_is_done_twice(
    bench, payment_id, call
):
    reference, unanswered = through(bench, payment_id, bench.loses[call])
    assert unanswered == [call]
    assert known(bench, payment_id) == [NewsKind.CAPTURED, NewsKind.REFUNDED]
    refund(bench, payment_id, reference, 2, 3_500)


@pytest.mark.parametrize("call", CALLS)
def test_a_provider_that_was_away_has_done_nothing(bench, payment_id, call):
    _, unanswered = through(bench, payment_id, bench.away[call])
    assert unanswered == [call]


def test_what_an_unanswered_call_has_done_can_be_looked_up(bench, payment_id):
    with pytest.raises(ProviderUnreachable):
        authorise(bench, payment_id, bench.loses["authorise"])
    assert known(bench, payment_id) == [NewsKind.AUTHORISED]
    other = uuid4()
    with pytest.raises(ProviderUnreachable):
        authorise(bench, other, bench.away["authorise"])
    assert known(bench, other) == []


def test_a_callback_says_what_was_signed(bench, payment_id):
    news = PaymentNews(payment_id, NewsKind.DISPUTE_OPENED, "r", "dp_1", "", 4_000)
    body, signature = bench.callback(news, NOON)
    heard = bench.provider.read_callback(body=body, signature=signature, at=NOON)
    assert list(heard) == [news]


def test_a_callback_of_somebody_else_or_of_another_time_is_refused(bench, payment_id):
    news = PaymentNews(payment_id, NewsKind.CAPTURED, "r")
    body, signature = bench.callback(news, NOON)
    changed = body.replace(b"captured", b"refunded")
    late = NOON + timedelta(seconds=CALLBACK_AGE_S + 1)
    moved = signature.replace(str(int(NOON.timestamp())), str(int(late.timestamp())))
    for said, signed, at in [
        (changed, signature, NOON),
        (body, signature[:-1] + ("0" if signature[-1] != "0" else "1"), NOON),
        (body, "", NOON),
        (body, signature, late),
        (body, moved, late),
        (b"", signature, NOON),
    ]:
        with pytest.raises(BadCallback):
            bench.provider.read_callback(body=said, signature=signed, at=at)


def test_what_is_signed_but_makes_no_sense_is_refused_too():
    provider = SandboxPayments(secret=b"s" * 32)
    seconds = int(NOON.timestamp())
    for body in (b"", b"[]", b"{}", b'"x"', b'{"payment_id": 1}', b"\xff"):
        signature = f"t={seconds},v1={provider._signed(seconds, body)}"
        with pytest.raises(BadCallback):
            provider.read_callback(body=body, signature=signature, at=NOON)


def test_two_processes_share_one_sandbox(tmp_path):
    one, other = (sandbox(tmp_path / "payments.json") for _ in range(2))
    first, second = uuid4(), uuid4()
    reference = authorise(one, first)
    authorise(other, second)
    other.provider.capture(payment_id=first, reference=reference)
    assert known(one, first) == [NewsKind.CAPTURED]
    assert known(one, second) == [NewsKind.AUTHORISED]


def test_the_sandbox_knows_after_a_restart_what_it_had_done(tmp_path):
    file, first, second = tmp_path / "payments.json", uuid4(), uuid4()
    before = sandbox(file)
    reference = captured(before, first)
    refund(before, first, reference, 1, 1_000)
    with pytest.raises(ProviderUnreachable):
        authorise(before, second, "tok-loses-authorise")
    after = sandbox(file)
    assert known(after, first) == [NewsKind.CAPTURED, NewsKind.REFUNDED]
    assert known(after, second) == [NewsKind.AUTHORISED]
    refund(after, first, reference, 1, 1_000)
    assert refunded(after, first) == [str(UUID(int=1))]


@pytest.mark.parametrize("instrument", ["4111111111111111", "", "tok", "tok ok"])
def test_the_sandbox_takes_tokens_and_no_card_numbers(instrument):
    with pytest.raises(Declined):
        authorise(sandbox(None), uuid4(), instrument)
