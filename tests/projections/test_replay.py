"""Whatever happens to tickets and cards, in whatever order, the views agree with it.

Bugs planted to see this fail: an epoch not moved when a card is released; the slots of
an aborted write kept; a lock left behind by a print; the bookmark moved in a commit of
its own; an offer behind a lease forgotten; a listing forgotten while it is paid for; a
reversal not counted; a hold that outlives its release; a card's slot kept by a revoked
ticket; a coupon in money used up one unit at a time; a listing shown while its payment
is under way, or after its coupon was used up; a price that is not the last one asked.
"""

from __future__ import annotations

from functools import partial
from random import Random
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.aggregates.e_ticket import ETicket, HoldEffect, LockKind
from ledger.aggregates.medium.judge import Known
from ledger.projections.freshness import FreshnessView
from ledger.projections.market import MarketView
from ledger.projections.media import MediaView
from ledger.projections.ownership import OwnershipView
from ledger.projections.registry import NAMES
from ledger.projections.runner import Runner
from ledger.projections.wallet import WalletHold, WalletUses, WalletView
from ledger.usecases import audit, listings, media
from tests.domain.examples import NOON
from tests.log.event_catalogue import events_of
from tests.projections.following import catch_up, contents
from tests.projections.whims import Story, topics_of
from tests.usecases.town import CAUSE

STEPS_MAX = 60
STORIES_MAX = 1_000


def test_stories_know_every_event_of_a_ticket():
    """A new event of a ticket is not followed until the stories tell it, too."""
    told: set[str] = set()
    known = {event.TOPIC for event in events_of(ETicket)}
    chance = Random(1)
    for number in range(STORIES_MAX):
        story = Story(
            lambda *both: told.update(topics_of(*both)),
            "coupon" if number % 2 else "admission",
        )
        for _ in range(STEPS_MAX):
            story.go_on(chance.randrange(10_000))
        if known <= told:
            break
    assert sorted(known - told) == []


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(["admission", "coupon"]),
    seed=st.integers(0, 2**32),
    steps=st.integers(0, STEPS_MAX),
)
def test_views_say_what_replay_says(ledger, database, kind, seed, steps):
    story = Story(partial(ledger.record, cause=CAUSE), kind)
    chance = Random(seed)
    for _ in range(steps):
        story.go_on(chance.randrange(10_000))
        if chance.random() < 0.15:
            catch_up(ledger)
            assert_views_agree(ledger, story)
    catch_up(ledger)
    assert_views_agree(ledger, story)
    if chance.random() < 0.2:
        assert_rebuilt_the_same(ledger, database)


def assert_listed_alike(ledger, ticket):
    """What the market shows of it, and for whom, is what the ticket says."""
    market, owner_id = MarketView(ledger.recorder.datastore), ticket.owner_id
    # Tickets of other examples are listed by the same people, too.
    its = {line.ticket_id: line for line in market.of_seller(owner_id, at=NOON)}
    found, listing = its.get(ticket.id), ticket.listing
    if listing is None:
        assert found is None
        return
    assert found is not None
    sold_to = ticket.lock.ref if ticket.lock.kind == LockKind.SETTLEMENT else None
    frozen = any(HoldEffect.NO_TITLE in hold.effects for hold in ticket.holds)
    assert (found.listing_id, found.price_minor, found.to_party_id, found.until) == (
        listing.listing_id,
        listing.price_minor,
        listing.to_party_id,
        listing.until,
    )
    assert (found.sale_id, found.suspended) == (sold_to, frozen)
    assert (found.title, found.right, found.category, found.not_after) == (
        ticket.title,
        ticket.right,
        ticket.category,
        ticket.not_after,
    )
    for at in (NOON, listing.until):
        told = listings.look_at(
            ledger,
            ticket_id=ticket.id,
            listing_id=listing.listing_id,
            by=owner_id,
            at=at,
        )
        lines = market.of_seller(owner_id, at=at)
        (line,) = (each for each in lines if each.ticket_id == ticket.id)
        assert line.state == told.state
    buyer = listing.to_party_id or UUID(int=1)
    shown = {line.ticket_id for line in market.open_to(buyer, at=NOON)}
    assert (ticket.id in shown) == (sold_to is None and not frozen)


def assert_views_agree(ledger, story):
    datastore = ledger.recorder.datastore
    ticket, card = ledger.ticket(story.ticket.id), ledger.medium(story.uid)
    assert_listed_alike(ledger, ticket)

    pending = card.pending is not None
    known, slots, tickets = FreshnessView(datastore).known(story.uid)
    assert known == Known(card.status, card.seq, card.digest, pending=pending)
    assert list(slots) == card.slots
    listed = MediaView(datastore).listed(holder_id=card.holder_id)
    assert [line.status for line in listed if line.uid == card.uid] == [card.status]
    named = {state.ticket_id for state in card.slots if state.ticket_id}
    assert tickets == {ticket_id: media.now(ticket) for ticket_id in named}

    held = WalletView(datastore).tickets([ticket.id])[ticket.id]
    lock = held.lock and (held.lock.kind, held.lock.ref, held.lock.until)
    free = ticket.lock.kind == LockKind.NONE
    assert lock == (
        None if free else (ticket.lock.kind, ticket.lock.ref, ticket.lock.until)
    )
    assert (held.owner_id, held.right, held.epoch, held.life, held.version) == (
        ticket.owner_id,
        ticket.right,
        ticket.epoch,
        ticket.life,
        ticket.version,
    )
    assert held.uses == WalletUses(
        ticket.uses.limit,
        ticket.uses.redeemed,
        ticket.uses.unit,
        ticket.uses.reversed,
    )
    assert (held.title, held.category) == (ticket.title, ticket.category)
    assert (held.points_spent, held.points_earned) == (
        ticket.points_spent,
        ticket.points_earned,
    )
    assert sorted(held.holds, key=str) == sorted(
        [WalletHold(h.case_id, h.kind, h.effects) for h in ticket.holds], key=str
    )
    form = ticket.form
    assert (held.form.kind, held.form.medium_uid, held.form.slot, held.form.serial) == (
        form.kind.lower(),
        form.medium_uid,
        form.slot,
        form.serial,
    )

    chain = OwnershipView(datastore).chain(ticket.id)
    assert [(t.owner_id, t.event, t.version, t.since, t.until) for t in chain] == [
        (o.owner_id, o.event, o.version, o.since, o.until)
        for o in audit.owners(ledger, ticket_id=ticket.id)
    ]


def assert_rebuilt_the_same(ledger, database):
    grown = contents(database, ledger)
    for name in NAMES:
        assert Runner(ledger).rebuild(name) > 0
    assert contents(database, ledger) == grown
