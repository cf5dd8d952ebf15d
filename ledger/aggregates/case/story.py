"""A ticket's story as the planner reads it: its chain of title, its sales, its uses.

Plain values, told from the log by whoever asks for a plan: the planner itself looks at
nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from ledger.aggregates.case.states import Decision

# The shares of a resale price, each with the account that has it once it is paid out.
SELLER, ROYALTY, PLATFORM, TAX = "seller", "royalty", "platform", "tax"


@dataclass(frozen=True, slots=True)
class SaleFacts:
    """One ticket's part in a resale.

    `held`: its money is still in escrow; `seller_held_minor` is what escrow owes the
    seller of it, less than his share once somebody was compensated from there; `owed`:
    the purchaser's card never paid it.
    """

    sale_id: UUID
    seller_id: UUID
    buyer_id: UUID
    price_minor: int
    shares: Mapping[str, int]
    held: bool = False
    seller_held_minor: int = 0
    owed: bool = False

    @property
    def was_paid(self) -> bool:
        """Whether a price was paid for it: a sale for nothing is a gift."""
        return self.price_minor > 0 and not self.owed

    def taken_back(self, issuer_id: UUID, currency: str) -> Counter[str]:
        """Debit every share of the price where it lies now."""
        taken = self.from_seller(self.shares.get(SELLER, 0), currency)
        for account, amount in self._fees(issuer_id, currency).items():
            taken[self._escrow(currency) if self.held else account] -= amount
        return taken

    def _fees(self, issuer_id: UUID, currency: str) -> Counter[str]:
        paid_to = {
            ROYALTY: f"revenue/{issuer_id}/{currency}",
            PLATFORM: f"platform/{currency}",
            TAX: f"tax/{issuer_id}/{currency}",
        }
        return Counter(
            {account: self.shares.get(share, 0) for share, account in paid_to.items()}
        )

    def from_seller(self, amount_minor: int, currency: str) -> Counter[str]:
        """Debit the seller: from escrow what it still owes him, then his purse."""
        in_escrow = min(amount_minor, self.seller_held_minor if self.held else 0)
        taken = Counter({self._escrow(currency): -in_escrow})
        taken[f"purse/{self.seller_id}"] -= amount_minor - in_escrow
        return taken

    def _escrow(self, currency: str) -> str:
        return f"escrow/{self.sale_id}/{currency}"


@dataclass(frozen=True, slots=True)
class Move:
    """One title event: whom the ticket went to, and by what."""

    version: int
    kind: Literal["issued", "gift", "resale", "decision"]
    from_id: UUID | None
    to_id: UUID
    reverses: int | None = None
    sale: SaleFacts | None = None


@dataclass(frozen=True, slots=True)
class Use:
    """Something redeemed and not reversed since, in the unit of the ticket's limit."""

    version: int
    amount: int


@dataclass(frozen=True, slots=True)
class TicketStory:
    """What the planner knows of one ticket.

    `paid_minor` is what the chain first paid, fees included, by `purchaser_id`; unless
    `paid_here`, somebody else has that money, and gives it back himself.
    `paper_usable`: it is on a paper that somebody may have used already.
    `compensated_versions` are title events whose loss was made good in money.
    """

    ticket_id: UUID
    issuer_id: UUID
    purchaser_id: UUID
    order_id: UUID | None
    owner_id: UUID
    life: str
    epoch: int
    paid_minor: int
    currency: str
    moves: tuple[Move, ...]
    life_version: int = 1
    paid_here: bool = True
    uses_limit: int = 1
    uses_unit: str = "count"
    uses: tuple[Use, ...] = ()
    medium_uid: str | None = None
    serial: str | None = None
    paper_usable: bool = False
    compensated_versions: tuple[int, ...] = ()

    @property
    def standing(self) -> tuple[Move, ...]:
        """The chain of title as it is in force: reversed moves left out."""
        chain: list[Move] = []
        for move in self.moves:
            if move.reverses is None:
                chain.append(move)
            else:
                chain = [each for each in chain if each.version != move.reverses]
        return tuple(chain)

    @property
    def is_usable(self) -> bool:
        """Whether the right is still to be used, wholly or in part."""
        return self.life == "OWNED"

    @property
    def is_over(self) -> bool:
        """Whether nothing is left that could be ended."""
        return self.life not in ("OWNED", "DISPENSED")

    @property
    def last_sale(self) -> SaleFacts | None:
        """The resale in force that the present title rests on; None if it was none."""
        sales = [move.sale for move in self.standing if move.sale is not None]
        return sales[-1] if sales else None

    def worth_at(self, version: int) -> int:
        """What the one who owned it after this event had paid for it, or his giver."""
        worth = self.paid_minor
        for move in self.standing:
            if move.version <= version and move.sale is not None:
                worth = move.sale.price_minor
        return worth

    def used_after(self, version: int, worth_minor: int) -> int:
        """What was used up after an event, as its part of the worth, rounded down.

        Of a value in money it is what was used of it.
        """
        used = sum(use.amount for use in self.uses if use.version > version)
        return self._part_of(worth_minor, used)

    def used_until(self, version: int, worth_minor: int) -> int:
        """What was used up before an event, as its part of the worth, rounded down."""
        used = sum(use.amount for use in self.uses if use.version < version)
        return self._part_of(worth_minor, used)

    def _part_of(self, worth_minor: int, used: int) -> int:
        if self.uses_unit == "money":
            return min(worth_minor, used)
        return worth_minor * min(used, self.uses_limit) // self.uses_limit

    def parties(self) -> Collection[UUID]:
        """Everybody who had a part in it: the issuer, and owners now and before."""
        there = {self.issuer_id, self.purchaser_id}
        for move in self.moves:
            there |= {move.to_id} | ({move.from_id} if move.from_id else set())
        return there

    def mark(self) -> str:
        """Say in one line what the plan depends on: another mark, another plan."""
        held = [m.sale.seller_held_minor for m in self.moves if m.sale and m.sale.held]
        used = sum(use.amount for use in self.uses)
        title = self.moves[-1].version
        return (
            f"{self.ticket_id} of {self.owner_id} title {title}"
            f" life {self.life}/{self.life_version} epoch {self.epoch} used {used}"
            f" paper {self.paper_usable} held {held}"
        )


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What is to be unwound: the decision, its tickets, and a bank's notice if any."""

    decision: Decision
    tickets: tuple[TicketStory, ...]
    chargeback: Chargeback | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Chargeback:
    """A payment that a bank took back: from the clearing account of its provider.

    `sale_id` is the resale that it paid for; None: the first purchase.
    """

    purchaser_id: UUID
    amount_minor: int
    currency: str
    clearing: str
    sale_id: UUID | None = None
