"""Whatever is asked of a ticket, in whatever order, its invariants hold.

Moves are mostly sensible (the owner, the open offer, the current epoch) and sometimes
not, so that runs go deep and every guard is leant on. Bugs planted to see this fail,
one at a time: a gift accepted by anybody; the epoch not moved with a title; a title
event that names the wrong one before it; a print authorised twice; a paper with
another serial; a dispense that ignores the epoch; a lease that never runs out; a title
that moves under a hold; a freeze that leaves an open offer's clock running; a case that
releases another's hold; a revoke under a running print; a reversal greater than its
redemption; a coupon used beyond its limit; a decision that undoes one event twice.
"""

from collections import Counter
from copy import copy
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind, Terms
from ledger.aggregates.e_ticket.states import MEDIUM_KINDS, TERMINAL
from ledger.errors import Refusal
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    ISSUER,
    NOON,
    a_ticket,
)

OTHER = UUID(int=31)
CARD = "04000000000001"
LEASE_S = 90
CASES = [UUID(int=51), UUID(int=52)]
WRITE = UUID(int=400)


def mostly(sensible, *others):
    """Draw the sensible value in about four of five."""
    return st.integers(0, 4).flatmap(
        lambda n: st.just(sensible) if n else st.sampled_from([*others])
    )


# Words that are looked up in the ticket when the move is made.
OWNER, OFFEREE, CURRENT, AUTHORISED = "owner", "offeree", "current", "authorised"
PAPER, LAST_TITLE, SESSION = "paper", "last title", "session"

BY_OWNER = mostly(OWNER, ALICE, BOB, CAROL)
REF = mostly(CURRENT, OTHER)
DEVICE = mostly(DISPENSER, OTHER)
EPOCH = mostly(CURRENT, 1, 2)
SLOT = mostly(0, 1)
ANYBODY = st.sampled_from([ALICE, BOB, CAROL])
DECISION = st.just(UUID(int=61))
SERIAL = st.sampled_from(["T-000001", "T-000002"])
CASE = st.sampled_from(CASES)
CHANGES = st.sampled_from(
    [{"right": "Row 1"}, {"right": "Row 2"}, {"title": "Another"}, {"no": "such"}]
)

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
    "reprice": {
        "listing_id": REF,
        "by": BY_OWNER,
        "price_minor": mostly(3_000, 4_401, 4_000),
    },
    "unlist": {"listing_id": REF, "by": BY_OWNER},
    "start_sale": {"listing_id": REF, "sale_id": st.uuids(), "by": ANYBODY},
    "abort_sale": {"sale_id": REF, "reason": st.just("declined")},
    "resell": {
        "listing_id": REF,
        "sale_id": REF,
        "entry_id": st.uuids(),
        "by": ANYBODY,
        "split_minor": st.just({}),
        "check_sealed": st.none(),
    },
    "modify": {
        "by": mostly(ISSUER, OWNER, ALICE),
        "changes": CHANGES,
        "reason": st.just("moved"),
    },
    "request_modification": {
        "request_id": st.uuids(),
        "by": BY_OWNER,
        "changes": CHANGES,
        "reason": st.just("asked"),
    },
    "start_exchange": {"exchange_id": st.uuids(), "by": BY_OWNER},
    "abort_exchange": {"exchange_id": REF, "reason": st.just("no")},
    "exchange": {
        "exchange_id": REF,
        "successors": st.just([UUID(int=900)]),
        "residual_minor": st.just(4_000),
    },
    "refund": {
        "amount_minor": st.just(4_000),
        "entry_id": st.none(),
        "by": BY_OWNER,
        "decision_id": st.none() | DECISION,
    },
    "void": {"reason": st.just("mistake")},
    "revoke": {
        "reason": st.just("forged"),
        "by": mostly(ISSUER, ALICE),
        "decision_id": st.none() | DECISION,
    },
    "expire": {},
    "reassign": {
        "to": ANYBODY,
        "decision_id": DECISION,
        "reverses_version": mostly(LAST_TITLE, 1),
        "check_sealed": st.none(),
    },
    "reinstate": {"decision_id": DECISION},
    "freeze": {
        "case_id": CASE,
        "kind": st.sampled_from(["DISPUTE", "CHARGEBACK"]),
        "effects": st.sets(
            st.sampled_from(["no_title", "no_dispense", "no_redeem", "no_refund"]),
            min_size=1,
        ),
    },
    "unfreeze": {"case_id": CASE},
    "prepare_write": {
        "write_id": st.uuids(),
        "medium_uid": st.just(CARD),
        "slot": SLOT,
        "seq": st.just(1),
        "by": BY_OWNER,
        "medium_kind": st.sampled_from(MEDIUM_KINDS),
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
    "recall_from_medium": {"medium_uid": st.just(CARD), "reason": st.just("lost")},
    "start_dispense": {
        "job_id": st.uuids(),
        "write_id": st.just(WRITE),
        "device_id": DEVICE,
        "expected_epoch": EPOCH,
        "medium_uid": st.just(CARD),
        "slot": SLOT,
    },
    "authorise_print": {
        "job_id": REF,
        "write_id": mostly(WRITE, OTHER),
        "device_id": DEVICE,
        "serial": SERIAL,
    },
    "abort_dispense": {"job_id": REF, "device_id": DEVICE, "reason": st.just("jam")},
    "dispense": {
        "job_id": REF,
        "serial": mostly(AUTHORISED, "T-000001", "T-000002"),
        "device_id": DEVICE,
        "device_time": st.none(),
    },
    "observe_dispense": {
        "serial": SERIAL,
        "device_id": DEVICE,
        "medium_uid": st.just(CARD),
        "slot": SLOT,
        "epoch": EPOCH,
        "device_time": st.just(NOON),
        "device_seq": st.just(1),
        "known_position": st.just(1),
    },
    "surrender_paper": {"serial": mostly(PAPER, "T-000009")},
    "reissue_paper": {
        "old_serial": mostly(PAPER, "T-000009"),
        "new_serial": st.sampled_from(["T-000003", "T-000001"]),
        "device_id": DEVICE,
        "reason": st.just("torn"),
    },
    "start_redemption": {
        "session_id": st.uuids(),
        "write_id": st.just(WRITE),
        "device_id": DEVICE,
        "expected_epoch": EPOCH,
        "medium_uid": st.just(CARD),
        "slot": SLOT,
        "receipt": st.uuids().map(str),
        "purchase_minor": st.just(900),
        "currency": st.just("EUR"),
        "amount": mostly(1, 2, 4, 0),
    },
    "release_redemption": {
        "session_id": REF,
        "write_id": st.just(WRITE),
        "device_id": DEVICE,
        "reason": st.just("no"),
    },
    "redeem": {
        "session_id": REF,
        "write_id": mostly(WRITE, OTHER),
        "device_id": DEVICE,
    },
    "reverse_redemption": {
        "session_id": mostly(SESSION, OTHER),
        "reversal_id": st.uuids(),
        "amount": mostly(1, 2, 4, 0),
        "reason": st.just("returned"),
        "decision_id": st.none() | DECISION,
    },
    "observe_redemption": {
        "session_id": st.uuids(),
        "receipt": st.uuids().map(str),
        "amount": mostly(1, 2),
        "device_id": DEVICE,
        "device_time": st.just(NOON),
        "device_seq": st.just(1),
        "known_position": st.just(1),
    },
}
# Where a run is likely to go deeper; the rest is drawn as often as anything.
LIKELY = {
    LockKind.GIFT: ["accept_gift", "accept_gift", "freeze", "start_dispense"],
    LockKind.LISTING: ["resell", "start_sale", "reprice", "modify"],
    LockKind.SETTLEMENT: ["resell", "abort_sale", "freeze"],
    LockKind.EXCHANGE: ["exchange", "exchange", "freeze"],
    LockKind.CARD_WRITE: ["confirm_write", "confirm_write", "abort_write", "freeze"],
    LockKind.DISPENSE: ["authorise_print", "authorise_print", "freeze"],
    LockKind.REDEMPTION: ["redeem", "redeem", "freeze"],
}
NEEDS_DEADLINE = {
    "offer_gift",
    "list_for_resale",
    "start_sale",
    "start_exchange",
    "start_dispense",
    "start_redemption",
}


def resolve(ticket, name, value, at):
    if value == OWNER:
        return ticket.owner_id
    if value == OFFEREE:
        return (ticket.offer and ticket.offer.to_party_id) or BOB
    if value == AUTHORISED:
        return ticket.print_serial or "T-000009"
    if value == PAPER:
        return ticket.form.serial or "T-000001"
    if value == LAST_TITLE:
        return ticket.title_version
    if value == SESSION:
        return UUID(next(iter(ticket.redemptions), str(OTHER)))
    if value == CURRENT:
        listing = ticket.listing.listing_id if ticket.listing else None
        offer = ticket.offer.offer_id if ticket.offer else None
        by_name = {
            "terms_hash": ticket.terms_hash,
            "expected_epoch": ticket.epoch,
            "epoch": ticket.epoch,
            "listing_id": listing or OTHER,
            "offer_id": offer or OTHER,
        }
        return by_name.get(name, ticket.lock.ref or OTHER)
    return value


def likely_moves(ticket):
    if ticket.life in TERMINAL:
        return ["reinstate", "reinstate", "reverse_redemption"]
    if ticket.life == Life.DISPENSED:
        return ["surrender_paper", "reissue_paper", "freeze", "revoke"]
    if ticket.print_serial is not None:
        late = ["authorise_print", "freeze", "revoke", "recall_from_medium", "reassign"]
        return ["dispense"] * 4 + late
    if ticket.lock.kind != LockKind.NONE:
        return LIKELY[ticket.lock.kind]
    on_card = ticket.form.kind == FormKind.ON_MEDIUM
    use = "start_dispense" if ticket.kind == "admission" else "start_redemption"
    likely = [use] * 4 if on_card else ["prepare_write"] * 3
    back = ["reverse_redemption"] * 2 if ticket.redemptions else []
    moves = ["offer_gift", "list_for_resale", "start_exchange", "reassign"]
    return [*likely, *back, *moves]


def draw_move(data, ticket, at):
    names = sorted(MOVES)
    if data.draw(st.integers(0, 9)) < 7:
        names = likely_moves(ticket)
        if ticket.holds and data.draw(st.booleans()):
            names = ["unfreeze"]
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


TERMS = Terms(
    resale_cap_percent=110,
    on_medium="exposure",
    refundable=True,
    exchangeable=True,
    modifiable=("title",),
)
TICKETS = st.sampled_from(
    [
        {"terms": TERMS},
        {"terms": TERMS},
        {"terms": Terms(sender_use="blocked")},
        {"terms": TERMS, "kind": "coupon", "uses_limit": 3, "uses_unit": "count"},
        {"terms": TERMS, "kind": "coupon", "uses_limit": 3, "uses_unit": "money"},
        {"terms": TERMS, "not_after": NOON + timedelta(minutes=10)},
    ]
)


def as_it_is(ticket):
    """Copy a ticket; its state is replaced by events, never changed in place."""
    taken = copy(ticket)
    taken.__dict__["_pending_events"] = list(ticket.pending_events)
    return taken


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_asked_the_invariants_hold_and_replay_retells_the_story(data):
    ticket = a_ticket(**data.draw(TICKETS))
    at = NOON
    for _ in range(data.draw(st.integers(20, 40))):
        at += timedelta(seconds=data.draw(st.sampled_from([0] * 6 + [1, 89, 90])))
        name, arguments = draw_move(data, ticket, at)
        before = as_it_is(ticket)
        try:
            getattr(ticket, name)(**arguments, at=at)
        except Refusal as refusal:
            refused = True
            assert_because_names_events_of(ticket, refusal)
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
    assert_titles_are_linear(story)
    assert max(Counter(paper_serials(story)).values(), default=1) == 1


# All that a refused command may leave is the end of what ran out of time.
ENDS = (
    ETicket.GiftExpired,
    ETicket.Unlisted,
    ETicket.DispenseAborted,
    ETicket.RedemptionReleased,
    ETicket.ExchangeAborted,
)
TITLES = (ETicket.Issued, ETicket.GiftAccepted, ETicket.Resold, ETicket.Reassigned)
BY_DECISION = (ETicket.Reassigned, ETicket.Refunded, ETicket.Revoked)


def assert_because_names_events_of(ticket, refusal):
    for name in refusal.because:
        stream, version = name.split("/")
        assert UUID(stream) == ticket.id
        assert 1 <= int(version) <= ticket.version


def assert_titles_are_linear(story):
    """O2: each title event names the one before it, and who owned it then."""
    titles = [event for event in story if isinstance(event, TITLES)]
    for last, event in pairwise(titles):
        assert not isinstance(event, ETicket.Issued)
        assert event.previous_title_version == last.originator_version
        giver = {
            ETicket.GiftAccepted: "giver_id",
            ETicket.Resold: "seller_id",
            ETicket.Reassigned: "from_party_id",
        }[type(event)]
        assert getattr(event, giver) == last.owner_id != event.owner_id


def paper_serials(story):
    made = [event.serial for event in story if isinstance(event, ETicket.Dispensed)]
    again = [e.new_serial for e in story if isinstance(e, ETicket.PaperReissued)]
    return made + again


def in_time(before, at):
    return before.lock.until is None or at < before.lock.until


def is_frozen(before, effect):
    return any(effect in hold.effects for hold in before.holds)


def follows_the_rules(before, event, at):
    """What must have been true before each kind of event, said a second time."""
    if before.life in TERMINAL:
        assert isinstance(
            event,
            ETicket.Reinstated
            | ETicket.RedemptionReversed
            | ETicket.Frozen
            | ETicket.Unfrozen
            | ETicket.DispenseObserved
            | ETicket.RedemptionObserved,
        )
    for rules in (rules_of_title, rules_of_paper, rules_of_uses, rules_of_locks):
        rules(before, event, at)


def rules_of_title(before, event, at):
    match event:
        case ETicket.GiftAccepted():
            assert before.lock.kind == LockKind.GIFT
            assert event.owner_id == before.offer.to_party_id
            assert (event.giver_id, in_time(before, at)) == (before.owner_id, True)
            assert not is_frozen(before, "no_title")  # O5
        case ETicket.Resold():
            assert before.lock.kind in (LockKind.LISTING, LockKind.SETTLEMENT)
            assert in_time(before, at)
            assert before.listing.to_party_id in (None, event.owner_id)
            assert before.listing.epoch == before.epoch  # R6
            assert event.price_minor <= event.cap_minor == before.resale_cap_minor
            assert not is_frozen(before, "no_title")  # O5
        case ETicket.Reassigned():
            assert before.print_serial is None
            assert event.reverses_version not in before.reversed_versions


def rules_of_paper(before, event, at):
    match event:
        case ETicket.DispenseStarted() | ETicket.RedemptionStarted():
            offered = before.lock.kind == LockKind.GIFT
            wins = before.terms.sender_use == "wins"
            assert before.lock.kind == LockKind.NONE or (offered and wins)
            assert before.form.is_at(event.medium_uid, event.slot)
            use = "no_dispense" if before.kind == "admission" else "no_redeem"
            assert not is_frozen(before, use)
            if isinstance(event, ETicket.DispenseStarted):
                assert event.expected_epoch == before.epoch
        case ETicket.PrintAuthorised():
            assert before.lock.kind == LockKind.DISPENSE
            assert in_time(before, at)
            assert before.print_serial is None
            assert not is_frozen(before, "no_dispense")
        case ETicket.DispenseAborted(reason="frozen" | "the lease ran out" | "lost"):
            assert before.print_serial is None
        case ETicket.Dispensed(job_id=None):
            assert before.print_serial in (None, event.serial)
            assert before.form.kind == FormKind.ON_MEDIUM
        case ETicket.Dispensed():
            assert before.lock.kind == LockKind.DISPENSE
            assert event.serial == before.print_serial
            assert event.device_id == before.lease.device_id


def rules_of_uses(before, event, at):
    match event:
        case ETicket.CouponRedeemed():
            leased = before.lock.kind == LockKind.REDEMPTION
            assert event.device_seq is not None or leased
        case ETicket.RedemptionReversed():
            done = before.redemptions[str(event.session_id)]
            assert done.reversed + event.amount <= done.amount  # C3
        case ETicket.WrittenToMedium():
            assert before.lock.ref == event.write_id or before.form.is_at(
                event.medium_uid, event.slot
            )


def rules_of_locks(before, event, at):
    match event:
        case ETicket.GiftOffered() | ETicket.Listed():
            assert before.lock.kind == LockKind.NONE
            assert not is_frozen(before, "no_title")
        case ETicket.MediumWritePrepared() | ETicket.ExchangeStarted():
            assert before.lock.kind == LockKind.NONE
        case ETicket.Refunded() | ETicket.Revoked() | ETicket.Voided():
            assert before.print_serial is None
        case ETicket.Unfrozen():
            assert event.case_id in {hold.case_id for hold in before.holds}
        case ETicket.GiftSuspended():
            assert is_frozen(before, "no_title")
        case ETicket.Expired():
            assert at >= before.not_after
            assert not before.holds


def ends_credentials(event):
    return isinstance(
        event,
        ETicket.GiftAccepted
        | ETicket.Resold
        | ETicket.Reassigned
        | ETicket.Reinstated
        | ETicket.MediumWritePrepared
        | ETicket.MediumWriteAborted
        | ETicket.ReleasedFromMedium
        | ETicket.Dispensed
        | ETicket.DispenseReversed
        | ETicket.PaperReissued,
    ) or (isinstance(event, ETicket.Modified) and "right" in event.diff)


def holds(told, ticket):
    """`told` is the ticket before, with the fresh events applied one by one."""
    assert told.__dict__ | {"_pending_events": []} == ticket.__dict__ | {
        "_pending_events": []
    }
    # O3: every move of title, content or form ends older credentials, by one.
    moves = [event for event in ticket.pending_events if ends_credentials(event)]
    assert ticket.epoch == 1 + len(moves)
    # O6: exactly one form, and what it needs.
    form = ticket.form
    assert (form.medium_uid is not None) == (form.kind == FormKind.ON_MEDIUM)
    assert (form.serial is not None) == (form.kind == FormKind.PAPER)
    assert (ticket.life == Life.DISPENSED) == (form.kind == FormKind.PAPER)
    assert form.serial not in ticket.dead_serials
    # O4: at most one lock, and what it names is live.
    lock = ticket.lock
    if lock.kind == LockKind.GIFT:
        assert ticket.offer.offer_id == lock.ref
        suspended = ticket.offer.suspended_at is not None
        assert suspended == (lock.until is None)
    if ticket.offer is not None and ticket.offer.suspended_at is None:
        assert not is_frozen(ticket, "no_title")
    listed = lock.kind in (LockKind.LISTING, LockKind.SETTLEMENT)
    assert listed == (ticket.listing is not None)
    leased = lock.kind in (LockKind.DISPENSE, LockKind.REDEMPTION)
    if ticket.offer is not None and not leased:
        assert lock.kind == LockKind.GIFT
    assert leased == (ticket.lease is not None)
    assert (lock.kind == LockKind.CARD_WRITE) == (ticket.binding is not None)
    # O7: what has ended is on no medium and no paper, and nothing holds it.
    if ticket.life in TERMINAL:
        assert lock.kind == LockKind.NONE
        assert form.kind == FormKind.ELECTRONIC or ticket.life == Life.SPENT
    # C1: redeemed - reversed + leased never exceeds the limit.
    leased_amount = ticket.lease.amount if ticket.lease else 0
    assert 0 <= leased_amount <= ticket.uses.left <= ticket.uses.limit
    # F1: a case's hold is there from its freeze to its release, and no longer.
    live = set()
    for event in ticket.pending_events:
        if isinstance(event, ETicket.Frozen):
            live.add((event.case_id, event.kind))
        elif isinstance(event, ETicket.Unfrozen):
            live = {hold for hold in live if hold[0] != event.case_id}
    assert live == {(hold.case_id, hold.kind) for hold in ticket.holds}
    assert len(live) == len(ticket.holds)
    # A serial that was printed is the ticket's paper now, or dead for ever.
    made = {*paper_serials(ticket.pending_events)}
    assert made == {*ticket.dead_serials, form.serial} - {None}
