"""Accounts: what a party has, and every entry that made it so. In minor units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from ledger_client.calls import Calls
from ledger_client.reading import read


@dataclass(frozen=True, slots=True)
class Account:
    account_id: str
    kind: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One posting; `balance_minor` is what the account has after it."""

    entry_id: UUID
    position: int
    reason: str
    reference: str
    currency: str
    amount_minor: int
    balance_minor: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Purse:
    """A purse as it is now: what is held for something is not available."""

    account_id: UUID
    party_id: UUID
    kind: str
    currency: str
    balance_minor: int
    available_minor: int
    version: int


class Accounts:
    """`/v1/me/accounts` and `/v1/accounts`"""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def mine(self) -> Iterator[Account]:
        """Yield the caller's own accounts."""
        return self._calls.list_of(Account, "/v1/me/accounts", "accounts")

    def entries(self, account_id: str) -> Iterator[Entry]:
        """Yield the entries of one of the caller's own accounts, newest first."""
        path = f"/v1/me/accounts/{quote(account_id)}/entries"
        return self._calls.list_of(Entry, path, "entries")

    def purse(self, account_id: UUID) -> Purse:
        return read(Purse, self._calls.get(f"/v1/accounts/{account_id}").said)
