"""Moving money: purses and the balanced entry, always in one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.account import (
    POINTS,
    Account,
    Entry,
    NoMoney,
    Posting,
    require_amount,
)
from ledger.aggregates.party import Party
from ledger.application import Cause, Ledger, Work
from ledger.errors import Unknown
from ledger.vocabulary.ids import account_id, expiry_entry_id
from ledger.vocabulary.money import Money

E_MONEY = "e-money"
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class AccountRef:
    """A party's account: a purse of e-money, or points of one programme."""

    party_id: UUID
    kind: str
    unit: str

    @property
    def id(self) -> UUID:
        return account_id(self.party_id, self.kind, self.unit)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a movement, credit positive; a name is an account without a floor.

    A debit that ends a hold names its purpose; points that come in may expire.
    """

    account: AccountRef | str
    amount: Money
    purpose_id: UUID | None = None
    expires_at: datetime | None = None


def purse_ref(party_id: UUID, currency: str) -> AccountRef:
    return AccountRef(party_id, E_MONEY, currency)


def points_ref(party_id: UUID, programme_id: UUID) -> AccountRef:
    """Points are of one programme, which is its issuer's."""
    return AccountRef(party_id, f"points/{programme_id}", POINTS)


def purse(work: Work, ref: AccountRef, *, at: datetime) -> Account:
    """Return an account; one that was never used is opened.

    Points that have expired meanwhile end here, with an entry of their own.
    """
    account = work.find(Account, ref.id)
    if account is None:
        return work.add(
            Account.open(
                account_id=ref.id,
                party_id=ref.party_id,
                kind=ref.kind,
                currency=ref.unit,
                at=at,
            )
        )
    _expire(work, account, at)
    return account


def _expire(work: Work, account: Account, at: datetime) -> None:
    entry_id = expiry_entry_id(account.id, account.version)
    expired = account.expire_points(entry_id=entry_id, at=at)
    if not expired:
        return
    programme = account.kind.partition("/")[2]
    work.add(
        Entry.record(
            entry_id=entry_id,
            reason="points expired",
            reference=f"account/{account.id}",
            postings=[
                Posting(str(account.id), -expired, POINTS),
                Posting(f"points-issued/{programme}/{POINTS}", expired, POINTS),
            ],
            at=at,
        )
    )


def move(
    work: Work,
    *,
    entry_id: UUID,
    legs: Sequence[Leg],
    reason: str,
    reference: str,
    at: datetime,
    overdraw: bool = False,
) -> Entry | None:
    """Post every leg and record one entry; legs sum to zero in every currency.

    Raises `InsufficientFunds`, unless what is due may `overdraw`. Legs of nothing are
    left out; if nothing is left, there is no entry and None is returned.
    """
    legs = [leg for leg in legs if leg.amount.amount_minor]
    if not legs:
        return None
    for leg in legs:
        if isinstance(leg.account, AccountRef):
            purse(work, leg.account, at=at).post(
                entry_id=entry_id,
                amount_minor=leg.amount.amount_minor,
                at=at,
                overdraw=overdraw,
                purpose_id=leg.purpose_id,
                expires_at=leg.expires_at,
            )
    return work.add(
        Entry.record(
            entry_id=entry_id,
            reason=reason,
            reference=reference,
            postings=[
                Posting(
                    _name(leg.account), leg.amount.amount_minor, leg.amount.currency
                )
                for leg in legs
            ],
            at=at,
        )
    )


def _name(account: AccountRef | str) -> str:
    return account if isinstance(account, str) else str(account.id)


@dataclass(frozen=True, slots=True)
class ToppedUp:
    entry_id: UUID
    balance_minor: int
    position: int


def top_up(
    ledger: Ledger,
    *,
    entry_id: UUID,
    party_id: UUID,
    amount: Money,
    reference: str,
    at: datetime,
    cause: Cause,
) -> ToppedUp:
    """Credit a purse with e-money that was paid in at a counter."""
    require_amount(amount.amount_minor)
    if amount.currency == POINTS:
        raise NoMoney
    work = ledger.work()
    work.get(Party, party_id, Unknown(what="party"))
    ref = purse_ref(party_id, amount.currency)
    paid_in = Money(-amount.amount_minor, amount.currency)
    move(
        work,
        entry_id=entry_id,
        legs=[Leg(ref, amount), Leg(counter_of(amount.currency), paid_in)],
        reason="top-up",
        reference=reference,
        at=at,
    )
    balance_minor = purse(work, ref, at=at).balance_minor
    return ToppedUp(entry_id, balance_minor, work.record(cause))


# The names of accounts without a floor.


def revenue_of(issuer_id: UUID, currency: str) -> str:
    """Name the account of what an issuer has earned."""
    return f"revenue/{issuer_id}/{currency}"


def escrow_of(sale_id: UUID, currency: str) -> str:
    """Name where a sale's money waits for its release."""
    return f"escrow/{sale_id}/{currency}"


def platform_of(currency: str) -> str:
    return f"platform/{currency}"


def tax_of(issuer_id: UUID, currency: str) -> str:
    return f"tax/{issuer_id}/{currency}"


def card_clearing_of(provider: str, currency: str) -> str:
    """Name what a payment provider owes for captured payments."""
    return f"card/{provider}/{currency}"


def points_issued_of(programme_id: UUID) -> str:
    """Name the other side of all points of a programme."""
    return f"points-issued/{programme_id}/{POINTS}"


def points_cost_of(issuer_id: UUID, currency: str) -> str:
    """Name what an issuer gives in money for points that pay."""
    return f"points-cost/{issuer_id}/{currency}"


def counter_of(currency: str) -> str:
    return f"counter/{currency}"


def compensation_of(currency: str) -> str:
    """Name what the transaction centre pays out of its own."""
    return f"compensation/{currency}"


def debt_of(party_id: UUID, currency: str) -> str:
    """Name what a party owes and no purse of it can tell."""
    return f"debt/{party_id}/{currency}"


# Whether it all adds up.


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Sums of all postings by currency, and purses that entries do not explain."""

    sums_minor: Mapping[str, int]
    unexplained: Sequence[UUID]

    @property
    def holds(self) -> bool:
        return not any(self.sums_minor.values()) and not self.unexplained


def trial_balance_of(ledger: Ledger) -> TrialBalance:
    """Add up every posting in the log, and hold every purse against them."""
    entries: list[Entry] = []
    accounts: list[Account] = []
    start: int | None = 1
    topics = [Entry.Made.TOPIC, Account.Opened.TOPIC]
    while start is not None:
        page = ledger.recorder.select_notifications(start, _PAGE, topics=topics)
        for each in page:
            entry = ledger.find(Entry, each.originator_id)
            account = ledger.find(Account, each.originator_id)
            entries += [entry] if entry is not None else []
            accounts += [account] if account is not None else []
        start = page[-1].id + 1 if len(page) == _PAGE else None
    return trial_balance(entries, accounts)


def trial_balance(
    entries: Sequence[Entry], accounts: Sequence[Account]
) -> TrialBalance:
    """Add up every posting there is, and hold the purses against them."""
    sums: Counter[str] = Counter()
    by_account: Counter[str] = Counter()
    for entry in entries:
        for posting in entry.postings:
            sums[posting.currency] += posting.amount_minor
            by_account[posting.account] += posting.amount_minor
    unexplained = [
        account.id
        for account in accounts
        if by_account[str(account.id)] != account.balance_minor
    ]
    return TrialBalance(dict(sums), unexplained)
