"""Moving money: purses and the balanced entry, always in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.aggregates.account import Account, Entry, Posting, require_amount
from ledger.application import Cause, Ledger
from ledger.errors import Missing
from ledger.vocabulary.ids import account_id
from ledger.vocabulary.money import Money

E_MONEY = "e-money"


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
    ledger.party(party_id)
    purse = purse_of(ledger, party_id, amount.currency, at=at)
    purse.post(entry_id=entry_id, amount_minor=amount.amount_minor, at=at)
    entry = Entry.record(
        entry_id=entry_id,
        reason="top-up",
        reference=reference,
        currency=amount.currency,
        postings=[
            Posting(str(purse.id), amount.amount_minor),
            Posting(f"counter/{amount.currency}", -amount.amount_minor),
        ],
        at=at,
    )
    position = ledger.record(purse, entry, cause=cause)
    return ToppedUp(entry_id, purse.balance_minor, position)


def pay(
    ledger: Ledger,
    *,
    entry_id: UUID,
    payer_id: UUID,
    price: Money,
    to_purses: Mapping[UUID, int],
    to_names: Mapping[str, int],
    reason: str,
    reference: str,
    at: datetime,
) -> list[Account | Entry]:
    """Debit a purse and credit others; return what is to be recorded together.

    `to_purses` credits the purses of parties, `to_names` accounts without a floor;
    together they are the price. Nothing is due for a price of zero.
    """
    if price.amount_minor == 0:
        return []
    payer = purse_of(ledger, payer_id, price.currency, at=at)
    payer.post(entry_id=entry_id, amount_minor=-price.amount_minor, at=at)
    postings = [Posting(str(payer.id), -price.amount_minor)]
    purses = [payer]
    for party_id, amount_minor in to_purses.items():
        if amount_minor:
            purse = purse_of(ledger, party_id, price.currency, at=at)
            purse.post(entry_id=entry_id, amount_minor=amount_minor, at=at)
            postings.append(Posting(str(purse.id), amount_minor))
            purses.append(purse)
    postings += [Posting(name, amount) for name, amount in to_names.items() if amount]
    entry = Entry.record(
        entry_id=entry_id,
        reason=reason,
        reference=reference,
        currency=price.currency,
        postings=postings,
        at=at,
    )
    return [*purses, entry]


def revenue_of(issuer_id: UUID, currency: str) -> str:
    """Name the account of what an issuer has earned."""
    return f"revenue/{issuer_id}/{currency}"


def purse_of(ledger: Ledger, party_id: UUID, currency: str, *, at: datetime) -> Account:
    """Load a party's purse; one that was never used is opened."""
    stream = account_id(party_id, E_MONEY, currency)
    try:
        return ledger.account(stream)
    except Missing:
        return Account.open(
            account_id=stream,
            party_id=party_id,
            kind=E_MONEY,
            currency=currency,
            at=at,
        )
