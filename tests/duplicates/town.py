"""What is asked for: money, places, tickets, gifts; each rests on what was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from tests.api.callers import Caller, Callers
from tests.duplicates.sending import TWINS_SHARE, Command, Told

OFFERINGS = 4
PRICE_MINOR = 5_00
PURCHASES_MAX = 10_000
PURSE_MINOR = 1_000_000_00
BOUGHT = "order.confirmed e-ticket.issued entry.made"
TIMES = {
    "sale_from": timedelta(days=-1),
    "sale_until": timedelta(days=1),
    "valid_from": timedelta(days=-1),
    "valid_until": timedelta(days=3),
}
SHARES = {"top up": 0.4, "reserve": 0.35}
"""Of the keys, by what they ask for; the others pay, let go of and give away."""


@dataclass(slots=True)
class Town:
    """Who asks, and what everybody should have when all is done."""

    callers: Callers
    keys: int
    chance: Random
    buyers: list[Caller] = field(default_factory=list)
    offerings: list[str] = field(default_factory=list)
    wanted: Counter[str] = field(default_factory=Counter)
    number: int = 0

    def settle(self) -> None:
        """Let everybody in, with money; put enough places on sale."""
        its = self.callers
        self.buyers = [its.ada, its.ben, its.cleo]
        places = self.keys // OFFERINGS + 1
        now = its.its.clock.now()
        self.offerings = [
            its.offering(
                title=f"Evening {number}",
                places=[f"Place {place}" for place in range(places)],
                purchase_limit=PURCHASES_MAX,
                price_minor=PRICE_MINOR,
                **{name: (now + ago).isoformat() for name, ago in TIMES.items()},
            )
            for number in range(OFFERINGS)
        ]
        for buyer in self.buyers:
            its.rich(buyer, PURSE_MINOR)
            self.wanted[str(buyer.party_id)] += PURSE_MINOR

    def first(self) -> list[Command]:
        """Money is put into purses, and places are reserved."""
        made = [self._top_up() for _ in range(round(self.keys * SHARES["top up"]))]
        made += [self._reserve() for _ in range(round(self.keys * SHARES["reserve"]))]
        return made

    def second(self, told: Sequence[Told]) -> list[Command]:
        """Most of what was reserved is paid, the rest let go of."""
        made = []
        for buyer, said in self._done(told, "order.reserved"):
            order = f"/v1/orders/{said['order_id']}"
            if self.chance.random() < 0.8:
                made.append(
                    self._command(
                        BOUGHT,
                        buyer,
                        "POST",
                        f"{order}/payment",
                        {"tender": "e-money"},
                    )
                )
            else:
                made.append(self._command("order.released", buyer, "DELETE", order))
        return made

    def third(self, told: Sequence[Told]) -> list[Command]:
        """What was bought is offered to others."""
        made = []
        for buyer, said in self._done(
            told, "order.confirmed e-ticket.issued entry.made"
        ):
            self.wanted[str(buyer.party_id)] -= PRICE_MINOR
            others = [str(each.party_id) for each in self.buyers if each is not buyer]
            one, other = self.chance.sample(others, 2)
            made.append(
                self._command(
                    "gift.offered",
                    buyer,
                    "POST",
                    f"/v1/tickets/{said['ticket_id']}/gift-offers",
                    {"to_party_id": one},
                    {"to_party_id": other},
                )
            )
        return made

    def count(self, told: Sequence[Told]) -> None:
        """Count what purses should hold after the first step."""
        for each in told:
            if each.command.effect != "entry.made" or each.done is None:
                continue
            ours = each.done in each.its
            body = each.command.body if ours else each.command.twin
            assert body is not None
            self.wanted[body["party_id"]] += body["amount_minor"]

    def _top_up(self) -> Command:
        buyer = self.chance.choice(self.buyers)
        body = {
            "party_id": str(buyer.party_id),
            "amount_minor": self.chance.randrange(1, 500),
            "currency": "EUR",
            "reference": f"counter {self.number}",
        }
        more = body | {"amount_minor": body["amount_minor"] + 1}  # type: ignore[operator]
        by = self.callers.operator
        return self._command(
            "entry.made", by, "POST", "/v1/accounts/top-ups", body, more
        )

    def _reserve(self) -> Command:
        buyer = self.chance.choice(self.buyers)
        one, other = self.chance.sample(self.offerings, 2)
        return self._command(
            "order.reserved",
            buyer,
            "POST",
            "/v1/orders",
            {"offering_id": one},
            {"offering_id": other},
        )

    def _command(
        self,
        effect: str,
        by: Caller,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        twin: dict[str, Any] | None = None,
    ) -> Command:
        self.number += 1
        assert by.token is not None
        return Command(
            effect=effect,
            token=by.token,
            key=f"key-{self.number}",
            method=method,
            path=path,
            body=body,
            twin=twin if self.chance.random() < TWINS_SHARE else None,
        )

    def _done(
        self, told: Sequence[Told], effect: str
    ) -> Iterator[tuple[Caller, dict[str, Any]]]:
        by_token = {each.token: each for each in self.buyers}
        for each in told:
            if each.command.effect == effect and each.done is not None:
                yield by_token[each.command.token], each.done.json
