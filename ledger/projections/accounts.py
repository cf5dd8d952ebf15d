"""The balance of every account that a posting names.

Purses belong to parties; an account without a floor is only a name, such as
`revenue/<issuer>/EUR` or `counter/EUR`. Over all accounts a currency sums to zero.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.account import Account, Entry
from ledger.projections.base import Projection, Statement, View


@dataclass(frozen=True, slots=True)
class Balance:
    """One account's balance; `account_id` is a purse's id, or the account's name."""

    account_id: str
    kind: str
    currency: str
    balance_minor: int


class AccountsView(View):
    """The table `accounts`."""

    name = "accounts"
    tables = ("accounts",)

    def of_party(self, party_id: UUID) -> Sequence[Balance]:
        """Return the accounts of a party: purses, and what an issuer has earned."""
        rows = self.rows(
            "SELECT account AS account_id, kind, currency, balance_minor FROM accounts"
            " WHERE party_id = %s ORDER BY kind, currency",
            (party_id,),
        )
        return [Balance(**row) for row in rows]

    def balance_minor(self, account: str, currency: str) -> int:
        """Return an account's balance; an account never named holds nothing."""
        rows = self.rows(
            "SELECT balance_minor FROM accounts WHERE account = %s AND currency = %s",
            (account, currency),
        )
        return int(rows[0]["balance_minor"]) if rows else 0

    def sums_minor(self) -> Mapping[str, int]:
        """Return the sum over all accounts by currency: zero, or money was made up."""
        rows = self.rows(
            "SELECT currency, sum(balance_minor)::bigint AS sum_minor FROM accounts"
            " GROUP BY currency",
            (),
        )
        return {row["currency"]: row["sum_minor"] for row in rows}


class Accounts(Projection[AccountsView]):
    """Adds up the postings of entries."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: Account.Opened, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO accounts (account, currency, party_id, kind,"
                " balance_minor) VALUES (%s, %s, %s, %s, 0)"
                " ON CONFLICT (account, currency) DO UPDATE"
                " SET party_id = excluded.party_id, kind = excluded.kind",
                (
                    str(domain_event.originator_id),
                    domain_event.currency,
                    domain_event.party_id,
                    domain_event.kind,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Entry.Made, tracking: Tracking) -> None:
        postings = domain_event.postings
        sums: Counter[str] = Counter()
        for posting in postings:
            sums[posting["currency"]] += posting["amount_minor"]
        if any(sums.values()):
            raise ValueError(f"the entry {domain_event.originator_id} does not balance")
        posted = [_post(posting) for posting in postings]
        self.view.change(tracking, *posted)


def _post(posting: Mapping[str, Any]) -> Statement:
    account, currency = posting["account"], posting["currency"]
    kind, party_id = _named(account)
    return (
        "INSERT INTO accounts AS a (account, currency, party_id, kind, balance_minor)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (account, currency) DO UPDATE"
        " SET balance_minor = a.balance_minor + excluded.balance_minor",
        (account, currency, party_id, kind, posting["amount_minor"]),
    )


# Names of the form `kind/party/currency`. The middle of any other name is no party:
# a sale of an escrow, a provider of card payments.
_OF_PARTIES = (
    "revenue",
    "tax",
    "points-issued",
    "points-cost",
    "debt",
    "receivable",
    "commission",
)


def _named(account: str) -> tuple[str, UUID | None]:
    """Read an account's name; a purse is known by its id."""
    kind, *more = account.split("/")
    if not more:
        return "purse", None
    return kind, UUID(more[0]) if kind in _OF_PARTIES else None
