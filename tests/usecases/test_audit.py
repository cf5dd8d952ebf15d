"""What an audit tells of any moment is what the log says up to there, and no more.

Bugs planted to see this fail, one at a time: a position that is read one too far; a
probe of a time that takes what is dated just then for later; the chain's next owner
taken for the present one; a diff that leaves out what came to be; a time without its
zone that is taken for one in UTC.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.aggregates.e_ticket import ETicket
from ledger.application import TicketUnknown
from ledger.errors import Refusal
from ledger.log.merkle import Tree
from ledger.usecases import audit
from ledger.usecases.audit.book import BeforeTheTicket
from ledger.usecases.audit.differing import WrongWayRound
from ledger.usecases.audit.moments import BadMoment, BeforeTheLog, BeyondTheEnd
from ledger.usecases.audit.states import CannotHaveHappened
from tests.domain.examples import NOON, a_ticket
from tests.lifecycle.world import MOVES, PEOPLE, World
from tests.usecases.exports import book_of, exported, lines_of

STEPS = 40
TITLE_EVENTS = [each.TOPIC for each in audit.TITLE_EVENTS]


def a_history(seed: int) -> World:
    """A town in which people have done this and that, some of it to tickets."""
    whim = Random(seed)
    world = World(
        payout="at_sale", sender_use="wins", on_medium="exposure", together=False
    )
    for _ in range(STEPS):
        by = whim.choice(PEOPLE)
        move = whim.choice([*world.likely(by), whim.choice(MOVES)])
        try:
            getattr(world, move)(whim.randrange(420), by, whim.randrange(420))
        except Refusal:
            continue
    return world


def busiest(world: World) -> UUID:
    tickets: list[ETicket] = world.ledger.all_of(ETicket)
    return max(tickets, key=lambda each: (each.version, each.id)).id


def replayed(world: World, stream_id: UUID, position: int) -> Any:
    told = None
    for stored in world.ledger.stored[:position]:
        if stored.originator_id == stream_id:
            told = world.ledger.event(stored).mutate(told)
    return told


def with_a_ticket(seed: int) -> World:
    world = a_history(seed)
    while not world.ledger.all_of(ETicket):
        seed += 1_000_000
        world = a_history(seed)
    return world


histories = st.integers(0, 999_999).map(with_a_ticket)


@settings(max_examples=12, deadline=None)
@given(world=histories)
def test_as_of_each_position_is_the_replay_of_what_came_before_it(world):
    book, ticket_id = book_of(world.ledger.stored), busiest(world)
    for position in range(len(world.ledger.stored) + 1):
        ticket = replayed(world, ticket_id, position)
        if ticket is None:
            with pytest.raises(BeforeTheTicket):
                audit.as_of(book, ticket_id=ticket_id, when=position)
            continue
        said = audit.as_of(book, ticket_id=ticket_id, when=position).parts
        assert said["title"]["owner_id"] == str(ticket.owner_id)
        assert said["life"]["life"] == ticket.life
        assert said["lock"]["kind"] == ticket.lock.kind
        assert [hold["case_id"] for hold in said["holds"]["holds"]] == [
            str(hold.case_id) for hold in ticket.holds
        ]
        form = said["form"]
        assert (form["kind"], form["medium_uid"], form["slot"], form["serial"]) == (
            ticket.form.kind,
            ticket.form.medium_uid,
            ticket.form.slot,
            ticket.form.serial,
        )
        assert said["epoch"]["epoch"] == ticket.epoch
        assert said["uses"]["left"] == ticket.uses.left
        assert said["stream"]["version"] == ticket.version
        alone = book_of(world.ledger.stored[:position])
        assert said == audit.as_of(alone, ticket_id=ticket_id, when=None).parts


@settings(max_examples=12, deadline=None)
@given(world=histories)
def test_the_owner_at_each_position_is_the_one_of_the_chain(world):
    book, ticket_id = book_of(world.ledger.stored), busiest(world)
    chain = audit.owners(book, ticket_id=ticket_id)
    for position in range(chain[0].position, len(world.ledger.stored) + 1):
        found = audit.owner_at(book, ticket_id=ticket_id, when=position)
        ticket = replayed(world, ticket_id, position)
        assert (found.owner.owner_id, found.life) == (ticket.owner_id, ticket.life)
        assert found.owner.version == ticket.title_version
        assert found.owner in chain
    assert chain[-1].until is None
    assert [line.until for line in chain[:-1]] == [line.since for line in chain[1:]]


@settings(max_examples=12, deadline=None)
@given(world=histories, data=st.data())
def test_a_diff_makes_the_one_state_of_the_other(world, data):
    book, ticket_id = book_of(world.ledger.stored), busiest(world)
    begins = audit.owners(book, ticket_id=ticket_id)[0].position
    size = len(world.ledger.stored)
    later = data.draw(st.integers(begins, size))
    earlier = data.draw(st.integers(0, later))
    found = audit.diff(book, ticket_id=ticket_id, earlier=earlier, later=later)
    before = (
        {}
        if earlier < begins
        else audit.as_of(book, ticket_id=ticket_id, when=earlier).parts
    )
    after = audit.as_of(book, ticket_id=ticket_id, when=later).parts
    made = audit.changed(before, found.changes)
    assert made == after
    assert all(each.before != each.after for each in found.changes) or earlier < begins
    assert [line.position for line in found.events] == [
        position
        for position, stored in enumerate(world.ledger.stored, 1)
        if stored.originator_id == ticket_id and earlier < position <= later
    ]


@settings(max_examples=8, deadline=None)
@given(world=histories, data=st.data())
def test_a_time_is_the_last_position_that_is_dated_by_then(world, data):
    book = book_of(world.ledger.stored)
    times = [world.ledger.event(each).timestamp for each in world.ledger.stored]
    assert times == sorted(times)
    at = data.draw(st.sampled_from(times)) + timedelta(
        microseconds=data.draw(st.integers(-1, 1))
    )
    due = sum(time <= at for time in times)
    if due == 0:
        with pytest.raises(BeforeTheLog):
            audit.log_as_of(book, when=at)
    else:
        assert audit.log_as_of(book, when=at).moment.position == due


def test_every_attribute_of_a_ticket_is_in_one_part():
    named = [name for names in audit.PARTS.values() for name in names]
    assert len(named) == len(set(named))
    own = {name for name in vars(a_ticket()) if not name.startswith("_")}
    assert own == set(named)


# What is refused.


@pytest.fixture
def told() -> tuple[audit.ExportBook, UUID]:
    world = with_a_ticket(1)
    return book_of(world.ledger.stored), busiest(world)


def test_what_is_not_there_is_refused_with_what_is(told):
    book, ticket_id = told
    size = book.size()
    with pytest.raises(BeyondTheEnd, match=f"has no position {size + 1}; .* {size}"):
        audit.as_of(book, ticket_id=ticket_id, when=size + 1)
    with pytest.raises(BeforeTheLog, match="nothing from 1999"):
        audit.log_as_of(book, when=datetime(1999, 1, 1, tzinfo=UTC))
    with pytest.raises(TicketUnknown):
        audit.as_of(book, ticket_id=uuid4(), when=size)
    party = PEOPLE[0]
    for position in (0, size):
        with pytest.raises(TicketUnknown):
            audit.history(book, ticket_id=party, when=position)
    with pytest.raises(WrongWayRound):
        audit.diff(book, ticket_id=ticket_id, earlier=size, later=size - 1)
    with pytest.raises(BeforeTheTicket, match="it begins at"):
        audit.owner_at(book, ticket_id=ticket_id, when=1)


def test_an_empty_log_has_its_root_and_nothing_before_it():
    book = book_of([])
    assert audit.log_as_of(book, when=None).root == Tree().root()
    with pytest.raises(BeforeTheLog, match="it is empty"):
        audit.log_as_of(book, when=NOON)


@pytest.mark.parametrize(
    "given", ["", "yesterday", "2026-06-01T12:00:00", "2026-06-01", "-1", "1" * 19, "٣"]
)
def test_what_is_no_moment_is_refused(given):
    with pytest.raises(BadMoment, match="such as"):
        audit.when_of(given)


def test_moments_are_positions_times_with_a_zone_and_now():
    assert audit.when_of("57") == 57
    assert audit.when_of("now") is None
    assert audit.when_of("2026-06-01T14:00:00+02:00") == NOON
    assert audit.when_of("2026-06-01T12:00:00Z") == NOON


def test_a_file_that_is_no_whole_export_is_refused_by_its_line(told):
    lines = lines_of(exported(with_a_ticket(1).ledger.stored))

    def refused(changed: list[bytes]) -> str:
        with pytest.raises(audit.BadExport) as found:
            audit.ExportBook(lambda: changed).size()
        assert "`log verify`" in str(found.value)
        return str(found.value)

    assert f"line {len(lines)}: it ends without" in refused(lines[:-1])
    assert "line 1: it ends without" in refused([])
    assert "line 1: it does not begin as" in refused(lines[1:])
    assert "line 1: it does not begin as" in refused([b"[]\n", *lines[1:]])
    assert "line 5: position 5 where 4 is due" in refused(lines[:4] + lines[5:])
    assert "line 3: the line is not JSON" in refused([*lines[:2], b"no\n", *lines[3:]])
    assert "line 3: it is neither" in refused([*lines[:2], b'{"a":1}\n', *lines[3:]])
    assert "there is a line after the checkpoint" in refused([*lines, lines[-1]])


@pytest.mark.parametrize("topic", ["e-ticket.gone", "e-ticket.a:b", "e-ticket.resold"])
def test_an_export_that_cannot_have_happened_is_refused_by_its_position(topic):
    stored = with_a_ticket(1).ledger.stored
    events = exported(stored)
    at = next(n for n, each in enumerate(events) if each.topic == "e-ticket.issued")
    forged = replace(events[at], topic=topic)
    lines = lines_of([*events[:at], forged, *events[at + 1 :]])
    book, ticket_id = audit.ExportBook(lambda: lines), forged.originator_id
    asked: list[Any] = [audit.as_of]
    if topic != "e-ticket.resold":  # A history is read, not replayed: it tells that.
        asked.append(audit.history)
    for tell in asked:
        with pytest.raises(CannotHaveHappened, match=f"Position {at + 1} of the exp"):
            tell(book, ticket_id=ticket_id, when=None)


def test_reading_an_export_keeps_none_of_it():
    """Lines are asked for one by one: no more than one is alive at a time."""
    lines = lines_of(exported(with_a_ticket(1).ledger.stored))
    alive = 0

    class Line(bytes):
        def __new__(cls, raw: bytes) -> Line:
            nonlocal alive
            alive += 1
            return super().__new__(cls, raw)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    most = 0

    def counted() -> Any:
        nonlocal most
        for raw in lines:
            yield Line(raw)
            most = max(most, alive)

    book = audit.ExportBook(counted)
    audit.log_as_of(book, when=None)
    for _ in audit.happened(book, *audit.between(book, 0, None)):
        most = max(most, alive)
    assert most <= 2
