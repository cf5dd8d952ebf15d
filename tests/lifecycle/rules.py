"""The invariants of the domain over a whole ledger, after any step.

Each says its letter. They are told by the aggregates as they were last recorded, and
by what the machine remembers of its own: who ought to own what.
"""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from ledger.aggregates.account import Account, Entry
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.case import Case
from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.aggregates.e_ticket.states import TERMINAL
from ledger.aggregates.medium import Medium
from ledger.aggregates.offering import Offering
from ledger.aggregates.order import Order, OrderState
from ledger.aggregates.sale import Sale
from ledger.usecases import accounts, stock

PLACED = (Life.OWNED, Life.DISPENSED, Life.SPENT, Life.EXPIRED)


def check(world):
    ledger, owners, at = world.ledger, world.owners, world.at
    tickets = ledger.all_of(ETicket)
    titles(tickets, owners)
    locks(ledger, tickets)
    forms(ledger, tickets)
    money(ledger)
    places(ledger, tickets, at)
    limits(ledger, tickets)
    holds(ledger, tickets)
    uses(tickets)
    cards(ledger, world.cards.by_uid)


def titles(tickets, owners):
    """O1, O2: each ticket is owned by whom the accepted commands say."""
    assert {ticket.id: ticket.owner_id for ticket in tickets} == owners


def moved_rightly(before, after, *, decided):
    """O3, O5: a title that moved took the epoch along, and was not frozen."""
    for ticket_id, (owner, epoch, frozen) in before.items():
        now_owner, now_epoch, _ = after[ticket_id]
        assert now_epoch >= epoch
        if now_owner != owner:
            assert now_epoch > epoch
            assert decided or not frozen


def locks(ledger, tickets):
    """O4: what a lock names is live. O7: nothing holds what has ended."""
    for ticket in tickets:
        lock = ticket.lock
        if lock.kind == LockKind.GIFT:
            assert ticket.offer.offer_id == lock.ref
        if lock.kind == LockKind.SETTLEMENT:
            sale = ledger.latest[lock.ref]
            assert sale.state in ("INITIATED", "FUNDS_HELD")
        if lock.kind == LockKind.EXCHANGE:
            assert isinstance(ledger.latest.get(lock.ref), Order)
        if ticket.life in TERMINAL:
            assert lock.kind == LockKind.NONE


def forms(ledger, tickets):
    """O6, M1: one form each; a slot holds one ticket, a serial stands on one."""
    taken = Counter(
        (ticket.form.medium_uid, ticket.form.slot)
        for ticket in tickets
        if ticket.form.kind == FormKind.ON_MEDIUM and ticket.life == Life.OWNED
    )
    assert not taken or max(taken.values()) == 1
    serials = Counter(ticket.form.serial for ticket in tickets if ticket.form.serial)
    serials.update(serial for ticket in tickets for serial in ticket.dead_serials)
    assert not serials or max(serials.values()) == 1
    for medium in ledger.all_of(Medium):
        named = [slot.ticket_id for slot in medium.slots if slot.ticket_id]
        assert len(named) == len(set(named))
        for slot in medium.slots:  # O3: no slot is ahead of its ticket.
            if slot.ticket_id:
                assert slot.epoch <= ledger.latest[slot.ticket_id].epoch


def money(ledger):
    """R1: postings sum to zero per currency, and purses are what entries say."""
    told = accounts.trial_balance(ledger.all_of(Entry), ledger.all_of(Account))
    assert told.holds, told
    for account in ledger.all_of(Account):
        held = sum(hold.amount_minor for hold in account.holds.values())
        assert account.balance_minor < 0 or held <= account.balance_minor
        lots = sum(lot.points for lot in account.lots)
        for hold in account.holds.values():
            lots += sum(lot.points for lot in hold.lots)
        assert account.currency != "PTS" or lots == max(0, account.balance_minor)
    # R2, R3: escrow holds what its sale has not given out, and nothing else.
    balance: Counter[str] = Counter()
    for entry in ledger.all_of(Entry):
        for posting in entry.postings:
            balance[posting.account] += posting.amount_minor
    for sale in ledger.all_of(Sale):
        left = balance[accounts.escrow_of(sale.id, sale.currency)]
        assert 0 <= left <= sale.price.amount_minor
        if sale.state in ("INITIATED", "FUNDS_HELD", "ABORTED", "PAID_OUT", "CLOSED"):
            assert left == 0


def places(ledger, tickets, at):
    """O10, D1, O8: capacity = free + held + sold; sold is what tickets stand on."""
    for offering in ledger.all_of(Offering):
        counted = stock.count(ledger, offering.id, at=at)
        assert counted.free + counted.held + counted.sold == counted.capacity
        assert min(counted.free, counted.held, counted.sold) >= 0
        placed = sum(
            ticket.offering_id == offering.id and ticket.life in PLACED
            for ticket in tickets
        )
        revoked = sum(  # By a decision the place may stay taken.
            ticket.offering_id == offering.id and ticket.life == Life.REVOKED
            for ticket in tickets
        )
        assert placed <= counted.sold <= placed + revoked


def limits(ledger, tickets):
    """D6: what a party owns is what its allowance counts. R7: no more is resold."""
    by_party: dict[tuple[UUID, UUID], set[UUID]] = {}
    for ticket in tickets:
        if ticket.life in (Life.OWNED, Life.DISPENSED, Life.SPENT):
            key = (ticket.offering_id, ticket.owner_id)
            by_party.setdefault(key, set()).add(ticket.id)
    for allowance in ledger.all_of(Allowance):
        key = (allowance.offering_id, allowance.party_id)
        assert by_party.pop(key, set()) == set(allowance.owned)
        offering = ledger.latest[allowance.offering_id]
        assert 0 <= allowance.resold <= offering.purchase_limit
    assert by_party == {}


def holds(ledger, tickets):
    """F1: every hold names a case that is live."""
    for ticket in tickets:
        for hold in ticket.holds:
            case = ledger.latest[hold.case_id]
            assert isinstance(case, Case)
            assert case.state not in ("CLOSED", "WITHDRAWN", "MERGED")
        if ticket.offer is not None and ticket.offer.suspended_at is None:
            assert all("no_title" not in hold.effects for hold in ticket.holds)

    for case in ledger.all_of(Case):
        if case.state not in ("CLOSED", "WITHDRAWN", "MERGED"):
            for ticket_id in case.ticket_ids:
                held = ledger.latest[ticket_id].holds
                assert case.id in {hold.case_id for hold in held}


def cards(ledger, by_uid):
    """M2: the ledger believes of a card what the card has committed, or less.

    M3: what was on a card that has ended is its owner's to record anew.
    """
    for card in by_uid.values():
        medium = ledger.medium(card.uid)
        waits = 0 if medium.pending is None and not medium.is_out_of_use else 1
        assert medium.seq <= card.seq <= medium.seq + waits
    over = {each.uid for each in ledger.all_of(Medium) if each.is_out_of_use}
    for ticket in ledger.all_of(ETicket):
        free = ticket.life != Life.OWNED or ticket.form.medium_uid not in over
        assert free or ticket.print_serial is not None


def uses(tickets):
    """C1: redeemed - reversed + leased <= limit."""
    for ticket in tickets:
        leased = ticket.lease.amount if ticket.lease else 0
        assert leased <= ticket.uses.left <= ticket.uses.limit


def orders_are_honest(ledger):
    """A confirmed order has its tickets, and no other has one."""
    for order in ledger.all_of(Order):
        made = [each for each in order.tickets if each is not None]
        assert bool(made) == (order.state == OrderState.CONFIRMED)
        for ticket_id in made:
            assert ledger.latest[ticket_id].order_id == order.id
