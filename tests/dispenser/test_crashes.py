"""The machine is killed, the card torn, the line cut, at every single place.

Each time the owner comes again, by way of the terminal at home if need be, until there
is a ticket: one paper, whose serial the ledger and the card agree on.

Seen to fail: a job noted after the printer moved, PRINTING called off at the next
start, a job closed before the ledger heard of it, a lease that was not noted, a job
forgotten because the machine's token had expired, or because it was overtaken.
"""

import itertools
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_bridge.gateway import LedgerRefusal, LedgerUnreachable
from dispenser.hardware.printer import NotPrinted
from dispenser.machine import State
from dispenser.outbox import Stage
from ledger.vocabulary.codes import Role
from tests.dispenser.theatre import DATE_OF_BIRTH

PLACES_MIN = 40  # Fewer places than this, and the tests do not look everywhere.
EXCHANGES_MIN = 15
ASKED = {"question": DATE_OF_BIRTH}


class Killed(BaseException):
    """The program ends here, without another word."""


class Fuse:
    """Raises at the n-th call, counted from 0."""

    def __init__(self, after: int, raises: type[BaseException], only: str = "") -> None:
        self._left, self._raises, self._only = after, raises, only
        self.burnt: str | None = None

    def __call__(self, where: str) -> None:
        if self._only not in where or self.burnt:
            return
        if self._left == 0:
            self.burnt = where
            raise self._raises
        self._left -= 1


@pytest.mark.timeout(300)
def test_killed_at_any_call_it_prints_one_paper_and_no_ticket_is_lost(theatre):
    for place in itertools.count():
        machine, visitor = theatre.machine(), theatre.visitor(ASKED)
        fuse = Fuse(place, Killed)
        try:
            machine.serve(visitor, machine.station(burn=fuse))
        except Killed:
            assert len(machine.papers()) <= 1, fuse.burnt
        if fuse.burnt is None:
            break
        machine.serve_to_the_end(visitor)
        machine.require_dispensed_once(visitor)
    assert place >= PLACES_MIN


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.integers(0, PLACES_MIN), min_size=2, max_size=4))
def test_killed_again_and_again_it_still_prints_one_paper(theatre, places):
    machine, visitor = theatre.machine(), theatre.visitor()
    for place in places:
        try:
            machine.serve(visitor, machine.station(burn=Fuse(place, Killed)))
        except Killed:
            theatre.clock.passes(seconds=40)
    machine.serve_to_the_end(visitor)
    machine.require_dispensed_once(visitor)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("processed", [False, True], ids=["asked", "answered"])
def test_a_card_torn_at_any_exchange_is_mended_and_dispensed_once(theatre, processed):
    exchanges, place = EXCHANGES_MIN, 0
    while place < exchanges:
        machine, visitor = theatre.machine(), theatre.visitor()
        visitor.card.tear_after(place, processed=processed)
        visit = machine.serve(visitor)
        assert visit.state == State.REFUSED
        assert visit.code is not None
        assert visit.code.startswith("card-")
        assert visit.says.endswith(".")
        assert machine.papers() == set()
        assert list(machine.outbox.jobs()) == []
        machine.serve_to_the_end(visitor)
        machine.require_dispensed_once(visitor)
        if place == 0:
            exchanges = _exchanges_of_a_visit(theatre)
        place += 1
    assert place > EXCHANGES_MIN


def _exchanges_of_a_visit(theatre) -> int:
    visitor = theatre.visitor()
    with visitor.lays_card() as lying:
        assert theatre.machine().station().present(lying).state == State.DONE
        count: int = lying.picc.exchanges.count
    return count


@pytest.mark.timeout(300)
def test_a_line_cut_at_any_request_or_answer_costs_no_ticket(theatre):
    for place in itertools.count():
        machine, visitor = theatre.machine(), theatre.visitor()
        fuse = Fuse(place, LedgerUnreachable, only=" ledger.")
        visit = machine.serve(visitor, machine.station(burn=fuse))
        if fuse.burnt is None:
            break
        if fuse.burnt.endswith("ledger.printed"):
            assert visit.state == State.DONE, "the paper is out, whoever heard of it"
        else:
            assert (visit.state, visit.code) == (State.REFUSED, "unreachable")
            assert "cannot be reached" in visit.says
            assert machine.papers() == set()
        machine.serve_to_the_end(visitor)
        machine.require_dispensed_once(visitor)
    assert place == 2 * len(("tap", "start", "mark", "printed"))


def test_a_line_that_stays_away_keeps_the_job_until_it_is_back(theatre, machine):
    visitor = theatre.visitor()

    def cut(where: str) -> None:
        if where in ("before ledger.mark_dispense", "before ledger.abort_dispense"):
            raise LedgerUnreachable

    visit = machine.serve(visitor, machine.station(burn=cut))
    assert (visit.state, visit.code) == (State.REFUSED, "unreachable")
    (job,) = machine.outbox.jobs()
    assert job.stage == Stage.NOT_PRINTED
    assert machine.station(burn=cut).recover() == [job]
    assert machine.station().recover() == []
    machine.require_given_back(visitor)


def test_what_was_printed_is_reported_when_the_line_is_back(theatre, machine):
    visitor = theatre.visitor()

    def cut(where: str) -> None:
        if where == "before ledger.printed":
            raise LedgerUnreachable

    assert machine.serve(visitor, machine.station(burn=cut)).state == State.DONE
    assert machine.station(burn=cut).recover() == list(machine.outbox.jobs())
    assert str(theatre.ticket(visitor.tickets[0]).life) == "OWNED"
    assert machine.station().recover() == []
    machine.require_dispensed_once(visitor)


def test_a_call_off_that_the_ledger_would_not_hear_is_kept(theatre, machine):
    """An expired token is no answer: the ticket would stay locked for ever."""
    visitor = theatre.visitor()

    def stop(where: str) -> None:
        if where == "after ledger.mark_dispense":
            raise Killed

    with pytest.raises(Killed):
        machine.serve(visitor, machine.station(burn=stop))
    expired = theatre.callers.caller(
        Role.DISPENSER, lifetime_s=1, device_id=machine.device.device_id
    )
    theatre.clock.passes(seconds=2)
    (kept,) = machine.station(gateway=theatre.gateway(expired)).recover()
    assert kept.stage == Stage.LEASED
    assert machine.station().recover() == []
    machine.require_given_back(visitor)


def test_a_call_off_that_was_overtaken_is_kept(theatre, machine):
    """Printing was authorised, so nothing but the machine's word frees the ticket."""
    visitor = theatre.visitor()

    def overtake(where: str) -> None:
        if where == "before page.print_ticket":
            raise NotPrinted("the paper is jammed")
        if where == "before ledger.abort_dispense":
            raise LedgerRefusal("overtaken", "Try again.", status=409)

    visit = machine.serve(visitor, machine.station(burn=overtake))
    assert visit.state == State.REFUSED
    assert [job.stage for job in machine.outbox.jobs()] == [Stage.NOT_PRINTED]
    assert machine.station().recover() == []
    machine.require_given_back(visitor)


def test_a_machine_killed_after_a_wrong_answer_has_leased_nothing(theatre, machine):
    visitor = theatre.visitor(ASKED)
    before = theatre.position()

    def stop(where: str) -> None:
        if where == "after keyboard.line":
            raise Killed

    with pytest.raises(Killed):
        machine.serve(visitor, machine.station(burn=stop, answers=["1.1.1900"]))
    assert theatre.position() == before
    assert machine.station().recover() == []
    assert machine.serve(visitor).state == State.DONE


def test_jobs_of_another_machine_are_not_settled_here(theatre, machine):
    visitor, other = theatre.visitor(), theatre.machine()

    def stop(where: str) -> None:
        if where == "after page.print_ticket":
            raise Killed

    with pytest.raises(Killed):
        machine.serve(visitor, machine.station(burn=stop))
    assert other.station().recover() == []
    assert other.serve(visitor).state == State.REFUSED
    (job,) = machine.station().recover()
    assert machine.station().resolve(UUID(job.job_id), printed=True)
    machine.require_dispensed_once(visitor)
