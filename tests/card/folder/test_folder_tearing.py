"""A flash card is written by the same plan and journal as a card, and torn everywhere.

At every call of the system that touches the folder, the program is killed, the power
goes, or the medium is pulled out. The same tap again ends it: old state or new, ledger
and folder agree, and the ticket is its owner's.

Planted and caught: a state that is not flushed before it is reported; a lost commit
reported as aborted; the draft written in place.
"""

from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from card_bridge.folder.prepare import prepare
from dispenser.machine import State
from ledger.aggregates.e_ticket.states import FormKind
from ledger.vocabulary.codes import Role
from ledger.vocabulary.medium_record import SlotStatus, decode_slots
from tests.card.bridge.stage import LEASE_OVER_S, party
from tests.card.folder.desk import (
    ENDS,
    LEAST_CALLS,
    a_folder,
    a_ticket,
    every_tear,
    known,
    made,
    require_agreed,
    uid,
)
from tests.card.folder.volumes import Volume, newest
from tests.dispenser.theatre import Theatre

ended = pytest.mark.parametrize("end", list(ENDS))
# What the power takes back differs by what was flushed, not by what is written.
stopped = pytest.mark.parametrize("end", ["killed", "pulled"])


@pytest.fixture
def ada(stage):
    return stage.callers.person(Role.BUYER)


def at(bridge, volume, **said):
    with volume.laid() as laid:
        return bridge.bring_in_line(laid, **said)


@ended
def test_a_ticket_recorded_is_there_or_free_and_never_lost(stage, ada, tmp_path, end):
    volume, bridge = a_folder(stage, ada, tmp_path / "card"), stage.bridge_of(ada)
    ticket_id = a_ticket(stage, ada)

    def record(laid):
        bridge.bring_in_line(laid, load=[ticket_id])

    for _ in every_tear(volume, record, end=end):
        at(bridge, volume, load=[ticket_id])
        require_agreed(stage, volume)
        ticket = stage.its.ledger.ticket(ticket_id)
        assert ticket.owner_id == party(ada)
        assert ticket.form.medium_uid == uid(volume).hex()
        at(bridge, volume, unload=[ticket_id])
        assert stage.its.ledger.ticket(ticket_id).form.kind == FormKind.ELECTRONIC


@ended
def test_a_modified_ticket_is_brought_in_line(stage, ada, tmp_path, end):
    volume, bridge = a_folder(stage, ada, tmp_path / "card"), stage.bridge_of(ada)
    ticket_id = a_ticket(stage, ada)
    at(bridge, volume, load=[ticket_id])
    stage.modify(ticket_id, "Row 1 seat 0")
    for number in every_tear(volume, bridge.bring_in_line, end=end):
        at(bridge, volume)
        require_agreed(stage, volume)
        assert stage.its.ledger.ticket(ticket_id).right == f"Row 1 seat {number}"
        stage.modify(ticket_id, f"Row 1 seat {number + 1}")


@stopped
def test_a_ticket_moved_from_one_medium_to_another_is_on_one_of_them(
    stage, ada, tmp_path, end
):
    first = a_folder(stage, ada, tmp_path / "first")
    second = a_folder(stage, ada, tmp_path / "second", "uuid:9abc-def0", "disk")
    bridge, ticket_id = stage.bridge_of(ada), a_ticket(stage, ada)
    at(bridge, first, load=[ticket_id])

    def unload(laid):
        bridge.bring_in_line(laid, unload=[ticket_id])

    for _ in every_tear(first, unload, end=end):
        at(bridge, first, unload=[ticket_id])
        at(bridge, second, load=[ticket_id])
        for each in (first, second):
            require_agreed(stage, each)
        form = stage.its.ledger.ticket(ticket_id).form
        assert form.medium_uid == uid(second).hex()
        at(bridge, second, unload=[ticket_id])
        at(bridge, first, load=[ticket_id])


@ended
def test_a_folder_torn_while_it_is_made_is_made_by_doing_it_again(
    stage, ada, tmp_path, end
):
    torn, number = True, -1
    while torn:
        number += 1
        volume = Volume(tmp_path / f"card-{number}")
        volume.root.mkdir()
        torn = ENDS[end](volume, _prepared, number)
        made(stage, ada, volume)
        require_agreed(stage, volume)
    assert number > 5


def _prepared(laid):
    return prepare(laid, key_version_of=lambda _uid: 1)


@stopped
def test_a_coupon_loses_no_use_and_gains_none(stage, ada, tmp_path, end):
    volume, bridge = a_folder(stage, ada, tmp_path / "card"), stage.bridge_of(ada)
    coupon_id = stage.coupon_of(ada, uses=90)
    at(bridge, volume, load=[coupon_id])
    till = stage.till()
    left = 90

    def use(laid, receipt):
        return till.redeem(
            laid,
            receipt=receipt,
            amount_minor=300,
            currency="EUR",
            at=stage.clock.now(),
        )

    number = -1
    torn = True
    while torn:
        number += 1
        receipt = f"{end}-{number}"
        torn = ENDS[end](volume, partial(use, receipt=receipt), number)
        if torn:
            with volume.laid() as laid:
                used = use(laid, receipt)
            assert used.receipt == receipt
        left -= 1
        coupon = stage.its.ledger.ticket(coupon_id)
        assert coupon.uses.left == left
        slots = decode_slots(newest(volume).slots)
        assert slots[0].uses_left == left
    assert number > LEAST_CALLS
    require_agreed(stage, volume)


@pytest.fixture
def machine(stage, tmp_path, end):
    theatre = Theatre(stage.its, stage.clock, stage.callers, stage.url, tmp_path)
    theatre.devices["dispenser"] = stage.machine("dispenser", Role.DISPENSER)
    return replace(
        theatre.machine(), prefix=f"F-{end.upper()}"
    )  # Serials are for ever.


@stopped
def test_a_ticket_is_dispensed_once_and_the_folder_marked(
    stage, ada, tmp_path, end, machine
):
    bridge = stage.bridge_of(ada)
    number, torn = -1, True
    while torn:
        number += 1
        volume = a_folder(stage, ada, tmp_path / f"card-{number}")
        ticket_id = a_ticket(stage, ada)
        at(bridge, volume, load=[ticket_id])
        torn = ENDS[end](volume, lambda laid: _served(machine, laid), number)
        for _ in "1234":
            if stage.its.ledger.ticket(ticket_id).life == "DISPENSED":
                break
            stage.clock.passes(seconds=LEASE_OVER_S)
            _recovered(machine)
            at(bridge, volume)
            with volume.laid() as laid:
                _served(machine, laid)
        ticket = stage.its.ledger.ticket(ticket_id)
        assert ticket.life == "DISPENSED"
        assert len(machine.papers()) == number + 1
        at(bridge, volume)
        require_agreed(stage, volume)
        assert known(stage, volume).slots[0].status == SlotStatus.DISPENSED
    assert number > LEAST_CALLS


def _served(machine, laid):
    visit = machine.station().present(laid)
    assert visit.state in (State.DONE, State.REFUSED), visit
    return visit


def _recovered(machine):
    for job in machine.station().recover():
        machine.station().resolve(
            UUID(job.job_id), printed=job.serial in machine.papers()
        )
