"""What can be copied whole, a flash card or a disk, and what it is taken for.

Planted and caught: an unasked holder recorded, or served; an offline paper from a flash
card without a case; an unload by its holder's reading not believed.
"""

from dataclasses import replace
from uuid import UUID

import pytest

from ledger.aggregates.case import CaseType
from ledger.aggregates.e_ticket import FormKind, Life
from ledger.aggregates.e_ticket.refusals import PersonCheckMissing
from ledger.aggregates.medium import Change, SlotState
from ledger.usecases.media.shapes import write_of
from ledger.usecases.offline import Mark, PrintedOffline
from ledger.vocabulary.medium_record import SlotStatus
from tests.domain.examples import ALICE, DISPENSER, NOON, TERMINAL
from tests.usecases.foyer import CAUSE, Foyer, fresh

COPYABLE = pytest.mark.parametrize("kind", ["flash_card", "disk"])
DATE_OF_BIRTH = 1


@pytest.fixture
def foyer(installation):
    foyer = Foyer(installation)
    foyer.delegate(DISPENSER, offline=True)
    return foyer


def on_folder(foyer, kind="flash_card", **given):
    ticket_id, card = (
        foyer.ticket(question=DATE_OF_BIRTH, **given),
        foyer.card(kind=kind),
    )
    foyer.load(card, ticket_id)
    return ticket_id, card


def put_past_the_rules(foyer, ticket_id: UUID, card) -> None:
    """Have a ticket on a medium as an older program, without the rule, left it."""
    ticket, medium, write_id = foyer.now(ticket_id), foyer.medium(card), fresh()
    ticket.prepare_write(
        write_id=write_id, medium_uid=medium.uid, slot=0, seq=1, by=ALICE, at=NOON
    )
    state = SlotState(int(SlotStatus.LIVE), ticket.epoch, 1, ticket_id)
    changes = [Change(0, state, body=True)]
    stamp = medium.prepare_write(
        write_id=write_id, changes=changes, device_id=TERMINAL, at=NOON
    )
    foyer.ledger.record(ticket, medium, cause=CAUSE)
    write = write_of(write_id, stamp, changes, {})
    foyer.settle(card, write, card.commit(write))


@COPYABLE
def test_a_ticket_that_asks_nobody_is_not_recorded_on_it(foyer, kind):
    ticket_id, card = foyer.ticket(), foyer.card(kind=kind)
    with pytest.raises(PersonCheckMissing, match=f"of kind {kind} can be copied"):
        foyer.load(card, ticket_id)
    foyer.load(foyer.card(), ticket_id)


@COPYABLE
def test_a_ticket_that_asks_nobody_is_not_dispensed_from_it(foyer, kind):
    ticket_id, card = foyer.ticket(), foyer.card(kind=kind)
    put_past_the_rules(foyer, ticket_id, card)
    assert foyer.now(ticket_id).form.is_at(card.uid.hex(), 0)
    with pytest.raises(PersonCheckMissing):
        foyer.lease(ticket_id, card)
    foyer.load(card, unload=[ticket_id])  # It is still his, and goes elsewhere.
    foyer.load(foyer.card(), ticket_id)


def test_a_coupon_asks_nobody_and_is_counted_by_the_ledger(foyer):
    coupon_id, card = foyer.coupon(), foyer.card(kind="flash_card")
    foyer.load(card, coupon_id)
    assert foyer.tap(card).code is None


@COPYABLE
def test_who_answers_is_served_once_whichever_copy_is_shown(foyer, kind):
    ticket_id, card = on_folder(foyer, kind)
    copy = card.copied()
    lease = foyer.lease(ticket_id, card)
    foyer.mark(ticket_id, card, lease, "D-0001")
    foyer.printed(ticket_id, lease, "D-0001")
    assert foyer.now(ticket_id).life == Life.DISPENSED
    assert foyer.tap(copy).code == "rollback"
    assert foyer.medium(card).transaction_counter == 0


def test_a_paper_printed_from_it_without_the_line_is_a_fact_and_a_case(foyer):
    ticket_id, card = on_folder(foyer)
    epoch = card.slots[0].epoch
    seq = card.mark(0, SlotStatus.DISPENSED)
    fact = PrintedOffline(
        device_seq=1,
        device_time=NOON,
        known_position=1,
        ticket_id=ticket_id,
        serial="D-0001",
        mark=Mark(card.uid, 0, seq),
        epoch=epoch,
    )
    (done,) = foyer.upload(DISPENSER, fact)
    assert done.agrees
    (case,) = [foyer.case(each) for each in done.case_ids]
    assert case.type == CaseType.OFFLINE_CONFLICT
    assert "not taken without the line" in case.facts[0]["why"]
    assert foyer.now(ticket_id).life == Life.DISPENSED  # Nothing is dropped.


def test_an_unload_is_settled_by_what_its_holder_shows(foyer):
    """Of a card it is not believed: see test_media."""
    ticket_id, card = on_folder(foyer)
    write = foyer.prepare(card, unload=[ticket_id])
    card.commit(write)
    foyer.tap(card, machine=None)
    assert foyer.now(ticket_id).form.kind == FormKind.ELECTRONIC
    assert foyer.medium(card).pending is None


def test_a_commit_needs_the_stamp_that_was_prepared(foyer):
    ticket_id, card = foyer.ticket(question=DATE_OF_BIRTH), foyer.card(kind="disk")
    write = foyer.prepare(card, ticket_id)
    proof = card.commit(write)
    with pytest.raises(Exception, match="does not fit the write"):
        foyer.settle(card, write, replace(proof, operations=proof.operations[:-1]))
    foyer.settle(card, write, proof)
    assert foyer.now(ticket_id).form.is_at(card.uid.hex(), 0)
