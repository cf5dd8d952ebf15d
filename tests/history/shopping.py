"""What a client does with money: purses that all share, and a stock that runs out.

purses       ──► paid in, transferred, looked at
hot stock    ──► reserved ──► paid or released
"""

from __future__ import annotations

from uuid import UUID

from ledger.application import Cause
from ledger.usecases import accounts, sales
from ledger.usecases.accounts import Leg
from ledger.vocabulary.money import Money
from tests.history import town
from tests.history.client import Client
from tests.history.operations import Outcome
from tests.history.town import AT, PEOPLE, PRICE_MINOR


class Shopping:
    """A client's purses and orders."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.its, self.ledger = client.its, client.ledger
        self.chance = client.chance
        self._orders: list[tuple[UUID, UUID]] = []

    def pay_in(self) -> None:
        to, amount = self._somebody(), self.chance.randint(1, 2_000)

        def deed(cause: Cause) -> int:
            return accounts.top_up(
                self.ledger,
                entry_id=self._fresh(),
                party_id=to,
                amount=Money(amount, "EUR"),
                reference="counter",
                at=AT,
                cause=cause,
            ).position

        self.client.ask("credit", deed, entry={town.purse_of(to).hex: amount})

    def transfer(self) -> None:
        giver, taker = self.chance.sample(PEOPLE, 2)
        amount = self.chance.randint(1, 4_000)

        def deed(cause: Cause) -> int:
            work = self.ledger.work()
            accounts.move(
                work,
                entry_id=self._fresh(),
                legs=[
                    Leg(accounts.purse_ref(giver, "EUR"), Money(-amount, "EUR")),
                    Leg(accounts.purse_ref(taker, "EUR"), Money(amount, "EUR")),
                ],
                reason="transfer",
                reference="between friends",
                at=AT,
            )
            return work.record(cause)

        moved = {
            town.purse_of(giver).hex: -amount,
            town.purse_of(taker).hex: amount,
        }
        self.client.ask("transfer", deed, entry=moved)

    def look_at_a_purse(self) -> None:
        self.client.read_purse(town.purse_of(self._somebody()))

    def see_a_balance(self) -> None:
        self.client.see_balance(town.purse_of(self._somebody()))

    def go_shopping(self) -> None:
        if not self._orders or self.chance.random() < 0.5 > len(self._orders) / 6:
            self._reserve()
        elif self.chance.random() < 0.6:
            self._pay(*self._orders.pop())
        else:
            self._release(*self._orders.pop())

    def _reserve(self) -> None:
        buyer, made = self._somebody(), list[UUID]()

        def deed(cause: Cause) -> int:
            made.append(self._fresh())
            return sales.reserve(
                self.ledger,
                self.its.desk,
                order_id=made[-1],
                offering_id=town.HOT,
                buyer_id=buyer,
                at=AT,
                cause=cause,
            ).position

        asked = self.client.ask("reserve", deed, buyer_id=buyer)
        if asked.outcome == Outcome.OK:
            self._orders += [(order_id, buyer) for order_id in made]

    def _pay(self, order_id: UUID, buyer: UUID) -> None:
        def deed(cause: Cause) -> int:
            return sales.pay(
                self.ledger,
                self.its.personal,
                order_id=order_id,
                entry_id=self._fresh(),
                by=buyer,
                answers=[],
                at=AT,
                cause=cause,
            ).position

        entry = {town.purse_of(buyer).hex: -PRICE_MINOR}
        self.client.ask("pay", deed, stream=order_id, entry=entry)

    def _release(self, order_id: UUID, buyer: UUID) -> None:
        def deed(cause: Cause) -> int:
            return sales.release(
                self.ledger,
                self.its.desk,
                order_id=order_id,
                by=buyer,
                at=AT,
                cause=cause,
            )

        self.client.ask("release", deed, stream=order_id)

    def _fresh(self) -> UUID:
        return self.client.fresh()

    def _somebody(self) -> UUID:
        return self.chance.choice(PEOPLE)
