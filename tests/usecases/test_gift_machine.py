"""Gifts of several tickets, tried in every order by hypothesis.

The real use cases on a log in memory: three people, six tickets, of which two stay
together and two are on a card, and cases that freeze and release. After every step:
a line's state agrees with its ticket, nothing was accepted twice, nothing moved under
a hold or after its running time, and what is given together is of one fate.

Planted and caught: an acceptance under a hold; a pause that counts twice; a ticket that
stays offered when what it was given with has ended, or runs on while that is frozen; a
giver who goes on counting for what he gave; a claim that binds nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from ledger.aggregates.e_ticket import ETicket, HoldEffect, Life
from ledger.aggregates.gift import Gift, GiftState, LineState
from ledger.errors import Refusal
from ledger.usecases.gift_lines import is_out_of_time
from ledger.usecases.gifts import Recipient
from tests.domain.examples import BOB, CAROL, HOUR, NOON
from tests.lifecycle.memory import MemoryLedger
from tests.usecases.giving import CONTACT, PEOPLE, Giving, a_claim, fresh

EXPOSED = {"on_medium": "exposure"}
CLAIMS = [a_claim(letter) for letter in "ab"]
RECIPIENTS = [
    Recipient(BOB),
    Recipient(CAROL),
    Recipient(contact=CONTACT, claim=CLAIMS[0]),
    Recipient(BOB, via="direct", claim=CLAIMS[1]),
]
places = st.integers(0, 5)
few = st.integers(0, 3)
people = st.sampled_from(PEOPLE)
recipients = st.sampled_from(RECIPIENTS)
claims = st.sampled_from([None, *CLAIMS])
some = st.sets(places, min_size=1, max_size=4)
modes = st.sampled_from(["all_or_nothing", "per_line"])


def frozen(ticket: ETicket) -> bool:
    return any(HoldEffect.NO_TITLE in hold.effects for hold in ticket.holds)


class Presents(RuleBasedStateMachine):
    """Whoever owns a ticket offers it; whoever likes tries to take it."""

    @initialize()
    def opens(self) -> None:
        self.ledger = MemoryLedger()
        self.giving = Giving(self.ledger)
        self.at = NOON
        self.tickets = [
            *self.giving.issue_pair(),
            *self.giving.issue(2),
            *self.giving.issue(2, terms=EXPOSED),
        ]
        for slot, ticket_id in enumerate(self.tickets[4:]):
            self.giving.record_on_card(ticket_id, slot=slot)
        self.offers: list[UUID] = []
        self.cases: list[UUID] = []
        self.right_claims: dict[UUID, str | None] = {}

    def tried(self, command: Callable[[], object]) -> bool:
        """Do it; a refusal must leave no trace."""
        before = self.ledger.position()
        try:
            command()
        except Refusal:
            assert self.ledger.position() == before
            return False
        return True

    @rule(minutes=st.integers(2, 45))
    def time_passes(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    @precondition(lambda self: self.free())
    @rule(first=places, count=st.integers(0, 4), recipient=recipients, mode=modes)
    def offer(self, first: int, count: int, recipient: Recipient, mode: str) -> None:
        """Offer what somebody has free: all of it, or so many."""
        owners = [ticket.owner_id for ticket in self.free()]
        owner = owners[first % len(owners)]
        mine = [each.id for each in self.free() if each.owner_id == owner]

        def offer() -> None:
            made = self.giving.offer(
                *mine[-count:], by=owner, recipient=recipient, mode=mode, at=self.at
            )
            self.offers.append(made)
            self.right_claims[made] = recipient.claim

        if self.tried(offer):
            offered = self.giving.tickets_of(self.offers[-1])
            assert not any(frozen(self.ledger.ticket(each)) for each in offered)

    @precondition(lambda self: self.offers)
    @rule(which=few, chosen=some, whole=st.booleans())
    def accept(self, which: int, chosen: set[int], *, whole: bool) -> None:
        gift = self.any_gift(which)
        by = gift.to_party_id or next(each for each in PEOPLE if each != gift.sender_id)
        lines = self.lines_at(gift, range(6) if whole else chosen)
        self.take(gift, lines, by, self.right_claims[gift.id])

    @precondition(lambda self: self.offers)
    @rule(which=few, by=people, claim=claims)
    def somebody_tries(self, which: int, by: UUID, claim: str | None) -> None:
        gift = self.any_gift(which)
        self.take(gift, self.lines_at(gift, range(6)), by, claim)

    def take(self, gift: Gift, wanted: list[UUID], by: UUID, claim: str | None) -> None:
        before = [self.ledger.ticket(each) for each in wanted]
        states = {gift.line(each).state for each in wanted}
        position = self.ledger.position()
        if not self.tried(
            lambda: self.giving.accept(gift.id, *wanted, by=by, claim=claim, at=self.at)
        ):
            return
        assert by == (gift.to_party_id or by)
        assert self.right_claims[gift.id] in (None, claim)
        if states == {LineState.ACCEPTED}:
            assert self.ledger.position() == position
            return
        assert states == {LineState.PENDING}
        assert not any(map(frozen, before))
        assert all(ticket.owner_id == gift.sender_id for ticket in before)
        assert gift.mode == "per_line" or len(wanted) == len(gift.lines)
        pair = set(self.tickets[:2])
        assert pair.isdisjoint(wanted) or pair <= set(wanted)
        for ticket_id in wanted:
            assert self.ran(ticket_id, gift.id) < HOUR

    @precondition(lambda self: self.offers)
    @rule(which=few, chosen=some, lot=few)
    def decline(self, which: int, chosen: set[int], lot: int) -> None:
        gift = self.any_gift(which)
        by, claim = gift.to_party_id or CAROL, self.right_claims[gift.id]
        lines = [] if lot == 1 else self.lines_at(gift, chosen)
        if lot < 2:
            self.tried(
                lambda: self.giving.decline(
                    gift.id, *lines, by=by, claim=claim, at=self.at
                )
            )

    @precondition(lambda self: self.offers)
    @rule(which=few, chosen=some, way=st.sampled_from(["none", "none", "all", "some"]))
    def withdraw(self, which: int, chosen: set[int], way: str) -> None:
        gift = self.any_gift(which)
        lines = [] if way == "all" else self.lines_at(gift, chosen)
        by = gift.sender_id
        if way != "none" and self.tried(
            lambda: self.giving.withdraw(gift.id, *lines, by=by, at=self.at)
        ):
            assert lines or self.giving.gift(gift.id).pending == []

    @precondition(lambda self: self.offers)
    @rule(which=few, recipient=recipients, lot=few)
    def retarget(self, which: int, recipient: Recipient, lot: int) -> None:
        gift = self.any_gift(which)

        def retarget() -> None:
            made = self.giving.retarget(
                gift.id, by=gift.sender_id, recipient=recipient, at=self.at
            )
            self.offers.append(made)
            self.right_claims[made] = recipient.claim

        if lot == 0:
            self.tried(retarget)

    @precondition(lambda self: self.offers)
    @rule(which=few)
    def somebody_notes_what_ended(self, which: int) -> None:
        self.giving.note_ends(self.any_gift(which).id, at=self.at)

    @precondition(lambda self: len(self.cases) < 2)
    @rule(chosen=st.sets(places, min_size=1, max_size=2), lot=few)
    def freeze(self, chosen: set[int], lot: int) -> None:
        if lot:  # Most days nobody complains.
            return
        lines = [self.tickets[place] for place in sorted(chosen)]
        self.cases.append(self.giving.freeze(fresh(), *lines, at=self.at))

    @precondition(lambda self: self.cases)
    @rule(which=few)
    def release(self, which: int) -> None:
        case_id = self.cases.pop(which % len(self.cases))
        self.giving.release(case_id, at=self.at)

    @precondition(lambda self: any(gift.pending for gift in self.gifts()))
    @rule(which=few, pause=st.integers(2, 90), late=st.integers(0, 70))
    def a_case_comes_and_goes(self, which: int, pause: int, late: int) -> None:
        """While it is there, and after it, the recipient tries to take all."""
        gift = self.any_gift(which)
        lines = [line.ticket_id for line in gift.pending] or self.lines_at(gift, [])
        by, claim = gift.to_party_id or CAROL, self.right_claims[gift.id]
        case_id = self.giving.freeze(fresh(), lines[0], at=self.at)
        self.at += timedelta(minutes=pause)
        self.take(gift, lines, by, claim)
        self.giving.release(case_id, at=self.at)
        self.at += timedelta(minutes=late)
        self.take(self.giving.gift(gift.id), lines, by, claim)

    @rule(place=places, number=few)
    def issuer_changes(self, place: int, number: int) -> None:
        ticket_id = self.tickets[place]
        self.tried(lambda: self.giving.change(ticket_id, f"Row {number}", at=self.at))

    @rule(place=st.sampled_from([4, 5]), lot=few)
    def a_machine_takes_it(self, place: int, lot: int) -> None:
        """Mostly it gives the ticket back by letting the lease run out."""
        ticket_id, job = self.tickets[place], []
        leased = lot < 2 and self.tried(
            lambda: job.append(self.giving.lease(ticket_id, at=self.at))
        )
        if leased and lot == 0:
            self.giving.print(ticket_id, job[0], at=self.at)

    @rule(place=places, lot=st.integers(0, 15))
    def issuer_revokes(self, place: int, lot: int) -> None:
        if lot == 7:
            self.tried(lambda: self.giving.revoke(self.tickets[place], at=self.at))

    @invariant()
    def a_line_agrees_with_its_ticket(self) -> None:
        for gift in self.gifts():
            for line in gift.lines:
                ticket = self.ledger.ticket(line.ticket_id)
                offer = ticket.offer
                carries = offer is not None and offer.offer_id == gift.id
                if line.state in (LineState.DECLINED, LineState.WITHDRAWN):
                    assert not carries
                if carries and line.state != LineState.PENDING:
                    assert line.state == LineState.EXPIRED
                    assert offer is not None
                    assert self.at >= offer.until
                if not carries and line.state == LineState.PENDING:
                    self.ended_of_itself(ticket, gift.id)

    def ended_of_itself(self, ticket: ETicket, offer_id: UUID) -> None:
        lost_to_time = any(
            isinstance(event, ETicket.GiftExpired) and event.offer_id == offer_id
            for _, event in self.ledger.events_of(ticket.id)
        )
        assert lost_to_time or ticket.life != Life.OWNED

    @invariant()
    def what_is_told_is_what_was_noted_or_will_be(self) -> None:
        for offer_id in self.offers[-2:]:
            gift = self.giving.gift(offer_id)
            told = self.giving.look(offer_id, by=gift.sender_id, at=self.at)
            states = {line.state.upper() for line in told.lines}
            if gift.mode == "all_or_nothing":  # Of one fate, and still together.
                assert len(states) == 1, states
                if told.state == "open":
                    for shown in told.lines:
                        assert not frozen(self.ledger.ticket(shown.ticket_id))
            for line, now in zip(gift.lines, told.lines, strict=True):
                if line.state != LineState.PENDING:
                    assert now.state == line.state.lower()
                elif now.state in ("open", "suspended"):
                    offer = self.ledger.ticket(line.ticket_id).offer
                    assert offer is not None
                    assert offer.offer_id == offer_id

    @invariant()
    def a_title_moved_exactly_where_a_line_was_accepted_and_once(self) -> None:
        moved: Counter[tuple[UUID, UUID, UUID, int]] = Counter()
        for ticket_id in self.tickets:
            for _, event in self.ledger.events_of(ticket_id):
                if isinstance(event, ETicket.GiftAccepted):
                    at = event.originator_version
                    moved[event.offer_id, ticket_id, event.owner_id, at] += 1
        noted = Counter(
            (gift.id, line.ticket_id, gift.to_party_id, line.title_version)
            for gift in self.gifts()
            for line in gift.lines
            if line.state == LineState.ACCEPTED
        )
        assert moved == noted
        assert all(times == 1 for times in moved.values())
        for gift in self.gifts():
            settled = any(line.state == LineState.ACCEPTED for line in gift.lines)
            assert not settled or gift.state in (GiftState.OPEN, GiftState.SETTLED)

    @invariant()
    def who_was_given_a_ticket_is_who_counts_for_it(self) -> None:
        given = {
            line.ticket_id
            for gift in self.gifts()
            for line in gift.lines
            if line.state == LineState.ACCEPTED
        }
        for ticket_id in given:
            owner = self.ledger.ticket(ticket_id).owner_id
            counted = [
                each for each in PEOPLE if ticket_id in self.giving.counted(each)
            ]
            assert counted == [owner]

    def teardown(self) -> None:
        replayed = {each.id: each for each in self.ledger.replayed()}
        for gift in self.gifts():
            assert replayed[gift.id] == gift

    def free(self) -> list[ETicket]:
        """Return what may be offered: nothing holds it, or no longer."""
        tickets = map(self.ledger.ticket, self.tickets)
        return [
            each
            for each in tickets
            if each.life == Life.OWNED
            and (
                each.offer is None or is_out_of_time(each, each.offer.offer_id, self.at)
            )
        ]

    def gifts(self) -> list[Gift]:
        return [self.giving.gift(offer_id) for offer_id in self.offers]

    def any_gift(self, which: int) -> Gift:
        """Return one of the last gifts, and rather one that is open."""
        opened = [gift for gift in self.gifts() if gift.pending]
        found = (opened if which else None) or self.gifts()
        return found[-1 - which % len(found)]

    def lines_at(self, gift: Gift, chosen: Iterable[int]) -> list[UUID]:
        lines = [line.ticket_id for line in gift.lines]
        at = {self.tickets[place] for place in chosen}
        return [each for each in lines if each in at] or lines[:1]

    def ran(self, ticket_id: UUID, offer_id: UUID) -> timedelta:
        """Return how long the offer's clock ran before it was accepted."""
        ran, since = timedelta(), None
        for _, event in self.ledger.events_of(ticket_id):
            if getattr(event, "offer_id", None) != offer_id:
                continue
            if since is not None:
                ran += event.timestamp - since
            stopped = isinstance(event, ETicket.GiftSuspended)
            since = None if stopped else event.timestamp
        return ran


Presents.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
TestPresents = Presents.TestCase
