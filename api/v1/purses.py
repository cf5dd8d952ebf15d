"""One account: a purse or points as they stand, and what moved on any, line by line."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import has, party
from api.openapi.fields import Strict, Text, Time, about
from api.openapi.routes import Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting
from api.v1.tickets import MomentAsked
from ledger.aggregates.account import Account
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.errors import Unknown
from ledger.projections.accounts import AccountsView
from ledger.projections.entries import EntriesView
from ledger.usecases import audit
from ledger.vocabulary.codes import Role


class StatementAsked(PageAsked):
    account = Text(
        required=True,
        metadata=about("A purse's id, or an account's name.", "counter/EUR"),
    )


class FundsHeldOut(Strict):
    """A part of the balance that is kept for one purpose."""

    purpose_id = fields.UUID(metadata=about("The order or sale that it is kept for."))
    amount_minor = fields.Integer()
    until = Time()


class LotOut(Strict):
    """Points that came in together, and are not held."""

    points = fields.Integer()
    expires_at = Time(allow_none=True)


class PurseOut(Strict):
    """A purse of e-money, or the points of one programme, counted as minor units."""

    account_id = fields.UUID()
    party_id = fields.UUID()
    kind = fields.String(
        metadata=about("e-money, or points/ and the issuer's id.", "e-money")
    )
    currency = fields.String(metadata=about("ISO 4217, or the unit of points.", "EUR"))
    balance_minor = fields.Integer()
    available_minor = fields.Integer(metadata=about("Neither held nor expired."))
    holds = fields.List(fields.Nested(FundsHeldOut))
    lots = fields.List(
        fields.Nested(LotOut), metadata=about("Of points: the first to expire first.")
    )
    version = fields.Integer()


class EntryOut(Strict):
    """What one entry moved on the account: a credit is positive."""

    entry_id = fields.UUID()
    position = fields.Integer(metadata=about("The entry's place in the log."))
    reason = fields.String(metadata=about("", "top-up"))
    reference = fields.String(metadata=about("", "counter 3"))
    currency = fields.String(metadata=about("", "EUR"))
    amount_minor = fields.Integer(metadata=about("", 4_000))
    balance_minor = fields.Integer(metadata=about("Afterwards."))
    at = Time()


class EntriesOut(Paged):
    entries = fields.List(fields.Nested(EntryOut))


def blueprint(
    ledger: Ledger,
    accounts: AccountsView,
    entries: EntriesView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("purses", "/v1", "An account and its entries.", waiting=waiting)

    @routes.get(
        "/me/accounts/<path:account>/entries",
        gives=EntriesOut,
        asks=PageAsked,
        view="entries",
    )
    def my_entries(asked: Json, account: str) -> Any:
        """Tell what moved on an account of mine, newest first, by its id or name."""
        if not any(each.account_id == account for each in accounts.of_party(party())):
            raise Unknown(what="account")
        return page(asked, "entries", entries.of_account, account=account)

    @routes.get(
        "/accounts/entries", gives=EntriesOut, asks=StatementAsked, view="entries"
    )
    def statement(asked: Json) -> Any:
        """Tell what moved on any account, by its id or name, newest first."""
        return page(asked, "entries", entries.of_account, account=asked["account"])

    @routes.get(
        "/accounts/<uuid:account_id>",
        gives=PurseOut,
        asks=MomentAsked,
        versioned=True,
    )
    def look_at(asked: Json, account_id: UUID) -> Any:
        """Tell a purse, or points, to its party, to operators and auditors."""
        account, at = _seen(ledger, account_id), clock.now()
        when = audit.when_of(asked["as_of"])
        if when is not None:
            account, at = _then(ledger, account_id, when=when)
        return _told(account, at)

    @routes.get(
        "/accounts/<uuid:account_id>/entries",
        gives=EntriesOut,
        asks=PageAsked,
        view="entries",
    )
    def list_entries(asked: Json, account_id: UUID) -> Any:
        """Tell what moved on a purse or on points, newest first."""
        account = str(_seen(ledger, account_id).id)
        return page(asked, "entries", entries.of_account, account=account)

    return routes.blueprint


def _seen(ledger: Ledger, account_id: UUID) -> Account:
    """Return an account; another's answers like one that is not there."""
    account = ledger.account(account_id)
    sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
    if not sees_all and account.party_id != party():
        raise Unknown(what="account")
    return account


def _told(account: Account, at: datetime) -> dict[str, Any]:
    holds = [
        {
            "purpose_id": purpose_id,
            "amount_minor": hold.amount_minor,
            "until": hold.until,
        }
        for purpose_id, hold in account.holds.items()
    ]
    return {
        "account_id": account.id,
        "party_id": account.party_id,
        "kind": account.kind,
        "currency": account.currency,
        "balance_minor": account.balance_minor,
        "available_minor": account.available_minor(at),
        "holds": holds,
        "lots": account.lots,
        "version": account.version,
    }


def _then(
    ledger: Ledger, account_id: UUID, *, when: int | datetime
) -> tuple[Account, datetime]:
    """Return an account as it was at a moment, and when that was."""
    account, moment = audit.stream_at(ledger, Account, account_id, when=when)
    if isinstance(when, datetime):
        return account, when
    return account, moment.at or account.modified_on
