"""Purses and points: what there is, what moved, and money paid in at a counter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, has, party
from api.openapi.fields import Flag, Id, Strict, Text, Time, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.paging import PageAsked, Paged, page
from api.positions import Waiting, recorded
from api.v1.schemas import CURRENCY
from ledger.aggregates.account import AMOUNT_MAX_MINOR, Account
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.errors import Unknown
from ledger.projections.accounts import AccountsView
from ledger.projections.entries import EntriesView
from ledger.usecases.accounts import top_up
from ledger.vocabulary.codes import Role
from ledger.vocabulary.money import Money


class AccountOut(Strict):
    account_id = fields.String(metadata=about("A purse's id, or an account's name."))
    kind = fields.String(metadata=about("", "e-money"))
    currency = fields.String()
    balance_minor = fields.Integer()


class AccountsOut(Strict):
    accounts = fields.List(fields.Nested(AccountOut))


class PartyAsked(Strict):
    party_id = Id(required=True)


class SumOut(Strict):
    currency = fields.String(metadata=about("", "EUR"))
    sum_minor = fields.Integer(metadata=about("Over all accounts; 0, or it is wrong."))


class TrialBalanceOut(Strict):
    """Whether the books add up: no money is made or lost by an entry."""

    holds = Flag()
    sums = fields.List(fields.Nested(SumOut))


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


class TopUpIn(Strict):
    party_id = Id(required=True)
    amount_minor = Whole(least=1, most=AMOUNT_MAX_MINOR, required=True)
    currency = fields.String(required=True, validate=CURRENCY)
    reference = Text(required=True, metadata=about("The counter's own."))


class TopUpOut(Strict):
    entry_id = fields.UUID()
    balance_minor = fields.Integer()


def blueprint(
    ledger: Ledger,
    accounts: AccountsView,
    entries: EntriesView,
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("accounts", "/v1", "Money.", waiting=waiting)

    @routes.get("/me/accounts", gives=AccountsOut, view="accounts")
    def mine() -> Any:
        """List my accounts with their balances."""
        return {"accounts": accounts.of_party(party())}

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

    @routes.get("/accounts", gives=AccountsOut, asks=PartyAsked, view="accounts")
    def of_party(asked: Json) -> Any:
        """List a party's accounts with their balances, for operators and auditors."""
        return {"accounts": accounts.of_party(asked["party_id"])}

    @routes.get("/accounts/trial-balance", gives=TrialBalanceOut, view="accounts")
    def trial_balance() -> Any:
        """Add up all accounts by currency: every sum is zero, or money was made up."""
        sums = accounts.sums_minor()
        return {
            "holds": not any(sums.values()),
            "sums": [
                {"currency": currency, "sum_minor": sums[currency]}
                for currency in sorted(sums)
            ],
        }

    @routes.get(
        "/accounts/entries", gives=EntriesOut, asks=StatementAsked, view="entries"
    )
    def statement(asked: Json) -> Any:
        """Tell what moved on any account, by its id or name, newest first."""
        return page(asked, "entries", entries.of_account, account=asked["account"])

    @routes.get("/accounts/<uuid:account_id>", gives=PurseOut, versioned=True)
    def look_at(account_id: UUID) -> Any:
        """Tell a purse, or points, to its party, to operators and auditors."""
        account = _seen(ledger, account_id)
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
            "available_minor": account.available_minor(clock.now()),
            "holds": holds,
            "lots": account.lots,
            "version": account.version,
        }

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

    @routes.post("/accounts/top-ups", takes=TopUpIn, gives=TopUpOut)
    def pay_in(body: Json) -> Answer:
        """Credit a purse with e-money that was paid in."""
        entry_id = new_id()
        done = attempt(
            lambda: top_up(
                ledger,
                entry_id=entry_id,
                party_id=body["party_id"],
                amount=Money(body["amount_minor"], body["currency"]),
                reference=body["reference"],
                at=clock.now(),
                cause=cause(),
            )
        )
        return done, recorded(done.position)

    return routes.blueprint


def _seen(ledger: Ledger, account_id: UUID) -> Account:
    """Return an account; another's answers like one that is not there."""
    account = ledger.account(account_id)
    sees_all = has(Role.OPERATOR) or has(Role.AUDITOR)
    if not sees_all and account.party_id != party():
        raise Unknown(what="account")
    return account
