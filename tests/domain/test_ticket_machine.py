"""Whatever is asked of a ticket, in whatever order, its invariants hold.

Moves are mostly sensible (the owner, the open offer, the current epoch) and sometimes
not, so that runs go deep and every guard is leant on. Bugs planted to see this fail,
one at a time: a gift accepted by anybody; the epoch not moved with a title; a title
event that names the wrong one before it; a print authorised twice; a paper with
another serial; a dispense that ignores the epoch; a lease that never runs out.
"""

from collections import Counter
from copy import deepcopy
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.errors import Refusal
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, ISSUER, NOON, a_ticket

OTHER = UUID(int=31)
CARD = "04000000000001"
LEASE_S = 90


def mostly(sensible, *others):
    """Draw the sensible value in about four of five."""
    return st.integers(0, 4).flatmap(
        lambda n: st.just(sensible) if n else st.sampled_from([*others])
    )


# Words that are looked up in the ticket when the move is made.
OWNER, OFFEREE, CURRENT, AUTHORISED = "owner", "offeree", "current", "authorised"

BY_OWNER = mostly(OWNER, ALICE, BOB, CAROL)
REF = mostly(CURRENT, OTHER)
DEVICE = mostly(DISPENSER, OTHER)
EPOCH = mostly(CURRENT, 1, 2)
SLOT = mostly(0, 1)
ANYBODY = st.sampled_from([ALICE, BOB, CAROL])

MOVES = {
    "offer_gift": {"offer_id": st.uuids(), "by": BY_OWNER, "to": ANYBODY},
    "accept_gift": {
        "offer_id": REF,
        "by": mostly(OFFEREE, ALICE, BOB, CAROL),
        "terms_hash": mostly(CURRENT, "old"),
        "check_sealed": st.none(),
    },
    "decline_gift": {"offer_id": REF, "by": mostly(OFFEREE, ALICE)},
    "withdraw_gift": {"offer_id": REF, "by": BY_OWNER},
    "list_for_resale": {
        "listing_id": st.uuids(),
        "by": BY_OWNER,
        "price_minor": mostly(4_000, 4_401, -1),
        "to": st.none() | ANYBODY,
    },
    "unlist": {"listing_id": REF, "by": BY_OWNER},
    "resell": {
        "listing_id": REF,
        "sale_id": st.uuids(),
        "entry_id": st.uuids(),
        "by": ANYBODY,
        "split_minor": st.just({}),
        "check_sealed": st.none(),
    },
    "modify": {
        "by": mostly(ISSUER, ALICE),
        "right": st.sampled_from(["Row 1", "Row 2"]),
        "reason": st.just("moved"),
    },
    "prepare_write": {
        "write_id": st.uuids(),
        "medium_uid": st.just(CARD),
        "slot": SLOT,
        "seq": st.just(1),
        "by": BY_OWNER,
    },
    "confirm_write": {
        "write_id": REF,
        "medium_uid": st.just(CARD),
        "slot": SLOT,
        "epoch": EPOCH,
    },
    "abort_write": {"write_id": REF},
    "release_from_medium": {
        "write_id": st.uuids(),
        "medium_uid": st.just(CARD),
        "slot": SLOT,
    },
    "start_dispense": {
        "job_id": st.uuids(),
        "write_id": st.just(UUID(int=400)),
        "device_id": DEVICE,
        "expected_epoch": EPOCH,
        "medium_uid": st.just(CARD),
        "slot": SLOT,
    },
    "authorise_print": {
        "job_id": REF,
        "write_id": mostly(UUID(int=400), OTHER),
        "device_id": DEVICE,
        "serial": st.sampled_from(["T-000001", "T-000002"]),
    },
    "abort_dispense": {"job_id": REF, "device_id": DEVICE, "reason": st.just("jam")},
    "dispense": {
        "job_id": REF,
        "serial": mostly(AUTHORISED, "T-000001"),
        "device_id": DEVICE,
        "device_time": st.none(),
    },
}
# Where a run is likely to go deeper; the rest is drawn as often as anything.
LIKELY = {
    LockKind.GIFT: ["accept_gift"],
    LockKind.LISTING: ["resell"],
    LockKind.CARD_WRITE: ["confirm_write"],
    LockKind.DISPENSE: ["authorise_print", "dispense"],
}
NEEDS_DEADLINE = {"offer_gift", "list_for_resale", "start_dispense"}


def resolve(ticket, name, value, at):
    if value == OWNER:
        return ticket.owner_id
    if value == OFFEREE:
        return ticket.offer.to_party_id if ticket.offer else BOB
    if value == AUTHORISED:
        return ticket.print_serial or "T-000009"
    if value == CURRENT:
        by_name = {
            "terms_hash": ticket.terms_hash,
            "expected_epoch": ticket.epoch,
            "epoch": ticket.epoch,
        }
        return by_name.get(name, ticket.lock.ref or OTHER)
    return value


def draw_move(data, ticket, at):
    likely = LIKELY.get(ticket.lock.kind, [])
    if ticket.lock.kind == LockKind.NONE:
        on_card = ticket.form.kind == FormKind.ON_MEDIUM
        likely = ["start_dispense" if on_card else "prepare_write", "offer_gift"]
    names = likely * 6 + sorted(MOVES)
    name = data.draw(st.sampled_from(names))
    drawn = data.draw(st.fixed_dictionaries(MOVES[name]))
    arguments = {key: resolve(ticket, key, drawn[key], at) for key in drawn}
    if name in NEEDS_DEADLINE:
        arguments["until"] = at + timedelta(seconds=LEASE_S)
    return name, arguments


def replayed(events):
    aggregate = None
    for event in events:
        aggregate = event.mutate(aggregate)
    return aggregate


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_asked_the_invariants_hold_and_replay_retells_the_story(data):
    ticket = a_ticket()
    at = NOON
    for _ in range(data.draw(st.integers(1, 25))):
        at += timedelta(seconds=data.draw(st.sampled_from([0, 0, 0, 1, 89, 90])))
        name, arguments = draw_move(data, ticket, at)
        before = deepcopy(ticket)
        try:
            getattr(ticket, name)(**arguments, at=at)
        except Refusal:
            refused = True
        else:
            refused = False
        fresh = ticket.pending_events[len(before.pending_events) :]
        for event in fresh:
            follows_the_rules(before, event, at)
            event.mutate(before)
        holds(before, ticket)
        if refused:
            assert all(isinstance(event, ENDS) for event in fresh)
    story = ticket.collect_events()
    assert replayed(story) == ticket
    assert max(Counter(paper_serials(story)).values(), default=1) == 1


# All that a refused command may leave is the end of what ran out of time.
ENDS = (
    ETicket.GiftExpired,
    ETicket.Unlisted,
    ETicket.DispenseAborted,
    ETicket.RedemptionReleased,
)


def paper_serials(story):
    return [event.serial for event in story if isinstance(event, ETicket.Dispensed)]


def in_time(before, at):
    return before.lock.until is None or at < before.lock.until


def follows_the_rules(before, event, at):
    """What must have been true before each kind of event, said a second time."""
    assert before.life == Life.OWNED
    match event:
        case ETicket.GiftAccepted():
            assert before.lock.kind == LockKind.GIFT
            assert event.owner_id == before.offer.to_party_id
            assert (event.giver_id, in_time(before, at)) == (before.owner_id, True)
            assert event.previous_title_version == before.title_version
        case ETicket.Resold():
            assert before.lock.kind == LockKind.LISTING
            assert in_time(before, at)
            assert before.listing.to_party_id in (None, event.owner_id)
            assert event.price_minor <= before.resale_cap_minor
            assert (event.seller_id, event.previous_title_version) == (
                before.owner_id,
                before.title_version,
            )
            assert event.seller_id != event.owner_id
        case ETicket.DispenseStarted():
            assert before.lock.kind == LockKind.NONE
            assert event.expected_epoch == before.epoch
            assert before.form.is_at(event.medium_uid, event.slot)
        case ETicket.PrintAuthorised():
            assert before.lock.kind == LockKind.DISPENSE
            assert in_time(before, at)
            assert before.print_serial is None
        case ETicket.Dispensed():
            assert before.lock.kind == LockKind.DISPENSE
            assert event.serial == before.print_serial
            assert event.device_id == before.lease.device_id
        case ETicket.WrittenToMedium():
            assert before.lock.ref == event.write_id or before.form.is_at(
                event.medium_uid, event.slot
            )
        case ETicket.GiftOffered() | ETicket.Listed() | ETicket.MediumWritePrepared():
            assert before.lock.kind == LockKind.NONE


ENDS_CREDENTIALS = (
    ETicket.GiftAccepted,
    ETicket.Resold,
    ETicket.Modified,
    ETicket.MediumWritePrepared,
    ETicket.MediumWriteAborted,
    ETicket.ReleasedFromMedium,
    ETicket.Dispensed,
)


def holds(told, ticket):
    """`told` is the ticket before, with the fresh events applied one by one."""
    assert told.__dict__ | {"_pending_events": []} == ticket.__dict__ | {
        "_pending_events": []
    }
    moves = [e for e in ticket.pending_events if isinstance(e, ENDS_CREDENTIALS)]
    # O3: every move of title, content or form ends older credentials.
    assert ticket.epoch == 1 + len(moves)
    # O6: exactly one form, and what it needs.
    form = ticket.form
    assert (form.medium_uid is not None) == (form.kind == FormKind.ON_MEDIUM)
    assert (form.serial is not None) == (form.kind == FormKind.PAPER)
    assert (ticket.life == Life.DISPENSED) == (form.kind == FormKind.PAPER)
    # O4: at most one lock, and what it names is live.
    assert (ticket.lock.kind == LockKind.GIFT) == (ticket.offer is not None)
    assert (ticket.lock.kind == LockKind.LISTING) == (ticket.listing is not None)
    leased = ticket.lock.kind in (LockKind.DISPENSE, LockKind.REDEMPTION)
    assert leased == (ticket.lease is not None)
