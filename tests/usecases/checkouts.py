"""A town with a payment provider, and a process that may die at any moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.aggregates.account import Account, Entry
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.order import Order
from ledger.aggregates.payment import Payment
from ledger.ports import NewsKind, PaymentNews
from ledger.usecases import accounts, checkout
from ledger.usecases.accounts import (
    E_MONEY,
    AccountRef,
    Leg,
    TrialBalance,
    points_issued_of,
    points_ref,
    purse_ref,
)
from ledger.usecases.checkout import Checkout
from ledger.usecases.tenders import BY_POINTS, CARD, Tender
from ledger.vocabulary.ids import payment_id
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, ISSUER, NOON
from tests.usecases.town import CAUSE, Town, fresh

POINTS_GIVEN = 1_000


class Died(BaseException):
    """The process is gone: nothing below catches it."""


class Till(Town):
    """Alice has 10,000 in e-money and 1,000 points worth one minor unit each."""

    def __init__(self, installation: Any, **offering: Any) -> None:
        super().__init__(installation, **offering)
        self.provider = SandboxPayments(secret=b"s" * 32)
        self.give_points(ALICE, POINTS_GIVEN)

    def give_points(self, party_id: UUID, points: int) -> None:
        self.move(
            Leg(points_ref(party_id, ISSUER), Money(points, "PTS")),
            Leg(points_issued_of(ISSUER), Money(-points, "PTS")),
        )

    def move(self, *legs: Leg, at=NOON, overdraw=False) -> None:
        work = self.ledger.work()
        accounts.move(
            work,
            entry_id=fresh(),
            legs=legs,
            reason="test",
            reference="test",
            at=at,
            overdraw=overdraw,
        )
        work.record(CAUSE)

    def begin(self, order_id, *paying, by=ALICE, answers=(), at=NOON) -> Checkout:
        return checkout.begin(
            self.ledger,
            self.desk,
            self.provider,
            self.personal,
            order_id=order_id,
            by=by,
            paying=paying,
            answers=answers,
            entry_id=fresh(),
            at=at,
            cause=CAUSE,
        )

    def advance(self, order_id, *, at=NOON) -> Checkout:
        return checkout.advance(
            self.ledger,
            self.desk,
            self.provider,
            order_id=order_id,
            at=at,
            cause=CAUSE,
        )

    def hear(self, order_id, kind: NewsKind, *, at=NOON, about="", purpose=None):
        """Let the provider call back about an order's payment, signed as it does."""
        paying = payment_id(purpose or order_id)
        news = PaymentNews(paying, kind, f"sandbox_{paying.hex}", about, "", 4_000)
        body, signature = self.provider.callback(news, at=at)
        heard = self.provider.read_callback(body=body, signature=signature, at=at)
        return checkout.hear(
            self.ledger, self.desk, self.provider, news=heard, at=at, cause=CAUSE
        )

    def give_up(self, order_id, *, at) -> Checkout:
        return checkout.decide_payment(
            self.ledger,
            self.desk,
            self.provider,
            order_id=order_id,
            give_up=True,
            at=at,
            cause=CAUSE,
        )

    def order(self, order_id) -> Order:
        return self.ledger.order(order_id)

    def payment(self, order_id) -> Payment:
        """Return an order's first payment."""
        found = self.ledger.find(Payment, payment_id(order_id))
        assert found is not None
        return found

    def tickets(self, order_id) -> list[ETicket]:
        """Return the tickets that were issued for an order, whatever became of them."""
        found = self.order(order_id).tickets
        return [self.ledger.ticket(each) for each in found if each is not None]

    def at_provider(self, order_id) -> NewsKind | None:
        """What the provider has done last about the payment itself."""
        known = self.provider.look_up(payment_id=payment_id(order_id))
        return known[0].kind if known else None

    def available(self, ref: AccountRef, *, at=NOON) -> int:
        account = self.ledger.find(Account, ref.id)
        return account.available_minor(at) if account else 0

    def purse(self, party_id=ALICE, **more) -> int:
        return self.available(purse_ref(party_id, "EUR"), **more)

    def points(self, party_id=ALICE, **more) -> int:
        return self.available(points_ref(party_id, ISSUER), **more)

    def posted(self, account: str) -> int:
        """Return what all entries together have posted to a name."""
        return self.postings()[account]

    def postings(self) -> Counter[str]:
        """Return what all entries together have posted, by name."""
        sums: Counter[str] = Counter()
        for entry in self.entries():
            for posting in entry.postings:
                sums[posting.account] += posting.amount_minor
        return sums

    def trial_balance(self) -> TrialBalance:
        return accounts.trial_balance_of(self.ledger)

    def entries(self) -> list[Entry]:
        found = self.ledger.recorder.select_notifications(
            start=1, limit=10_000, topics=[Entry.Made.TOPIC]
        )
        made = [self.ledger.find(Entry, each.originator_id) for each in found]
        return [entry for entry in made if entry is not None]


def card(amount_minor: int, token: str = "tok-ok") -> Tender:
    return Tender(CARD, amount_minor, instrument=token)


def e_money(amount_minor: int) -> Tender:
    return Tender(E_MONEY, amount_minor)


def points(many: int) -> Tender:
    return Tender(BY_POINTS, many, points=many)


def mixed(token: str = "tok-ok") -> Sequence[Tender]:
    """All three together for 4,000."""
    return points(500), e_money(1_500), card(2_000, token)


class Mortal:
    """Counts the moments at which a process may die, and dies at one of them.

    A moment is before and after every commit and every call to the provider.
    """

    CALLS = ("authorise", "capture", "cancel", "refund", "look_up")

    def __init__(self, till: Till, dies_at: int | None) -> None:
        self.till, self.dies_at, self.moments = till, dies_at, 0

    def _moment(self) -> None:
        self.moments += 1
        if self.moments == self.dies_at:
            raise Died

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def mortal(*args: Any, **kwargs: Any) -> Any:
            self._moment()
            done = call(*args, **kwargs)
            self._moment()
            return done

        return mortal

    @contextmanager
    def __call__(self) -> Iterator[Mortal]:
        """Let the process live in here until it dies; say nothing of it."""
        where: list[tuple[object, str]] = [(self.till.ledger, "save")]
        where += [(self.till.provider, call) for call in self.CALLS]
        for owner, name in where:
            setattr(owner, name, self._wrapped(getattr(owner, name)))
        try:
            yield self
        except Died:
            pass
        finally:
            for owner, name in where:
                delattr(owner, name)
