"""Listings, sales and money together, tried in every order by hypothesis.

The real use cases on a log in memory. After every step: postings sum to zero, escrow
holds what it should, a title has moved exactly where an escrow posting stands beside
it, nothing is paid out twice, and a hold keeps title and payout still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from eventsourcing.persistence import Mapper
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ledger.aggregates.account import Entry
from ledger.aggregates.e_ticket import ETicket
from ledger.aggregates.sale import Sale, SaleState
from ledger.errors import Refusal
from ledger.log.replay import transcoder
from ledger.usecases import resale
from tests.domain.examples import BOB, HOUR, ISSUER, NOON
from tests.lifecycle.memory import MemoryLedger
from tests.usecases.market import CAUSE, PEOPLE, Market, fresh

READER = Mapper[UUID](transcoder())
CASES = [UUID(int=701), UUID(int=702)]
PLACES = range(4)  # One paid out at the sale, one after its start, two together.
places = st.sampled_from(PLACES)
people = st.sampled_from(PEOPLE)
prices = st.integers(0, 4_900)  # The cap is 4,800.


class Trading(RuleBasedStateMachine):
    """Three people, four tickets, two cases."""

    @initialize()
    def opens(self) -> None:
        self.ledger = MemoryLedger()
        self.market = Market(self.ledger, purse_minor=6_000, purchase_limit=5)
        self.at = NOON
        self.sales: list[UUID] = []
        self.read = 0
        self.postings: Counter[tuple[str, str]] = Counter()
        self.resold: set[tuple[UUID, UUID, UUID | None]] = set()
        self.escrowed: set[tuple[UUID, UUID, UUID | None]] = set()
        self.payouts: Counter[UUID] = Counter()
        issue = self.market.issue
        later = {"payout": "after_start"}
        self.tickets = [
            *issue(),
            *issue(not_before=NOON + 9 * HOUR, terms=later),
            *issue(
                count=2,
                group_id=fresh(),
                group_size=2,
                terms=later | {"together": True},
                not_before=NOON + 3 * HOUR,
            ),
        ]

    def tried(self, command: Callable[[], object]) -> bool:
        """Do it; a refusal must leave no trace."""
        before = self.ledger.position()
        try:
            command()
        except Refusal:
            assert self.ledger.position() == before
            return False
        return True

    @rule(hours=st.integers(1, 8))
    def time_passes(self, hours: int) -> None:
        self.at += timedelta(hours=hours)

    @rule(place=places, price_minor=prices, to=st.sampled_from([None, None, BOB]))
    def list_ticket(self, place: int, price_minor: int, to: UUID | None) -> None:
        ticket_id = self.tickets[place]
        by = self.market.owner(ticket_id)
        self.tried(
            lambda: self.market.list_ticket(
                ticket_id, price_minor, by=by, to=to, at=self.at
            )
        )

    @precondition(lambda self: self.on_sale())
    @rule(price_minor=prices)
    def reprice(self, price_minor: int) -> None:
        ticket_id = self.on_sale()[-1]
        self.tried(
            lambda: resale.reprice(
                self.ledger,
                ticket_id=ticket_id,
                listing_id=self.market.listing_of(ticket_id),
                by=self.market.owner(ticket_id),
                price_minor=price_minor,
                at=self.at,
                cause=CAUSE,
            )
        )

    @precondition(lambda self: self.on_sale())
    @rule()
    def unlist(self) -> None:
        ticket_id = self.on_sale()[0]
        by = self.market.owner(ticket_id)
        self.tried(lambda: self.market.unlist(ticket_id, by=by, at=self.at))

    @precondition(lambda self: self.on_sale())
    @rule(right=st.integers(0, 99))
    def issuer_changes(self, right: int) -> None:
        ticket = self.ledger.ticket(self.on_sale()[0])
        changes = {"right": f"seat {right}"}
        if self.tried(
            lambda: ticket.modify(by=ISSUER, changes=changes, reason="", at=self.at)
        ):
            self.ledger.record(ticket, cause=CAUSE)

    @precondition(lambda self: self.on_sale())
    @rule(first=places, count=st.integers(1, 4), buyer=st.integers(0, 5))
    def buy(self, first: int, count: int, buyer: int) -> None:
        """Buy one listed ticket, seldom two, mostly as somebody else."""
        on_sale = self.on_sale()
        ticket_id = on_sale[first % len(on_sale)]
        seller = self.market.owner(ticket_id)
        by = [each for each in PEOPLE if each != seller][buyer % 2]
        more = set(on_sale[:2]) if count == 4 else set()
        self.bought({ticket_id} | more, by if buyer else seller)

    @rule(price_minor=prices, by=people)
    def sell_the_pair(self, price_minor: int, by: UUID) -> None:
        for place in (2, 3):
            self.list_ticket(place, price_minor, None)
        self.bought(set(self.tickets[2:]), by)

    def bought(self, wanted: set[UUID], by: UUID) -> None:
        frozen = any(self.is_frozen(ticket_id) for ticket_id in wanted)
        pair = set(self.tickets[2:])

        def buy() -> None:
            sale = self.market.buy(*sorted(wanted, key=str), by=by, at=self.at)
            self.sales.append(sale.sale_id)

        if self.tried(buy):
            assert not frozen
            assert wanted.isdisjoint(pair) or wanted >= pair

    @rule(place=places, case_id=st.sampled_from([*CASES, None, None, None]))
    def freeze(self, place: int, case_id: UUID | None) -> None:
        if case_id is not None:  # Most days nobody complains.
            self.market.freeze(self.tickets[place], case_id=case_id, at=self.at)

    @precondition(lambda self: any(map(self.is_frozen, self.tickets)))
    @rule(case_id=st.sampled_from(CASES))
    def release(self, case_id: UUID) -> None:
        for ticket_id in self.tickets:
            self.market.unfreeze(ticket_id, case_id=case_id, at=self.at)

    @precondition(lambda self: self.sales)
    @rule(hours=st.integers(0, 9))
    def pay_out(self, hours: int) -> None:
        self.at += timedelta(hours=hours)
        sale = self.any_sale(-1)
        sold = [line.ticket_id for line in sale.left]
        frozen = any(self.is_frozen(ticket_id) for ticket_id in sold)
        starts = [self.ledger.ticket(each).not_before for each in sold]
        if self.tried(lambda: self.market.pay_out(sale.id, at=self.at)):
            assert not frozen
            assert max(starts) <= self.at

    @precondition(lambda self: self.sales)
    @rule(which=st.integers(0, 50), whole=st.booleans(), as_debt=st.booleans())
    def decide_for_the_buyer(self, *, which: int, whole: bool, as_debt: bool) -> None:
        sale = self.any_sale(which)
        some = [] if whole else [line.ticket_id for line in sale.left[:1]]
        self.tried(lambda: self.market.reverse(sale.id, *some, as_debt=as_debt))

    @precondition(lambda self: self.sales)
    @rule(which=st.integers(0, 50), to=people, amount_minor=st.integers(1, 5_000))
    def decide_for_a_wronged(self, which: int, to: UUID, amount_minor: int) -> None:
        sale_id = self.any_sale(which).id
        self.tried(lambda: self.market.compensate(sale_id, to, amount_minor))

    @invariant()
    def the_log_adds_up(self) -> None:
        self.read_on()
        by_currency: Counter[str] = Counter()
        for (_, currency), amount in self.postings.items():
            by_currency[currency] += amount
        assert not any(by_currency.values())
        for party_id in PEOPLE:
            posted = self.postings[self.market.purse_name(party_id), "EUR"]
            assert self.market.purse(party_id) == posted

    @invariant()
    def escrow_holds_what_is_not_paid_out_and_nothing_else(self) -> None:
        self.read_on()
        for sale_id in self.sales:
            sale = self.market.sale(sale_id)
            due = sum(line.price_minor for line in sale.left) - sale.compensated_minor
            waits = sale.state == SaleState.TITLE_MOVED
            held = self.postings[f"escrow/{sale_id}/EUR", "EUR"]
            assert held == (due if waits else 0)

    @invariant()
    def a_title_moves_exactly_with_its_escrow_posting(self) -> None:
        self.read_on()
        assert self.resold == self.escrowed
        assert all(times == 1 for times in self.payouts.values())

    def read_on(self) -> None:
        """Take in what was recorded since, as any reader of the log would."""
        newer = self.ledger.stored[self.read :]
        self.read += len(newer)
        for event in map(READER.to_domain_event, newer):
            if isinstance(event, Entry.Made):
                for at in event.postings:
                    self.postings[at["account"], at["currency"]] += at["amount_minor"]
            elif isinstance(event, ETicket.Resold):
                self.resold.add((event.sale_id, event.originator_id, event.entry_id))
            elif isinstance(event, Sale.Escrowed):
                sale = self.market.sale(event.originator_id)
                self.escrowed |= {
                    (sale.id, line.ticket_id, event.entry_id) for line in sale.lines
                }
            elif isinstance(event, Sale.PaidOut):
                self.payouts[event.originator_id] += 1

    def on_sale(self) -> list[UUID]:
        ticket = self.ledger.ticket
        return [each for each in self.tickets if ticket(each).listing]

    def any_sale(self, which: int) -> Sale:
        return self.market.sale(self.sales[which % len(self.sales)])

    def is_frozen(self, ticket_id: UUID) -> bool:
        return bool(self.ledger.ticket(ticket_id).holds)


Trading.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestTrading = Trading.TestCase
