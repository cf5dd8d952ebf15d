"""What a folder cannot prove, the ledger does not believe: copies, old images, clones.

And what it is never taken for: proof of its holder at a dispenser, or anything at all
where the ledger is not asked.

Planted and caught: a folder's word taken for a card; an unasked holder served; the mark
of a folder believed without the stamp that was prepared; a copy on another volume taken
under the UID it names; a machine's offline paper from a folder without a case.
"""

from dataclasses import replace

import pytest

from card_bridge.bridge import CardBridge
from card_bridge.folder.medium import NO_PROOF
from card_bridge.folder.refusals import ForeignFolder
from card_bridge.folder.store import FOLDER
from card_bridge.gateway import LedgerRefusal, Outcome
from card_bridge.profile.card import CardReading
from card_bridge.profile.records import Body
from card_bridge.protocol.transaction_mac import WRITE_DATA, Operation
from ledger.aggregates.case import Case, CaseType
from ledger.aggregates.e_ticket.states import FormKind
from ledger.aggregates.medium import Medium, MediumStatus
from ledger.vocabulary.codes import Role, Verdict
from ledger.vocabulary.ids import case_id
from ledger.vocabulary.sealed_ticket import SEALED_MAX, SealBroken
from tests.card.folder.desk import (
    a_folder,
    a_ticket,
    known,
    require_agreed,
    uid,
)
from tests.card.folder.volumes import newest

OTHER_NAME = "uuid:5f60-7182"


@pytest.fixture
def ada(stage):
    return stage.callers.person(Role.BUYER)


@pytest.fixture
def volume(stage, ada, tmp_path):
    """A flash card with a ticket on it."""
    volume = a_folder(stage, ada, tmp_path / "card")
    bridge, ticket_id = stage.bridge_of(ada), a_ticket(stage, ada)
    at(bridge, volume, load=[ticket_id])
    return volume


def at(bridge: CardBridge, volume, **said):
    with volume.laid() as laid:
        return bridge.bring_in_line(laid, **said)


def at_a_machine(stage, volume):
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with volume.laid() as laid:
        return reader.present(laid).tapped


def test_the_life_of_a_ticket_on_a_flash_card_leaves_no_macs_in_the_log(stage, volume):
    require_agreed(stage, volume)
    medium = known(stage, volume)
    assert (medium.kind, medium.profile) == ("flash_card", "flash-card")
    assert medium.status == MediumStatus.ACTIVE
    assert medium.transaction_counter == 0
    written = [
        event
        for _, event in stage.its.ledger.events_of(medium.id)
        if isinstance(event, Medium.Written)
    ]
    assert [event.transaction_mac for event in written] == [None]


def test_a_copy_on_another_volume_is_refused_before_the_ledger_is_asked(
    stage, ada, volume, tmp_path
):
    copy = volume.copied(tmp_path / "copy", name=OTHER_NAME)
    position = stage.position()
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    for tap in (reader.present, stage.bridge_of(ada).bring_in_line):
        position = stage.position()
        with copy.laid() as laid, pytest.raises(ForeignFolder):
            tap(laid)
        assert stage.position() == position
    require_agreed(stage, volume)


def test_a_program_that_lies_about_the_volume_gets_a_counterfeit(
    stage, volume, tmp_path
):
    """Who does not look at his own volume is no better off: the ledger knows none."""
    copy = volume.copied(tmp_path / "copy", name=OTHER_NAME)
    _, gateway = stage.reader_of("dispenser", Role.DISPENSER)
    with copy.laid() as laid:
        laid.find()
        tapped = gateway.tap(laid.read(), terminal_id=None)
    assert tapped.verdict == Verdict.COUNTERFEIT


def test_a_ticket_does_not_open_on_another_volume_nor_in_another_slot(
    stage, ada, volume, tmp_path
):
    copy = volume.copied(tmp_path / "copy", name=OTHER_NAME)
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with volume.laid() as laid:
        presented = reader.present(laid)
        (slot,) = presented.usable
        reader.open_ticket(laid, presented, slot)
    with copy.laid() as laid:
        laid.find()
        with pytest.raises(SealBroken):
            reader.open_ticket(laid, presented, slot)
    with volume.laid() as laid:
        laid.find()
        body, slots = laid.read_body(0), presented.reading.slots
    image = newest(volume).with_body(1, body)
    for name in volume.contents():
        (volume.root / FOLDER / name).write_bytes(image.encode())
    moved = replace(presented.reading, slots=slots[:16] * 2 + slots[32:])
    with volume.laid() as laid:
        laid.find()
        assert laid.read_body(1) == body
        with pytest.raises(SealBroken):
            reader.open_ticket(
                laid, replace(presented, reading=moved), replace(slot, slot=1)
            )


@pytest.mark.parametrize(
    "sealed",
    [
        b"\xff" * SEALED_MAX,
        b"\x9b" + b"\xff" * 8,  # An array of 2^64 - 1 parts.
        b"\x81" * SEALED_MAX,  # Arrays in arrays.
        b"\x83\x43\xa1\x01\x18\xa0\x40",
        b"\x5f\x41\x00\xff",  # Bytes of no stated length.
        b"\x00",
    ],
)
def test_a_body_of_anything_else_is_refused_with_a_code(stage, volume, sealed):
    ticket_id = known(stage, volume).slots[0].ticket_id
    assert ticket_id is not None
    image = newest(volume).with_body(0, Body(ticket_id, sealed))
    for name in volume.contents():
        (volume.root / FOLDER / name).write_bytes(image.encode())
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with volume.laid() as laid:
        presented = reader.present(laid)
        with pytest.raises(SealBroken) as refused:
            reader.open_ticket(laid, presented, presented.usable[0])
    assert refused.value.code in ("malformed", "counterfeit")


def test_an_old_image_put_back_is_a_rollback_and_a_case(stage, ada, volume):
    old = volume.contents()
    at(stage.bridge_of(ada), volume, load=[a_ticket(stage, ada)])
    volume.put(old)
    tapped = at_a_machine(stage, volume)
    assert (tapped.verdict, tapped.code) == (Verdict.ROLLBACK, "rollback")
    assert known(stage, volume).status == MediumStatus.SUSPECT
    wanted = case_id(CaseType.CLONED_MEDIUM, uid(volume).hex())
    case = stage.its.ledger.find(Case, wanted)
    assert case.facts[0]["verdict"] == "ROLLBACK"
    # The newest state again, whoever shows it now: it stays with the centre.
    assert at_a_machine(stage, volume).code is not None


def test_a_clone_with_the_same_uuid_is_found_when_both_were_used(
    stage, ada, volume, tmp_path
):
    """Until one of the two is written they are one: nothing but the person differs."""
    clone = volume.copied(tmp_path / "clone", name=volume.name)
    for each in (volume, clone):
        assert at_a_machine(stage, each).verdict == Verdict.FRESH
    bridge = stage.bridge_of(ada)
    at(bridge, clone, load=[a_ticket(stage, ada)])
    assert at_a_machine(stage, volume).verdict == Verdict.ROLLBACK
    assert known(stage, volume).status == MediumStatus.SUSPECT
    with pytest.raises(LedgerRefusal) as refused:
        at(bridge, volume, load=[a_ticket(stage, ada)])
    assert refused.value.code == "medium_suspect"


def test_the_tickets_of_a_cloned_medium_are_not_lost(stage, ada, volume, tmp_path):
    old = volume.contents()
    at(stage.bridge_of(ada), volume, load=[a_ticket(stage, ada)])
    volume.put(old)
    at_a_machine(stage, volume)
    (ticket_id, *_) = [state.ticket_id for state in known(stage, volume).slots]
    blocked = stage.callers.operator.post(
        f"/v1/media/{uid(volume).hex()}/block", reason="copied"
    )
    assert blocked.status in (200, 201), blocked.json
    other = a_folder(stage, ada, tmp_path / "other", OTHER_NAME)
    at(stage.bridge_of(ada), other, load=[ticket_id])
    require_agreed(stage, other)


def test_a_ticket_that_asks_nobody_is_not_recorded_on_it(stage, ada, tmp_path):
    bridge, unasked = stage.bridge_of(ada), stage.ticket_of(ada)
    for profile in ("flash-card", "disk"):
        volume = a_folder(
            stage, ada, tmp_path / profile, f"uuid:{profile}", profile=profile
        )
        with pytest.raises(LedgerRefusal, match="record it on an IC card") as refused:
            at(bridge, volume, load=[unasked])
        assert refused.value.code == "not_transferable"
        require_agreed(stage, volume)
    assert stage.its.ledger.ticket(unasked).lock.kind == "NONE"


def test_a_dispenser_without_the_answer_gets_no_lease(stage, volume):
    reader, gateway = stage.reader_of("dispenser", Role.DISPENSER)
    with volume.laid() as laid:
        presented = reader.present(laid)
        (slot,) = presented.usable
        claims, entry = reader.open_ticket(laid, presented, slot)
        assert claims.check is not None
        said = {"slot": slot.slot, "epoch": entry.epoch}
        with pytest.raises(LedgerRefusal) as refused:
            gateway.start_dispense(
                slot.ticket_id, presented.reading, answered=False, **said
            )
        assert refused.value.code == "name_mismatch"
        lease = gateway.start_dispense(
            slot.ticket_id, presented.reading, answered=True, **said
        )
    assert lease.write.uid == uid(volume)


def test_a_commit_is_believed_with_the_very_stamp_alone(stage, ada, volume):
    bridge, ticket_id = stage.bridge_of(ada), a_ticket(stage, ada)
    gateway = stage.gateway(ada)
    with volume.laid() as laid:
        laid.find()
        write = gateway.prepare_write(
            laid.read(),
            terminal_id=bridge.terminal.terminal_id,
            load=[ticket_id],
            unload=[],
        )
        laid.write_entry(1, write.changes[0].entry)
        nothing = Outcome(laid.last_proof(None), laid.operations)
    with pytest.raises(LedgerRefusal) as refused:
        gateway.settle_write(uid(volume), write.write_id, nothing)
    assert refused.value.code == "counterfeit"
    assert known(stage, volume).pending is not None


def test_a_cards_write_is_not_believed_with_a_folders_proof(stage, ada):
    """The proof that says nothing is for what has no chip."""
    card, bridge = stage.card_of(ada), stage.bridge_of(ada)
    gateway = stage.gateway(ada)
    medium = stage.medium(card)
    reading = CardReading(card.uid, medium.stamp().encode(), bytes(128))
    write = gateway.prepare_write(
        reading,
        terminal_id=bridge.terminal.terminal_id,
        load=[stage.ticket_of(ada)],
        unload=[],
    )
    stamp = Operation(WRITE_DATA, 5, 0, len(write.stamp), write.stamp)
    for proof in (NO_PROOF, NO_PROOF._replace(tmc=1)):
        with pytest.raises(LedgerRefusal) as refused:
            gateway.settle_write(card.uid, write.write_id, Outcome(proof, (stamp,)))
        assert refused.value.code == "counterfeit"


def test_a_terminal_that_lost_its_journal_settles_an_unload_by_what_is_shown(
    stage, ada, volume
):
    (ticket_id, *_) = [state.ticket_id for state in known(stage, volume).slots]
    bridge = stage.bridge_of(ada)
    gateway = stage.gateway(ada)
    with volume.laid() as laid:
        laid.find()
        write = gateway.prepare_write(
            laid.read(),
            terminal_id=bridge.terminal.terminal_id,
            load=[],
            unload=[ticket_id],
        )
        laid.write_entry(0, write.changes[0].entry)
        laid.write_stamp(write.stamp)
        laid.commit()
    at(stage.bridge_of(ada), volume)
    assert stage.its.ledger.ticket(ticket_id).form.kind == FormKind.ELECTRONIC
    require_agreed(stage, volume)
