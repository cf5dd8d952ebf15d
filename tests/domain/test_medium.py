"""A medium's life and its writes: M1, M2, and what ends it, whatever is tried."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.aggregates.medium import Change, Medium, MediumStatus, SlotState
from ledger.aggregates.medium import refusals as no
from ledger.aggregates.medium.states import IN_USE, OUT_OF_USE
from ledger.errors import Refusal
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.ids import medium_id
from ledger.vocabulary.medium_record import SLOTS_MAX, digest
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, NOON, TERMINAL, UID

CASE = UUID(int=700)
TICKETS = [UUID(int=n) for n in range(801, 805)]
OTHER_UID = "04ffffffffffff"


def a_medium(**given):
    said: dict[str, Any] = {
        "medium_id": medium_id(UID),
        "uid": UID.hex(),
        "holder_id": ALICE,
        "profile": "desfire-8k",
        "key_version": 1,
        "at": NOON,
    }
    return Medium.personalise(**(said | given))


def live(slot, ticket_id=TICKETS[0], epoch=2):
    return Change(slot, SlotState(1, epoch, 1, ticket_id), body=True)


def prepare(medium, *changes, number=1):
    medium.prepare_write(
        write_id=UUID(int=500 + number),
        changes=changes,
        device_id=TERMINAL,
        at=NOON,
    )


def write(medium, *changes, number=1):
    prepare(medium, *changes, number=number)
    medium.confirm_write(
        write_id=UUID(int=500 + number),
        transaction_counter=number,
        transaction_mac="00",
        at=NOON,
    )


def marked(medium, seq, *, slot=0, status=2, ticket_id=TICKETS[0]):
    return medium.report_mark(
        seq=seq,
        change=Change(slot, SlotState(status, 2, 0, ticket_id)),
        device_id=DISPENSER,
        at=NOON,
    )


def suspect(medium):
    medium.suspect(verdict=Verdict.FORK, seen={"stamp": "00"}, case_id=CASE, at=NOON)


def test_the_first_write_that_is_proven_makes_a_medium_active():
    medium = a_medium()
    assert medium.status == MediumStatus.PERSONALISED
    prepare(medium, live(0))
    assert medium.status == MediumStatus.PERSONALISED
    medium.abort_write(write_id=UUID(int=501), reason="gone", at=NOON)
    write(medium, live(0), number=2)
    assert medium.status == MediumStatus.ACTIVE


def test_a_medium_is_of_a_kind_that_we_know():
    assert a_medium(kind="disk").kind == "disk"
    with pytest.raises(no.BadMediumKind):
        a_medium(kind="stone")


def test_a_lost_medium_is_not_written_until_it_is_found():
    medium = a_medium()
    write(medium, live(0))
    medium.suspend(at=NOON)
    medium.suspend(at=NOON + timedelta(hours=1))
    assert medium.lost_at == NOON
    with pytest.raises(no.MediumLost) as refused:
        prepare(medium, live(1, TICKETS[1]), number=2)
    assert refused.value.because == (f"{medium.id}/4",)
    medium.restore(at=NOON)
    assert (medium.status, medium.lost_at) == (MediumStatus.ACTIVE, None)
    write(medium, live(1, TICKETS[1]), number=2)
    with pytest.raises(no.NotLost):
        medium.restore(at=NOON)


def test_to_report_a_suspect_medium_lost_and_find_it_does_not_clear_it():
    medium = a_medium()
    suspect(medium)
    medium.suspend(at=NOON)
    medium.restore(at=NOON)
    assert medium.status == MediumStatus.SUSPECT
    lost = a_medium()
    lost.suspend(at=NOON)
    suspect(lost)
    assert lost.status == MediumStatus.SUSPENDED
    lost.restore(at=NOON)
    assert lost.status == MediumStatus.SUSPECT


def test_a_suspicion_is_lifted_by_somebody_who_has_looked():
    medium = a_medium()
    with pytest.raises(no.NotSuspect):
        medium.clear(by=CAROL, at=NOON)
    suspect(medium)
    assert medium.case_ids == (CASE,)
    with pytest.raises(no.MediumSuspect):
        prepare(medium, live(0))
    medium.clear(by=CAROL, at=NOON)
    write(medium, live(0))
    assert (medium.status, medium.case_ids) == (MediumStatus.ACTIVE, ())


@pytest.mark.parametrize(
    ("end", "refusal"),
    [
        (lambda medium: medium.block(reason="lost", at=NOON), no.MediumBlocked),
        (lambda medium: medium.replace(by_uid=OTHER_UID, at=NOON), no.MediumReplaced),
        (lambda medium: medium.hand_in(at=NOON), no.MediumReturned),
    ],
)
def test_the_end_of_a_medium_is_final(end, refusal):
    medium = a_medium()
    end(medium)
    version = medium.version
    end(medium)
    assert medium.version == version
    for deed in (
        lambda: prepare(medium, live(0)),
        lambda: medium.suspend(at=NOON),
        lambda: medium.restore(at=NOON),
    ):
        with pytest.raises(refusal) as refused:
            deed()
        assert refused.value.code == "medium_blocked"
    suspect(medium)
    assert medium.status in OUT_OF_USE


def test_a_blocked_medium_is_replaced_by_another_and_never_by_itself():
    medium = a_medium()
    medium.block(reason="lost", at=NOON)
    with pytest.raises(no.NoReplacement):
        medium.replace(by_uid=medium.uid, at=NOON)
    medium.replace(by_uid=OTHER_UID, at=NOON)
    assert (medium.status, medium.replaced_by) == (MediumStatus.REPLACED, OTHER_UID)
    with pytest.raises(no.MediumReplaced):
        medium.replace(by_uid="04000000000000", at=NOON)


def test_only_its_holder_speaks_for_a_medium():
    a_medium().require_holder(ALICE)
    with pytest.raises(no.NotItsHolder):
        a_medium().require_holder(BOB)


@pytest.mark.parametrize(
    "changes",
    [
        [live(0), live(1)],
        [live(0), live(0, TICKETS[1])],
    ],
)
def test_a_slot_holds_one_ticket_and_a_ticket_stands_in_one_slot(changes):
    with pytest.raises(no.SlotTwice):
        prepare(a_medium(), *changes)


def test_a_ticket_moves_between_slots_in_one_write():
    medium = a_medium()
    write(medium, live(0))
    with pytest.raises(no.SlotTwice):
        prepare(medium, live(3), number=2)
    write(medium, Change(0, SlotState()), live(3), number=2)
    assert [n for n, slot in enumerate(medium.slots) if slot.ticket_id] == [3]


def test_a_slot_that_is_not_there_is_refused():
    with pytest.raises(no.BadSlot):
        prepare(a_medium(), live(SLOTS_MAX))


def test_what_machines_wrote_offline_is_taken_in_its_order_whoever_reports_first():
    medium = a_medium()
    write(medium, live(0), live(1, TICKETS[1]))
    medium.notice_ahead(seq=3, at=NOON)
    assert marked(medium, 3, slot=1, ticket_id=TICKETS[1])
    assert (medium.seq, medium.slots[1].status) == (1, 1)
    assert marked(medium, 2)
    assert (medium.seq, [slot.status for slot in medium.slots[:2]]) == (3, [2, 2])
    assert (medium.marks, medium.ahead) == ((), None)


def test_two_machines_cannot_have_brought_one_medium_to_the_same_state():
    medium = a_medium()
    write(medium, live(0))
    assert not marked(medium, 1)
    assert marked(medium, 3)
    assert not marked(medium, 3)
    assert marked(medium, 2)
    assert not marked(medium, 3)
    assert medium.seq == 3


def test_how_long_a_medium_has_been_ahead_counts_from_the_first_such_tap():
    medium = a_medium()
    medium.notice_ahead(seq=0, at=NOON)
    assert medium.version == 1
    medium.notice_ahead(seq=1, at=NOON)
    medium.notice_ahead(seq=2, at=NOON + timedelta(hours=1))
    assert medium.ahead is not None
    assert medium.ahead.since == NOON


CHANGES = st.lists(
    st.builds(
        lambda slot, ticket: Change(
            slot, SlotState(1, 2, 1, ticket) if ticket else SlotState()
        ),
        st.integers(0, 3),
        st.none() | st.sampled_from(TICKETS),
    ),
    min_size=1,
    max_size=3,
)
MOVES = st.one_of(
    st.tuples(st.just("prepare"), CHANGES),
    st.tuples(st.sampled_from(["confirm", "prove", "abort"]), st.none()),
    st.tuples(st.just("mark"), st.integers(0, 3)),
    st.tuples(st.just("ahead"), st.integers(0, 3)),
    st.tuples(
        st.sampled_from(
            ["suspend", "restore", "suspect", "clear", "block", "replace", "hand_in"]
        ),
        st.none(),
    ),
)


@given(st.lists(MOVES, max_size=40))
def test_whatever_happens_to_a_medium_its_rules_hold(moves):
    medium, proofs = a_medium(), 0
    for number, (name, what) in enumerate(moves):
        before = (medium.seq, medium.status, medium.version, medium.holder_id)
        proofs += name == "prove"
        try:
            _try(medium, name, what, number, proofs)
        except Refusal:
            assert medium.version == before[2]  # A refusal leaves no trace.
        assert medium.seq >= before[0]  # M2
        if before[1] in OUT_OF_USE:
            assert medium.status in OUT_OF_USE
        if name == "prepare" and before[1] not in IN_USE:
            assert medium.version == before[2]
        named = [slot.ticket_id for slot in medium.slots if slot.ticket_id]
        assert len(named) == len(set(named))  # M1
        entries = [slot.entry() for slot in medium.slots]
        shown = digest(uid=UID, seq=medium.seq, slots=entries)
        assert medium.digest == shown.hex()
        assert all(mark.seq > medium.seq for mark in medium.marks)
    replayed = None
    for event in medium.pending_events:
        replayed = event.mutate(replayed)
    assert replayed.__dict__ | {"_pending_events": []} == medium.__dict__ | {
        "_pending_events": []
    }


def _try(medium, name, what, number, proofs):
    pending = medium.pending.write_id if medium.pending else UUID(int=9)
    if name == "prepare":
        prepare(medium, *what, number=number)
    elif name in ("confirm", "prove"):
        medium.confirm_write(
            write_id=pending,
            transaction_counter=proofs if name == "prove" else None,
            transaction_mac="00",
            at=NOON,
        )
    elif name == "abort":
        medium.abort_write(write_id=pending, reason="gone", at=NOON)
    elif name == "mark":
        ticket_id = medium.slots[0].ticket_id
        if medium.pending is None and ticket_id:  # As the caller has it.
            marked(medium, medium.seq + what, ticket_id=ticket_id)
    elif name == "ahead":
        medium.notice_ahead(seq=medium.seq + what, at=NOON)
    elif name == "suspect":
        suspect(medium)
    else:
        more: dict[str, dict[str, Any]] = {
            "block": {"reason": "lost"},
            "replace": {"by_uid": OTHER_UID},
            "clear": {"by": CAROL},
        }
        getattr(medium, name)(**more.get(name, {}), at=NOON)
