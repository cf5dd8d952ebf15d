"""Whatever is asked of a ticket, in whatever order, its invariants hold.

Bugs planted to see this fail: a gift accepted by anybody; the epoch not moved on a
sale; a print authorised without a lease; a lease that outlives its time; two serials
for one job.
"""

from copy import deepcopy
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.errors import Refusal
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, ISSUER, NOON, a_ticket

PEOPLE = st.sampled_from([ALICE, BOB, CAROL, ISSUER])
REFS = st.sampled_from([UUID(int=n) for n in (201, 202)])
DEVICES = st.sampled_from([DISPENSER, UUID(int=31)])
SLOTS = st.integers(0, 1)
UIDS = st.sampled_from(["04000000000001", "04000000000002"])
EPOCHS = st.integers(1, 6)
SERIALS = st.sampled_from(["T-000001", "T-000002"])
LATER = st.sampled_from([NOON + timedelta(seconds=s) for s in (1, 60, 3_600)])

MOVES_TITLE = (ETicket.GiftAccepted, ETicket.Resold)


def move(name, **arguments):
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


MOVES = st.one_of(
    move("offer_gift", offer_id=REFS, by=PEOPLE, to=PEOPLE, until=LATER),
    move(
        "accept_gift",
        offer_id=REFS,
        by=PEOPLE,
        terms_hash=st.just("current"),
        check_sealed=st.none(),
    ),
    move("decline_gift", offer_id=REFS, by=PEOPLE),
    move("withdraw_gift", offer_id=REFS, by=PEOPLE),
    move(
        "list_for_resale",
        listing_id=REFS,
        by=PEOPLE,
        price_minor=st.integers(0, 5_000),
        to=st.none() | PEOPLE,
        until=LATER,
    ),
    move("unlist", listing_id=REFS, by=PEOPLE),
    move(
        "resell",
        listing_id=REFS,
        sale_id=REFS,
        entry_id=REFS,
        by=PEOPLE,
        split_minor=st.just({}),
        check_sealed=st.none(),
    ),
    move(
        "modify",
        by=PEOPLE,
        right=st.sampled_from(["Row 1", "Row 2"]),
        reason=st.just("moved"),
    ),
    move(
        "prepare_write",
        write_id=REFS,
        medium_uid=UIDS,
        slot=SLOTS,
        seq=st.just(1),
        by=PEOPLE,
    ),
    move("confirm_write", write_id=REFS, medium_uid=UIDS, slot=SLOTS, epoch=EPOCHS),
    move("abort_write", write_id=REFS),
    move("release_from_medium", write_id=REFS, medium_uid=UIDS, slot=SLOTS),
    move(
        "start_dispense",
        job_id=REFS,
        write_id=REFS,
        device_id=DEVICES,
        expected_epoch=EPOCHS,
        medium_uid=UIDS,
        slot=SLOTS,
        until=LATER,
    ),
    move(
        "authorise_print", job_id=REFS, write_id=REFS, device_id=DEVICES, serial=SERIALS
    ),
    move("abort_dispense", job_id=REFS, device_id=DEVICES, reason=st.just("jam")),
    move(
        "dispense",
        job_id=REFS,
        serial=SERIALS,
        device_id=DEVICES,
        device_time=st.none(),
    ),
)


def replayed(events):
    aggregate = None
    for event in events:
        aggregate = event.mutate(aggregate)
    return aggregate


@given(
    moves=st.lists(
        st.tuples(MOVES, st.sampled_from([0, 1, 59, 60, 3_600])), max_size=30
    )
)
def test_whatever_is_asked_the_invariants_hold_and_replay_retells_the_story(moves):
    ticket = a_ticket()
    at = NOON
    for (name, arguments), passes_s in moves:
        at += timedelta(seconds=passes_s)
        if arguments.get("terms_hash") == "current":
            arguments = {**arguments, "terms_hash": ticket.terms_hash}
        before = deepcopy(ticket)
        try:
            getattr(ticket, name)(**arguments, at=at)
        except Refusal:
            # All that a refused command may leave is the end of what ran out of time.
            fresh = ticket.pending_events[len(before.pending_events) :]
            assert all(over_already(before, event, at) for event in fresh)
            continue
        holds(before, ticket)
    assert replayed(deepcopy(ticket).collect_events()) == settled(ticket)


def settled(ticket):
    same = deepcopy(ticket)
    same.collect_events()
    return same


def over_already(before, event, at):
    ends = (
        ETicket.GiftExpired,
        ETicket.Unlisted,
        ETicket.DispenseAborted,
        ETicket.RedemptionReleased,
    )
    return isinstance(event, ends) and before.lock.until <= at


def holds(before, ticket):
    fresh = ticket.pending_events[len(before.pending_events) :]
    titles = [event for event in fresh if isinstance(event, MOVES_TITLE)]
    # O1, O2: one owner, and every title event names the one before it.
    assert (ticket.owner_id != before.owner_id) <= bool(titles)
    if titles:
        assert titles[0].previous_title_version == before.title_version
        assert ticket.form.kind == FormKind.ELECTRONIC
        assert ticket.lock.kind == LockKind.NONE
        assert ticket.owner_id == titles[0].owner_id
    # O3: the epoch only grows, by one an event; whatever moves a form moves it.
    assert 0 <= ticket.epoch - before.epoch <= len(fresh)
    moved = ticket.form != before.form
    assert not moved or ticket.epoch > before.epoch
    # Terminal lives are never left, and nothing happens to them.
    if before.life != Life.OWNED:
        assert not fresh
    # A paper is only ever made of a lease that had its print authorised.
    if ticket.life == Life.DISPENSED and before.life == Life.OWNED:
        assert before.lock.kind == LockKind.DISPENSE
        assert before.print_serial == ticket.form.serial
    # O6: exactly one form, and what it needs.
    if ticket.form.kind == FormKind.ON_MEDIUM:
        assert ticket.form.medium_uid is not None
        assert ticket.form.slot is not None


@given(moves=st.lists(MOVES, max_size=30))
def test_the_title_chain_is_linear_and_gap_free(moves):
    ticket = a_ticket()
    for name, arguments in moves:
        if "terms_hash" in arguments:
            arguments = {**arguments, "terms_hash": ticket.terms_hash}
        try:
            getattr(ticket, name)(**arguments, at=NOON)
        except Refusal:
            continue
    owner_id, version = ALICE, 1
    for event in ticket.collect_events():
        if isinstance(event, ETicket.GiftAccepted):
            giver_id = event.giver_id
        elif isinstance(event, ETicket.Resold):
            giver_id = event.seller_id
        else:
            continue
        assert giver_id == owner_id
        assert event.previous_title_version == version
        owner_id, version = event.owner_id, event.originator_version
    assert ticket.owner_id == owner_id
