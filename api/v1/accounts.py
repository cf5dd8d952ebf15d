"""Accounts: whose there are, whether they add up, and money paid in at a counter."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import fields

from api.auth import cause, party
from api.openapi.fields import Flag, Id, Strict, Text, Whole, about
from api.openapi.routes import Answer, Json, Routes
from api.positions import Waiting, recorded
from api.v1.schemas import CURRENCY
from ledger.aggregates.account import AMOUNT_MAX_MINOR
from ledger.application import Ledger, attempt
from ledger.clock import Clock, new_id
from ledger.projections.accounts import AccountsView
from ledger.usecases.accounts import top_up
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
    waiting: Waiting,
    clock: Clock,
) -> Blueprint:
    routes = Routes("accounts", "/v1", "Money.", waiting=waiting)

    @routes.get("/me/accounts", gives=AccountsOut, view="accounts")
    def mine() -> Any:
        """List my accounts with their balances."""
        return {"accounts": accounts.of_party(party())}

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
