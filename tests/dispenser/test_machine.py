"""The table of motions, walked through as a whole.

Seen to fail: printing straight after the mark (AUTHORISING skipped), a way back into
PRINTING, UNKNOWN of the printer called off, a state that FAILED cannot leave.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispenser.machine import ENDS, TABLE, Happening, Motion, State, after

GOOD = Happening.DID


def every_path() -> list[list[tuple[State, Happening, State, Motion]]]:
    """Walk every way from IDLE to an end; the table has no circles, or this ends."""
    paths = []

    def walk(state, path):
        assert len(path) <= len(State), "the table goes round in a circle"
        if state in ENDS:
            paths.append(path)
            return
        ways = [key for key in TABLE if key[0] == state]
        assert ways, f"there is no way out of {state}"
        for _, happening in ways:
            then, motion = TABLE[state, happening]
            walk(then, [*path, (state, happening, then, motion)])

    walk(State.IDLE, [])
    return paths


PATHS = every_path()


def test_every_state_and_every_motion_is_reached():
    reached = {step[2] for path in PATHS for step in path} | {State.IDLE}
    assert reached == set(State)
    assert {step[3] for path in PATHS for step in path} == set(Motion)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[-1][2])
def test_nothing_is_printed_unless_marked_and_authorised(path):
    motions = [step[3] for step in path]
    if Motion.PRINT not in motions:
        return
    before = path[: motions.index(Motion.PRINT) + 1]
    assert (State.LEASING, GOOD, State.MARKING, Motion.MARK_CARD) in before
    assert (State.MARKING, GOOD, State.AUTHORISING, Motion.REPORT_MARK) in before
    assert before[-1] == (State.AUTHORISING, GOOD, State.PRINTING, Motion.PRINT)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[-1][2])
def test_one_visit_prints_once_at_most_and_leases_once_at_most(path):
    motions = [step[3] for step in path]
    assert motions.count(Motion.PRINT) <= 1
    assert motions.count(Motion.TAKE_LEASE) <= 1
    assert motions.count(Motion.MARK_CARD) <= 1


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[-1][2])
def test_a_question_is_asked_before_anything_is_leased(path):
    motions = [step[3] for step in path]
    if Motion.ASK_PERSON in motions and Motion.TAKE_LEASE in motions:
        asked = motions.index(Motion.ASK_PERSON)
        assert path[asked + 1][1] == GOOD
        assert asked < motions.index(Motion.TAKE_LEASE)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[-1][2])
def test_a_lease_ends_in_a_paper_a_call_off_or_a_doubt(path):
    motions = [step[3] for step in path]
    if Motion.MARK_CARD in motions:
        ends = {Motion.REPORT_PRINT, Motion.REPORT_ABORT, Motion.SAY_IN_DOUBT}
        assert ends & set(motions)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[-1][2])
def test_nothing_is_called_off_once_a_paper_may_be_out(path):
    for state, happening, then, motion in path:
        if state == State.PRINTING and happening != Happening.FAILED:
            assert motion != Motion.REPORT_ABORT
            assert then in (State.REPORTING, State.IN_DOUBT)
        if state == State.REPORTING:
            assert then == State.DONE


@pytest.mark.parametrize("state", sorted(set(State) - ENDS - {State.IDLE}))
def test_whatever_fails_there_is_a_way_on(state):
    then, _ = after(state, Happening.FAILED)
    assert then != state


@given(state=st.sampled_from(State), happening=st.sampled_from(Happening))
def test_what_cannot_happen_is_an_error_and_never_a_motion(state, happening):
    if (state, happening) in TABLE:
        assert after(state, happening) == TABLE[state, happening]
    else:
        with pytest.raises(ValueError, match=f"{happening} cannot happen in {state}"):
            after(state, happening)


@pytest.mark.parametrize("end", sorted(ENDS))
def test_nothing_follows_an_end(end):
    assert not [key for key in TABLE if key[0] == end]
