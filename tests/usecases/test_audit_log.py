"""Asked of a log in its database, an audit tells what it tells of an export of it.

Bugs planted to see this fail, one at a time: a search that probes beyond the end; one
that does not look on where clocks differ; positions taken for versions; a sealed field
of somebody erased that still reads as sealed; a slot of another ticket told as this
one's; an old copy called current; another ticket's writes told with this one's; the
hash of a claim told; a gift's message told as erased with its contact.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from ledger.application import Cause
from ledger.log.merkle import Tree
from ledger.usecases import audit, erasure, gifts, media
from ledger.usecases.audit.book import DISORDER_EVENTS_MAX, LogBook
from ledger.usecases.gifts import CLAIM_LENGTH, Recipient
from tests.domain.examples import ALICE, BOB, ISSUER, NOON, a_ticket
from tests.log.opened import short_story
from tests.usecases.exports import book_of
from tests.usecases.foyer import Foyer
from tests.usecases.town import CAUSE, Town


def test_the_log_and_its_export_tell_the_same(installation):
    ledger = installation.ledger
    ticket_id = short_story(ledger)
    log, size = LogBook(ledger), ledger.position()
    taken = book_of(ledger.recorder.select_notifications(1, size))
    assert audit.history(log, ticket_id=ticket_id, related=True) == audit.history(
        taken, ticket_id=ticket_id, related=True
    )
    for position in range(size + 1):
        assert audit.log_as_of(log, when=position) == audit.log_as_of(
            taken, when=position
        )
    begins = audit.owners(log, ticket_id=ticket_id)[0].position
    for position in range(begins, size + 1):
        for tell in (audit.as_of, audit.owner_at):
            assert tell(log, ticket_id=ticket_id, when=position) == tell(
                taken, ticket_id=ticket_id, when=position
            )
        both = {"ticket_id": ticket_id, "earlier": begins - 1, "later": position}
        assert audit.diff(log, **both) == audit.diff(taken, **both)
    ends = audit.between(log, begins, size)
    assert list(audit.happened(log, *ends)) == list(audit.happened(taken, *ends))


def test_the_root_is_the_one_that_the_log_would_sign(installation):
    ledger = installation.ledger
    short_story(ledger)
    tree = Tree()
    for leaf_hash in ledger.recorder.leaf_hashes(1, ledger.position()):
        tree.append(leaf_hash)
    found = audit.log_as_of(ledger, when=None)
    assert found.root == tree.root()
    assert (sum(found.events.values()), found.moment.newest) == (tree.size, True)
    assert found.streams["e-ticket"] == 1


def test_a_time_is_found_although_writers_clocks_differ_a_little(installation):
    ledger = installation.ledger
    """Each is dated up to a second before or after its place; some at the same time."""
    whim, second = Random(7), timedelta(seconds=1)
    tickets = [
        a_ticket(ticket_id=uuid4(), at=NOON + n * second + whim.random() * 2 * second)
        for n in range(600)
    ]
    for first in range(0, len(tickets), 50):
        ledger.record(*tickets[first : first + 50], cause=CAUSE)
    times = [each.created_on for each in tickets]
    log = LogBook(ledger)
    taken = book_of(ledger.recorder.select_notifications(1, len(tickets)))
    for time in whim.sample(times, 40):
        due = max(n for n, each in enumerate(times, 1) if each <= time)
        assert log.reached_by(time) == taken.reached_by(time) == due
    assert log.reached_by(times[0] - 3 * second) == 0
    assert log.reached_by(datetime(2999, 1, 1, tzinfo=UTC)) == 600
    assert len(tickets) > 2 * DISORDER_EVENTS_MAX


def test_a_ticket_is_told_with_who_did_what_and_why(installation):
    ledger = installation.ledger
    its = Town(installation)
    ticket_id = its.buy(ALICE)
    cause = Cause(
        actor=str(ALICE),
        credential="c1",
        device="d1",
        command="k1",
        correlation="x1",
        device_time="2026-06-01T11:59:58+00:00",
    )
    ticket = ledger.ticket(ticket_id)
    ticket.offer_gift(
        offer_id=uuid4(), by=ALICE, to=BOB, until=NOON + timedelta(hours=1), at=NOON
    )
    ledger.record(ticket, cause=cause)
    line = audit.history(ledger, ticket_id=ticket_id)[-1]
    assert (line.topic, line.event, line.at) == (
        "e-ticket.gift-offered",
        "GiftOffered",
        NOON,
    )
    assert {
        "actor": line.by,
        "credential": line.credential,
        "device": line.device,
        "command": line.command,
        "correlation": line.correlation,
        "device_time": line.device_time,
    } == cause.as_dict()


def test_what_belongs_to_a_tickets_story_is_told_with_it(installation):
    ledger = installation.ledger
    ticket_id = short_story(ledger)
    alone = audit.history(ledger, ticket_id=ticket_id)
    told = audit.history(ledger, ticket_id=ticket_id, related=True)
    assert [line for line in told if line.stream_id == ticket_id] == alone
    kinds = {line.topic.partition(".")[0] for line in told}
    assert {"e-ticket", "order", "sale", "entry"} <= kinds
    assert kinds.isdisjoint({"party", "offering", "account", "allotment"})
    assert [line.position for line in told] == sorted(line.position for line in told)
    assert {line.terms_version for line in alone if line.event == "Resold"} == {1}


def test_sealed_fields_are_never_opened_and_read_as_erased_afterwards(installation):
    """Of a ticket, of its history, and of the order in which the answers were given."""
    its = Town(installation, question=3)
    ticket_id = its.buy(ALICE, answer="90402")
    order = its.ledger.order(its.reserve(BOB).order_id)
    order.begin_payment(
        by=BOB,
        tenders=[],
        answers_sealed=[its.personal.seal(BOB, "10115")],
        fence_until=NOON + timedelta(minutes=5),
        at=NOON,
    )
    other = a_ticket(ticket_id=uuid4(), order_id=order.id)
    its.ledger.record(order, other, cause=CAUSE)

    def answer() -> set[Any]:
        state = audit.as_of(its.ledger, ticket_id=ticket_id, when=None).parts
        first = audit.history(its.ledger, ticket_id=ticket_id)[0]
        return {state["right"]["check_sealed"], first.facts["check_sealed"]}

    def in_the_order() -> list[Any]:
        lines = audit.history(its.ledger, ticket_id=other.id, related=True)
        return [line.facts.get("answers_sealed") for line in lines]

    def erase(party_id: UUID) -> None:
        asked: dict[str, Any] = {"party_id": party_id, "at": NOON, "cause": CAUSE}
        erasure.request(its.ledger, **asked)
        erasure.erase(its.ledger, its.personal, **asked)

    assert answer() == {"sealed"}
    assert in_the_order() == [None, "sealed", None]
    before = its.ledger.position()
    erase(ALICE)
    assert answer() == {"erased"}
    assert in_the_order() == [None, "sealed", None]
    erase(BOB)
    assert in_the_order() == [None, "erased", None]
    # The key is gone for every moment: no earlier one brings it back.
    then = audit.as_of(its.ledger, ticket_id=ticket_id, when=before)
    assert then.parts["right"]["check_sealed"] == "erased"


def test_a_gifts_contact_is_erased_and_what_its_sender_said_is_not(installation):
    """Both are sealed in one event, each under the key of its own person."""
    its = Town(installation)
    ticket_id, offer_id = its.buy(ALICE), uuid4()
    gifts.offer(
        its.ledger,
        its.personal,
        offer_id=offer_id,
        by=ALICE,
        ticket_ids=[ticket_id],
        recipient=Recipient(contact="dora@example.org", claim="c" * CLAIM_LENGTH),
        message="Enjoy the evening!",
        until=NOON + timedelta(hours=1),
        at=NOON,
        cause=CAUSE,
    )

    def told() -> list[Any]:
        lines = audit.history(its.ledger, ticket_id=ticket_id, related=True)
        (offered,) = (line.facts for line in lines if line.topic == "gift.offered")
        return [offered["contact_sealed"], offered["message_sealed"]]

    asked: dict[str, Any] = {"at": NOON, "cause": CAUSE}
    assert told() == ["sealed", "sealed"]
    gifts.forget_contact(its.ledger, its.personal, offer_id=offer_id, **asked)
    assert told() == ["erased", "sealed"]
    erasure.request(its.ledger, party_id=ALICE, **asked)
    erasure.erase(its.ledger, its.personal, party_id=ALICE, **asked)
    assert told() == ["erased", "erased"]


def test_of_its_media_a_ticket_is_told_its_own_slots_and_what_befell_them(installation):
    foyer = Foyer(installation)
    ticket_id, card = foyer.on_card()
    prepared = foyer.ledger.position()
    other = foyer.ticket()
    write = foyer.prepare(card, other)
    foyer.settle(card, write, card.commit(write))
    one, two = (
        audit.as_of(foyer.ledger, ticket_id=each, when=None).parts["media"]
        for each in (ticket_id, other)
    )
    uid = card.uid.hex()
    assert {*one, *two} == {f"{uid} slot 0", f"{uid} slot 1"}
    assert all(slot["current"] for slot in (*one.values(), *two.values()))
    foyer.do(media.report_lost, uid=card.uid, by=ALICE, as_operator=False)

    def told(of: UUID) -> list[tuple[str, int]]:
        lines = audit.history(foyer.ledger, ticket_id=of, related=True)
        return [
            (line.topic, line.position)
            for line in lines
            if line.topic.startswith("medium.")
        ]

    topics = [topic for topic, _ in told(ticket_id)]
    assert topics == [
        "medium.personalised",
        "medium.write-prepared",
        "medium.written",
        "medium.suspended",
    ]
    assert all(position <= prepared for _, position in told(ticket_id)[:3])
    assert [topic for topic, _ in told(other)] == topics
    assert told(other)[1][1] > prepared


def test_a_copy_that_a_change_made_old_is_not_the_current_one(installation):
    foyer = Foyer(installation)
    ticket_id, card = foyer.on_card()
    written = foyer.ledger.position()
    foyer.tell(
        ticket_id,
        "modify",
        by=ISSUER,
        changes={"right": "Row 9 Seat 1"},
        reason="the stage was extended",
    )

    def current(when: int | None) -> bool:
        found = audit.as_of(foyer.ledger, ticket_id=ticket_id, when=when)
        assert found.parts["form"]["kind"] == "ON_MEDIUM"
        (slot,) = found.parts["media"].values()
        assert slot["slot_status"] == "LIVE"
        return bool(slot["current"])

    assert current(written)
    assert not current(None)
    foyer.load(card)
    assert current(None)


def test_by_what_a_gift_may_be_claimed_is_told_nowhere(installation):
    ledger, claim = installation.ledger, "5e" * 32
    ticket = a_ticket(ticket_id=uuid4())
    ticket.offer_gift(
        offer_id=uuid4(),
        by=ALICE,
        to=None,
        claim_hash=claim,
        until=NOON + timedelta(hours=1),
        at=NOON,
    )
    ledger.record(ticket, cause=CAUSE)
    asked: dict[str, Any] = {"ticket_id": ticket.id}
    said = [
        audit.as_of(ledger, **asked, when=None),
        audit.history(ledger, **asked, related=True),
        audit.diff(ledger, **asked, earlier=0, later=None),
    ]
    assert ticket.offer is not None
    assert ticket.offer.claim_hash == claim
    assert str(ticket.offer.offer_id) in str(said)
    assert claim not in str(said)
