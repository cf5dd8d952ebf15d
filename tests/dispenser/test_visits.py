"""One visitor, one card, one machine: what is asked, said, leased, printed, refused.

Seen to fail: a fourth try, any answer taken, a lease before the answer, the first of
two tickets taken unasked, no look at the stock or the validity, a print failure that
kept the ticket, a second printer’s failure taken for none, a word turned round.
"""

from base64 import b64decode
from threading import Event, Thread
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from card_bridge.profile import layout
from card_bridge.profile.records import Body
from card_bridge.protocol.ev2_auth import LocalKey
from card_bridge.virtual import VirtualCard
from dispenser.hardware.printer import NotPrinted, PrintUnknown
from dispenser.machine import State
from dispenser.outbox import Stage
from dispenser.station import TRIES_MAX, NotDispensed
from ledger.adapters.roles import DatabaseRole
from ledger.clock import new_id
from ledger.projections.runner import Runner
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.medium_record import ISSUE_KEY, SlotStatus
from ledger.vocabulary.sealed_ticket import Recording, seal, sign
from tests.dispenser.theatre import ANSWER, DATE_OF_BIRTH, Theatre, Visitor

ASKED = {"question": DATE_OF_BIRTH}
COUPON = {"kind": "coupon", "title": "A glass of wine", "uses_limit": 2}


def test_a_ticket_is_dispensed_once_and_everybody_says_the_same(theatre, machine):
    visitor = theatre.visitor()
    visit = machine.serve(visitor)
    assert (visit.state, visit.code) == (State.DONE, None)
    assert visit.verdict == Verdict.FRESH
    assert machine.screens[-1] == "Here is your ticket. Enjoy it."
    assert visit.order is not None
    assert visit.order.code.startswith(f"ETL1:{visit.order.serial}:")
    with visitor.lays_card() as lying:
        lying.find()
        lying.open(ISSUE_KEY, _issue_key(visitor))
        assert lying.read().entries()[0].status == SlotStatus.DISPENSED
    machine.require_dispensed_once(visitor)
    assert machine.journal.unsettled(visitor.card.uid) is None


def test_with_the_views_running_it_is_the_same(theatre, machine):
    with theatre.its.ledger_as(DatabaseRole.VIEWS) as ledger:
        runner, stop = Runner(ledger), Event()
        following = Thread(target=runner.run_forever, args=(stop,))
        following.start()
        try:
            visitor = theatre.visitor()
            position = theatre.position()
            assert runner.wait_for("freshness", position, 20) >= position
            assert machine.serve(visitor).state == State.DONE
            machine.require_dispensed_once(visitor)
        finally:
            stop.set()
            following.join()


def test_three_wrong_answers_are_a_refusal_and_lease_nothing(theatre, machine):
    visitor = theatre.visitor(ASKED)
    before = theatre.position()
    wrong = ["12.03.1991", "", "nonsense", ANSWER]
    visit = machine.serve(visitor, machine.station(answers=wrong))
    assert (visit.state, visit.code) == (State.REFUSED, "name_mismatch")
    assert State.LEASING not in visit.went
    assert theatre.position() == before
    assert machine.stock.look().next_number == 1
    asked = [screen for screen in machine.screens if "Date of birth" in screen]
    assert len(asked) == TRIES_MAX
    assert "Tries left: 0" in machine.screens[-2]


def test_nobody_answering_is_a_refusal_and_leases_nothing(theatre, machine):
    visitor = theatre.visitor(ASKED)
    before = theatre.position()
    visit = machine.serve(visitor, machine.station(answers=[]))
    assert (visit.code, theatre.position()) == ("name_mismatch", before)


@pytest.mark.parametrize("answer", ["12031990", " 12-03-1990 ", "12 / 03 / 1990"])
def test_the_third_try_and_another_spelling_are_good_enough(theatre, machine, answer):
    visitor = theatre.visitor(ASKED)
    station = machine.station(answers=["no", "neither", answer])
    assert machine.serve(visitor, station).state == State.DONE


def test_of_several_tickets_the_person_chooses(theatre, machine):
    visitor = theatre.visitor({"title": "Matinee"}, {"title": "Evening"})
    visit = machine.serve(visitor, machine.station(answers=["2"]))
    assert visit.verdict == Verdict.AMBIGUOUS
    assert (visit.state, visit.order and visit.order.title) == (State.DONE, "Evening")
    assert any("1  Matinee" in screen for screen in machine.screens)
    again = machine.serve(visitor, machine.station(answers=[]))
    assert (again.state, again.order and again.order.title) == (State.DONE, "Matinee")
    assert len(machine.papers()) == 2


@pytest.mark.parametrize("typed", ["", "0", "3", "-1", "²", "one", "1 2", "9" * 500])
def test_a_choice_that_is_none_is_refused_and_leases_nothing(
    theatre, machine, undecided, typed
):
    before = theatre.position()
    visit = machine.serve(undecided, machine.station(answers=[typed]))
    assert (visit.state, visit.code) == (State.REFUSED, "ambiguous")
    assert theatre.position() == before


def test_a_card_with_a_coupon_alone_is_refused_in_words(theatre, machine):
    visit = machine.serve(theatre.visitor(COUPON))
    assert (visit.state, visit.code) == (State.REFUSED, "unknown")
    assert visit.says == "There is no ticket on this card."


def test_beside_a_coupon_the_ticket_is_taken_without_a_question(theatre, machine):
    visit = machine.serve(theatre.visitor(COUPON, {}), machine.station(answers=[]))
    assert visit.state == State.DONE


def test_without_paper_nothing_is_leased(theatre, machine):
    visitor = theatre.visitor()
    machine.stock.add(1, prefix=machine.prefix)
    machine.stock.take()
    before = theatre.position()
    visit = machine.serve(visitor)
    assert (visit.state, visit.code) == (State.REFUSED, "incomplete")
    assert visit.says == "The machine is out of paper."
    assert theatre.position() == before


def test_a_damaged_stock_is_refused_before_the_lease(theatre, machine):
    visitor = theatre.visitor()
    station = machine.station()
    (machine.folder / "stock.json").write_text('{"left": "many"}')
    before = theatre.position()
    visit = machine.serve(visitor, station)
    assert (visit.state, visit.code) == (State.REFUSED, "incomplete")
    assert "cannot be read" in visit.says
    assert theatre.position() == before


def test_a_ticket_before_or_after_its_time_is_refused(theatre, machine):
    early = theatre.visitor(
        {"valid_from": "2026-11-25T10:00:00Z", "valid_until": "2026-11-26T10:00:00Z"}
    )
    visit = machine.serve(early)
    assert (visit.state, visit.code) == (State.REFUSED, "not_yet_valid")
    assert State.LEASING not in visit.went
    until = theatre.clock.at.replace(microsecond=0)
    late = theatre.visitor({"valid_until": f"{until.isoformat()[:-6]}.5Z"})
    before = theatre.position()
    theatre.clock.passes(seconds=1)
    visit = machine.serve(late)
    assert (visit.state, visit.code) == (State.REFUSED, "no_longer_valid")
    assert State.LEASING not in visit.went
    assert theatre.position() == before


def test_what_the_printer_proves_not_to_have_printed_is_given_back(theatre, machine):
    visitor = theatre.visitor()

    def jam(where: str) -> None:
        if where == "before page.print_ticket":
            raise NotPrinted("the paper is jammed")

    visit = machine.serve(visitor, machine.station(burn=jam))
    assert (visit.state, visit.says) == (State.REFUSED, "the paper is jammed")
    assert list(machine.outbox.jobs()) == []
    assert theatre.ticket(visitor.tickets[0]).lock.kind == "NONE"
    stale = machine.serve(visitor)
    assert (stale.state, stale.code) == (State.REFUSED, "medium_stale")
    machine.require_given_back(visitor)


def test_a_printer_that_is_not_ready_leases_nothing(theatre, machine):
    visitor = theatre.visitor()
    before = theatre.position()

    def off(where: str) -> None:
        if where == "before roll.ready":
            raise NotPrinted("the printer is off")

    visit = machine.serve(visitor, machine.station(burn=off))
    assert (visit.state, visit.says) == (State.REFUSED, "the printer is off")
    assert theatre.position() == before


@pytest.mark.parametrize("printed", [True, False], ids=["printed", "not printed"])
def test_in_doubt_nothing_is_printed_until_somebody_has_looked(
    theatre, machine, printed
):
    visitor = theatre.visitor()
    place = "after roll.print_ticket" if printed else "before page.print_ticket"

    def stall(where: str) -> None:
        if where == place:
            raise PrintUnknown("the printer does not answer")

    visit = machine.serve(visitor, machine.station(burn=stall))
    assert (visit.state, visit.code) == (State.IN_DOUBT, "in_doubt")
    assert "wait for somebody to help" in machine.screens[-1]
    papers = machine.papers()
    (job,) = machine.station().recover()
    assert job.stage == Stage.PRINTING
    for _ in range(2):
        with visitor.lays_card() as lying:
            assert machine.station().present(lying).state == State.REFUSED
        theatre.clock.passes(hours=0.1)
        visitor.goes_home()
    assert machine.papers() == papers
    assert theatre.ticket(visitor.tickets[0]).lock.kind == "DISPENSE"

    assert machine.station().resolve(UUID(job.job_id), printed=printed)
    with pytest.raises(NotDispensed, match="no such job"):
        machine.station().resolve(UUID(job.job_id), printed=not printed)
    if printed:
        machine.require_dispensed_once(visitor)
    else:
        machine.require_given_back(visitor)


def test_a_second_printer_that_fails_leaves_a_doubt(theatre, machine):
    visitor = theatre.visitor()

    def jam(where: str) -> None:
        if where == "before roll.print_ticket":
            raise NotPrinted("the roll is empty")

    visit = machine.serve(visitor, machine.station(burn=jam))
    assert visit.state == State.IN_DOUBT
    assert len(machine.papers()) == 1


def test_a_paper_of_that_number_that_exists_is_a_doubt(theatre, machine):
    visitor = theatre.visitor()
    papers = machine.folder / "papers"
    papers.mkdir(parents=True)
    (papers / f"{machine.prefix}-000001.pdf").write_bytes(b"somebody's ticket")
    visit = machine.serve(visitor)
    assert visit.state == State.IN_DOUBT
    assert [path.read_bytes() for path in papers.iterdir()] == [b"somebody's ticket"]


def test_two_machines_with_one_prefix_print_no_number_twice(theatre, machine):
    """The ledger refuses the number; the ticket is given back."""
    twin = theatre.machine()
    twin.prefix = machine.prefix
    assert machine.serve(theatre.visitor()).state == State.DONE
    visitor = theatre.visitor()
    visit = twin.serve(visitor)
    assert visit.state == State.REFUSED
    assert twin.papers() == set()
    twin.require_given_back(visitor)


# Cards that are not as they should be.


def test_a_body_that_is_not_right_is_refused_with_a_code(theatre, machine):
    visitor = theatre.visitor()
    for name, raw in _wrong_bodies(theatre, visitor).items():
        _write(visitor, layout.BODIES, raw)
        before = theatre.position()
        visit = machine.serve(visitor)
        assert visit.state == State.REFUSED, name
        assert visit.code in ("malformed", "counterfeit"), name
        assert State.LEASING not in visit.went
        assert theatre.position() == before


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(min_size=1, max_size=layout.BODY_LENGTH))
def test_no_bytes_in_a_body_make_the_machine_stumble(theatre, held, raw):
    machine, visitor = held
    _write(visitor, layout.BODIES, raw.ljust(layout.BODY_LENGTH, b"\0"))
    visit = machine.serve(visitor)
    assert (visit.state, State.LEASING in visit.went) == (State.REFUSED, False)
    assert visit.code in ("malformed", "counterfeit")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from([layout.SLOTS, layout.STAMP]),
    raw=st.binary(min_size=32, max_size=32),
)
def test_no_bytes_in_slots_or_stamp_make_the_machine_stumble(theatre, held, file, raw):
    machine, visitor = held
    _write(visitor, file, raw)
    visit = machine.serve(visitor)
    assert (visit.state, State.LEASING in visit.went) == (State.REFUSED, False)
    assert visit.code is not None
    assert visit.says.endswith(".")


def test_a_blank_card_is_refused_in_words(theatre, machine):
    visitor = theatre.visitor()
    visitor.card = VirtualCard.blank()
    visit = machine.serve(visitor)
    assert (visit.state, visit.code) == (State.REFUSED, "card-refused")


def test_a_copy_on_another_card_is_not_dispensed(theatre, machine):
    owner, thief = theatre.visitor(), theatre.visitor()
    thief.card.copy_contents_from(owner.card)
    visit = machine.serve(thief)
    assert (visit.state, visit.code) == (State.REFUSED, "clone")
    assert machine.papers() == set()
    assert machine.serve(owner).state == State.DONE


def test_an_old_image_put_back_after_the_print_is_not_dispensed(theatre, machine):
    visitor = theatre.visitor()
    image = visitor.card.snapshot()
    assert machine.serve(visitor).state == State.DONE
    visitor.card.restore(image)
    visit = machine.serve(visitor)
    assert (visit.state, visit.code) == (State.REFUSED, "rollback")
    assert len(machine.papers()) == 1


@pytest.fixture
def held(theatre, machine):
    """A machine and a visitor, the same for every example."""
    return machine, theatre.visitor()


@pytest.fixture(scope="module")
def undecided(theatre):
    """A visitor with two tickets, who never gets one here."""
    return theatre.visitor({}, {})


def _issue_key(visitor: Visitor) -> LocalKey:
    return LocalKey(visitor.keys.keys[ISSUE_KEY], bytes(range(16)))


def _write(visitor: Visitor, file: layout.BackupFile, raw: bytes) -> None:
    """Write over the start of a file, as whoever has the card's issue key could."""
    with visitor.lays_card() as lying:
        lying.find()
        lying.open(ISSUE_KEY, _issue_key(visitor))
        lying.picc.write_data(file.number, 0, raw, file.comm)
        lying.commit()


def _wrong_bodies(theatre: Theatre, visitor: Visitor) -> dict[str, bytes]:
    (ticket_id,) = visitor.tickets
    with visitor.lays_card() as lying:
        lying.find()
        lying.open(ISSUE_KEY, _issue_key(visitor))
        body = lying.read_body(0)
        epoch = lying.read().entries()[0].epoch
    origin, uid = theatre.its.origin, visitor.card.uid
    public = theatre.its.cards.record_public_key(uid)
    here = Recording(origin, ticket_id, epoch, uid, 0)
    genuine = body.encode()
    gateway = theatre.gateway(visitor.caller)
    sent = gateway.transmission(
        ticket_id, terminal_id=visitor.bridge.terminal.terminal_id
    )
    signed = visitor.bridge.terminal.open(
        b64decode(sent["sealed"]), ticket_id=ticket_id, epoch=sent["epoch"]
    )
    claims = visitor.bridge.terminal.claims(signed)
    forged = sign(claims, key=Ed25519PrivateKey.generate(), origin=origin)

    def sealed(what: bytes, context: Recording = here) -> bytes:
        return Body(ticket_id, seal(what, to=public, context=context)).encode()

    return {
        "empty": bytes(layout.BODY_LENGTH),
        "too long": b"\xff\xff" + genuine[2:],
        "cut off": (len(body.sealed) - 9).to_bytes(2) + genuine[2:],
        "one bit": genuine[:60] + bytes([genuine[60] ^ 1]) + genuine[61:],
        "another ticket's id": genuine[:2] + new_id().bytes + genuine[18:],
        "garbage, sealed well": sealed(b"\xa0garbage"),
        "nothing, sealed well": sealed(b""),
        "no issuer's signature": sealed(forged),
        "sealed for another slot": sealed(
            signed, Recording(origin, ticket_id, epoch, uid, 1)
        ),
        "sealed for another epoch": sealed(
            signed, Recording(origin, ticket_id, epoch + 1, uid, 0)
        ),
    }
