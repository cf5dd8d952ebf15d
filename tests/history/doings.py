"""What a client does all day: people who want the same few things at the same time.

    a ticket     ──► given, taken, sold, bought; loaded, dispensed, used (`machines`)
    money        ──► purses and hot stock (`shopping`)

Now and then somebody tries what is not his: that has to be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from ledger.aggregates.e_ticket import ETicket, Life, LockKind
from ledger.application import Cause
from ledger.usecases import grants, ownership, resale
from tests.domain.examples import ISSUER
from tests.history import town
from tests.history.client import Client
from tests.history.machines import Machines
from tests.history.shopping import Shopping
from tests.history.town import AT, PEOPLE

SOON = AT + timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What clients like to do, as shares of what they could."""

    sees_views: bool = True
    machines_share: float = 0.4
    """Of what is done to tickets is done at machines."""

    strangers_share: float = 0.1
    """Of commands come from somebody who has no right to."""


class Doings:
    """What one client may do next."""

    def __init__(self, client: Client, habits: Habits) -> None:
        self.client = client
        self.its, self.ledger = client.its, client.ledger
        self.chance = client.chance
        self.machines = Machines(client)
        self._habits = habits
        self._generations = [0] * town.SLOTS
        shopping = Shopping(client)
        self._ways: dict[Callable[[], None], int] = {
            self.go_to_a_ticket: 44,
            shopping.pay_in: 7,
            shopping.transfer: 14,
            shopping.go_shopping: 15,
            shopping.look_at_a_purse: 6,
            client.read_head: 3,
        }
        if habits.sees_views:
            self._ways |= {
                self.see_a_title: 5,
                shopping.see_a_balance: 4,
                client.wait: 2,
            }

    def do(self) -> None:
        """Do one thing, which may take a few operations."""
        ways, weights = list(self._ways), list(self._ways.values())
        [way] = self.chance.choices(ways, weights)
        way()

    # A ticket.

    def go_to_a_ticket(self) -> None:
        slot = self.chance.randrange(town.SLOTS)
        ticket_id = town.ticket_id(slot, self._generations[slot])
        ticket = self.client.read_ticket(ticket_id)
        if ticket is None:
            self._issue(slot, ticket_id)
        elif ticket.life != Life.OWNED:
            self._generations[slot] += 1
        elif ticket.lock.kind == LockKind.GIFT:
            self._end_gift(ticket)
        elif ticket.lock.kind == LockKind.LISTING:
            self._end_listing(ticket)
        elif self.chance.random() < self._habits.machines_share:
            self.machines.go_on(ticket)
        elif ticket.lock.kind == LockKind.NONE:
            self.chance.choice([self._offer, self._offer, self._list])(ticket)

    def _issue(self, slot: int, ticket_id: UUID) -> None:
        mine = self.chance.random() < self._habits.machines_share
        to = self.machines.holder if mine else self._somebody()
        offering_id = town.CUPS if town.is_coupon(slot) else town.SHOW

        def deed(cause: Cause) -> int:
            return grants.grant(
                self.ledger,
                self.its.desk,
                self.its.personal,
                grant_id=self.client.fresh(),
                offering_id=offering_id,
                by=ISSUER,
                to=to,
                ticket_ids=[ticket_id],
                at=AT,
                cause=cause,
            ).position

        self.client.ask("issue", deed, stream=ticket_id, owner_id=to)

    def _offer(self, ticket: ETicket) -> None:
        by, to, offer_id = self._by(ticket.owner_id), self._somebody(), self._fresh()

        def deed(cause: Cause) -> int:
            return ownership.offer_gift(
                self.ledger,
                self.its.personal,
                ticket_id=ticket.id,
                offer_id=offer_id,
                by=by,
                to=to,
                until=SOON,
                at=AT,
                cause=cause,
            ).position

        said = {"offer_id": offer_id, "to_party_id": to}
        self.client.ask("offer", deed, stream=ticket.id, **said)

    def _end_gift(self, ticket: ETicket) -> None:
        offer = ticket.offer
        assert offer is not None
        assert offer.to_party_id is not None
        offer_id, recipient = offer.offer_id, self._by(offer.to_party_id)
        said = {"stream": ticket.id, "offer_id": offer_id}

        def accept(cause: Cause) -> int:
            return ownership.accept_gift(
                self.ledger,
                self.its.personal,
                ticket_id=ticket.id,
                offer_id=offer_id,
                by=recipient,
                terms_hash=ticket.terms_hash,
                answer=None,
                at=AT,
                cause=cause,
            ).position

        def decline(cause: Cause) -> int:
            return ownership.decline_gift(
                self.ledger,
                ticket_id=ticket.id,
                offer_id=offer_id,
                by=recipient,
                at=AT,
                cause=cause,
            ).position

        def withdraw(cause: Cause) -> int:
            return ownership.withdraw_gift(
                self.ledger,
                ticket_id=ticket.id,
                offer_id=offer_id,
                by=ticket.owner_id,
                at=AT,
                cause=cause,
            ).position

        way = self.chance.random()
        if way < 0.7:
            self.client.ask("accept", accept, owner_id=recipient, **said)
        elif way < 0.85:
            self.client.ask("decline", decline, **said)
        else:
            self.client.ask("withdraw", withdraw, **said)

    def _list(self, ticket: ETicket) -> None:
        by, listing_id = self._by(ticket.owner_id), self._fresh()
        price_minor = ticket.resale_cap_minor

        def deed(cause: Cause) -> int:
            return resale.list_ticket(
                self.ledger,
                ticket_id=ticket.id,
                listing_id=listing_id,
                by=by,
                price_minor=price_minor,
                to=None,
                until=SOON,
                at=AT,
                cause=cause,
            ).position

        self.client.ask("list", deed, stream=ticket.id, listing_id=listing_id)

    def _end_listing(self, ticket: ETicket) -> None:
        assert ticket.listing is not None
        listing_id, by = ticket.listing.listing_id, self._somebody()
        said = {"stream": ticket.id, "listing_id": listing_id}

        def buy(cause: Cause) -> int:
            return resale.buy(
                self.ledger,
                self.its.personal,
                ticket_id=ticket.id,
                listing_id=listing_id,
                sale_id=self._fresh(),
                entry_id=self._fresh(),
                by=by,
                answer=None,
                at=AT,
                cause=cause,
            ).position

        def unlist(cause: Cause) -> int:
            return resale.unlist(
                self.ledger,
                ticket_id=ticket.id,
                listing_id=listing_id,
                by=self._by(ticket.owner_id),
                at=AT,
                cause=cause,
            )

        if self.chance.random() < 0.7:
            self.client.ask("buy", buy, owner_id=by, **said)
        else:
            self.client.ask("unlist", unlist, **said)

    def see_a_title(self) -> None:
        slot = self.chance.randrange(town.SLOTS)
        self.client.see_title(town.ticket_id(slot, self._generations[slot]))

    def _fresh(self) -> UUID:
        return self.client.fresh()

    def _somebody(self) -> UUID:
        return self.chance.choice(PEOPLE)

    def _by(self, entitled: UUID) -> UUID:
        stranger = self.chance.random() < self._habits.strangers_share
        return self._somebody() if stranger else entitled
