"""What must be true of each event, held against the state that it found.

The chronicle reads what a step has recorded, as a replay does: from the stored form,
event by event. So it knows each stream as it was before an event, and what it knows
after the step must be what the ledger has recorded. Each rule says its letter.
"""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from ledger.aggregates.account import Entry
from ledger.aggregates.case import FOUR_EYES_MINOR, Case, DecisionKind
from ledger.aggregates.e_ticket import ETicket, Life
from ledger.aggregates.medium import Medium
from ledger.aggregates.order import Order, OrderState
from ledger.aggregates.sale import Sale
from ledger.usecases import accounts
from tests.domain.test_ticket_machine import ends_credentials, follows_the_rules

GIVER = {
    ETicket.GiftAccepted: "giver_id",
    ETicket.Resold: "seller_id",
    ETicket.Reassigned: "from_party_id",
}


class Chronicle:
    """Every stream as the log alone tells it, and what only a whole story shows."""

    def __init__(self, ledger):
        self.ledger, self.told, self.read = ledger, {}, 0
        self.commits = 0
        self.resales: dict[tuple[UUID, int], UUID] = {}
        self.paid_out: set[UUID] = set()
        self.redeemed: dict[str, UUID] = {}

    def follow(self):
        """Read on, commit by commit; what is told is what was recorded."""
        for end in self.ledger.ends[self.commits :]:
            stored = self.ledger.stored[self.read : end]
            commit = [self.ledger.event(each) for each in stored]
            for event in commit:
                self._take(event, commit)
            for stream_id in {event.originator_id for event in commit}:
                self._agrees(stream_id)
            self.commits, self.read = self.commits + 1, end
        for stream_id in self.told.keys() ^ self.ledger.latest.keys():
            raise AssertionError(stream_id)

    def _agrees(self, stream_id):
        """Replay from the log tells the same state, unless a later commit follows."""
        if self.ledger.latest[stream_id].version == self.told[stream_id].version:
            assert self.told[stream_id] == self.ledger.latest[stream_id]

    def _take(self, event, commit):
        before = self.told.get(event.originator_id)
        if before is not None:
            self._of_any(before, event, commit)
        event.require_allowed(before)  # What a verifier would ask.
        kept = kept_of(before)
        self.told[event.originator_id] = after = event.mutate(before)
        if kept is not None:
            grows(kept, event, after)

    def _of_any(self, before, event, commit):
        match before:
            case ETicket():
                self._of_ticket(before, event, commit)
            case Sale():
                self._of_sale(before, event, commit)
            case Order():
                of_order(before, event)
            case Case():
                of_case(before, event)

    # Tickets.

    def _of_ticket(self, before, event, commit):
        follows_the_rules(before, event, event.timestamp)
        if giver := GIVER.get(type(event)):
            assert event.previous_title_version == before.title_version  # O2
            assert getattr(event, giver) == before.owner_id  # O1
        match event:
            case ETicket.GiftAccepted():
                self._moves_together(before, event, commit)
                assert event.offer_id == before.offer.offer_id  # G3
                assert before.offer.suspended_at is None  # G6
            case ETicket.GiftOffered() | ETicket.DispenseStarted():
                assert before.listing is None  # R8
            case ETicket.Resold():
                self._moves_together(before, event, commit)
                self._sold_honestly(before, event, commit)
            case ETicket.Listed() | ETicket.Repriced():
                assert event.price_minor <= event.cap_minor == cap_of(before)  # R4, R5
            case ETicket.Reassigned():
                assert before.life == Life.OWNED  # F6
                self._left_to_good_faith(before, event)
            case ETicket.CouponRedeemed():
                first = self.redeemed.setdefault(event.receipt, event.session_id)
                assert first == event.session_id  # C4: one shop, so one number.
        by_decision(event, commit)

    def _sold_honestly(self, before, event, commit):
        assert event.listing_id == before.listing.listing_id  # R6
        assert event.cap_minor == cap_of(before)  # R4, R5
        self.resales[event.originator_id, event.originator_version] = event.owner_id
        escrow = accounts.escrow_of(event.sale_id, before.currency)
        posted = [
            posting["amount_minor"]
            for entry in commit
            if isinstance(entry, Entry.Made) and entry.originator_id == event.entry_id
            for posting in entry.postings
            if posting["account"] == escrow
        ]
        assert max(posted, default=0) >= event.price_minor  # R2
        sold = Counter(
            (each.seller_id, self.told[line.ticket_id].offering_id)
            for each in self.told.values()
            if isinstance(each, Sale)
            for line in each.left
            if each.state in ("TITLE_MOVED", "PAID_OUT", "CLOSED")
        )
        limits = {offering: self.told[offering].purchase_limit for _, offering in sold}
        assert all(count <= limits[key[1]] for key, count in sold.items())  # R7

    def _moves_together(self, before, event, commit):
        """O9: with it, in one commit, goes what is left of its group to be moved."""
        if not before.terms.together or before.group_id is None:
            return
        moved = {e.originator_id for e in commit if isinstance(e, type(event))}
        for each in self.told.values():
            of_it = isinstance(each, ETicket) and each.group_id == before.group_id
            assert not of_it or each.life != Life.OWNED or each.id in moved

    def _left_to_good_faith(self, before, event):
        """F5: from who bought it, a decision takes it only if it names him."""
        buyer = self.resales.get((event.originator_id, event.reverses_version))
        decision = self.told[event.decision_id].judgements[-1].decision
        assert buyer is None or buyer in decision.bad_faith

    # Money.

    def _of_sale(self, before, event, commit):
        if not isinstance(event, Sale.PaidOut):
            return
        assert before.id not in self.paid_out  # R3
        self.paid_out.add(before.id)
        if any(isinstance(each, Case.Executed) for each in commit):
            return
        for line in before.left:
            ticket = self.told[line.ticket_id]
            assert all(set(hold.effects) <= {"flag_only"} for hold in ticket.holds)
            used = ticket.life in (Life.DISPENSED, Life.SPENT)
            due = before.payout == "at_sale" or event.timestamp >= ticket.not_before
            assert due or used


def cap_of(ticket):
    """Return the highest price: a share of all that was first paid, rounded down."""
    first_paid = ticket.price_minor + ticket.fees_minor
    return first_paid * ticket.terms.resale_cap_percent // 100


def by_decision(event, commit):
    """F4: what is done by a decision is done in the commit that executes it."""
    decision_id = getattr(event, "decision_id", None)
    assert decision_id is None or any(
        isinstance(each, Case.Executed) and each.originator_id == decision_id
        for each in commit
    )


def of_order(before, event):
    match event:
        case Order.Expired() | Order.Released():
            assert before.state == OrderState.HELD  # D2
        case Order.Confirmed() if before.in_exchange_for is None:
            paid = sum(each["amount_minor"] for each in event.paid)
            assert paid == before.price.amount_minor  # D4, D5


def of_case(before, event):
    match event:
        case Case.Decided():
            assert event.by == before.reviewer  # F3
            assert event.by not in {*event.parties, before.opened_by}
        case Case.Executed():
            judged = before.judgements[-1]
            assert event.by != before.opened_by
            assert event.value_minor <= FOUR_EYES_MINOR or event.by != judged.by
            if judged.decision.kind == DecisionKind.UPHOLD:
                assert not event.compensations  # F4


def kept_of(before):
    """Return what an event may only add to; the state itself changes in place."""
    if isinstance(before, ETicket):
        return before.epoch, before.not_after
    if isinstance(before, Medium):
        return before.seq
    return before.evidence if isinstance(before, Case) else None


def grows(kept, event, after):
    match after:
        case ETicket():
            epoch, not_after = kept
            assert after.epoch == epoch + ends_credentials(event)  # O3
            changed = isinstance(event, ETicket.Modified)
            assert changed or after.not_after == not_after  # C2, C3
        case Medium():
            written = isinstance(event, Medium.Written | Medium.WrittenOffline)
            assert after.seq == kept + written  # M2
        case Case():
            assert after.evidence[: len(kept)] == kept  # F2
            for judged in after.judgements:
                assert judged.judged_at_position > 0
