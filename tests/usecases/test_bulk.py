"""A stadium is imported: whole, once, and on from where it was cut short.

Bugs planted to see this fail: the progress recorded in a commit of its own; ticket ids
drawn anew in each run; a refusal that leaves places held; allowances left uncounted;
rows taken for the same though they differ.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.allotment import PlaceTaken
from ledger.aggregates.allowance import Allowance
from ledger.aggregates.batch import HOLD_S, Batch, BatchDiffers
from ledger.aggregates.e_ticket import ETicket, Terms
from ledger.aggregates.offering import Block, Category, NotTheIssuer, OfferingCancelled
from ledger.aggregates.party import Party
from ledger.bootstrap import Installation
from ledger.errors import Overtaken
from ledger.usecases import bulk, catalogue, grants, stock
from ledger.usecases.bulk import BadRows, NotEnough, Row, issuing
from ledger.usecases.bulk.issuing import Progress
from ledger.vocabulary.ids import allowance_id, imported_party_id, imported_ticket_id
from tests.domain.examples import ALICE, HOUR, ISSUER, NOON
from tests.usecases.town import CAUSE, fresh

BATCH, OFFERING = UUID(int=0x7001), UUID(int=0x7002)
FANS = [UUID(int=0x7100 + number) for number in range(500)]
ROOT = Path(__file__).parents[2]


def open_stadium(its: Installation, *blocks: Block, **more) -> None:
    everybody = [
        Party.register(
            party_id=party_id,
            kind="person",
            name_sealed="sealed",
            contact_sealed=None,
            at=NOON,
        )
        for party_id in (ISSUER, ALICE, *FANS)
    ]
    its.ledger.record(*everybody, cause=CAUSE)
    said = {
        "categories": [Category("stand", 2_000, 100), Category("seat", 5_000)],
        "currency": "EUR",
        "question": None,
    }
    catalogue.open_offering(
        its.ledger,
        offering_id=OFFERING,
        issuer_id=ISSUER,
        title="Cup final",
        kind="admission",
        blocks=blocks,
        sale_from=NOON,
        sale_until=NOON + HOUR,
        valid_from=NOON,
        valid_until=NOON + 48 * HOUR,
        purchase_limit=2,
        uses_limit=1,
        terms=Terms(),
        at=NOON,
        cause=CAUSE,
        **(said | more),
    )


def row(number: int, **more) -> Row:
    owner = {} if "name" in more else {"owner_id": FANS[number % len(FANS)]}
    said: dict[str, Any] = {
        "line": number + 2,
        "reference": f"R-{number:05}",
        "category": "stand",
    }
    return Row(**(said | owner | more))


def rows_of(count: int, **more) -> list[Row]:
    return [row(number, **more) for number in range(count)]


def run(its: Installation, rows, *, batch_id=BATCH, by=ISSUER, at=NOON, **more):
    return bulk.issue(
        its.ledger,
        its.personal,
        batch_id=batch_id,
        offering_id=OFFERING,
        rows=rows,
        by=by,
        at=at,
        cause=CAUSE,
        **more,
    )


def tickets(its: Installation, rows, batch_id=BATCH) -> list[ETicket]:
    return [
        its.ledger.ticket(imported_ticket_id(batch_id, each.reference)) for each in rows
    ]


def counted(its: Installation) -> tuple[int, int, int]:
    now = stock.count(its.ledger, OFFERING)
    assert now.free + now.held + now.sold == now.capacity
    return now.free, now.held, now.sold


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(issuing, "HOLD_ROWS", 7)
    monkeypatch.setattr(issuing, "ISSUE_ROWS", 5)


def test_ten_thousand_tickets_are_issued_in_one_command(installation):
    seats = [f"Row {n // 50} seat {n % 50}" for n in range(5_000)]
    open_stadium(installation, Block("stand", count=5_500), Block("seat", tuple(seats)))
    rows = rows_of(5_000)
    rows += [
        row(5_000 + n, category="seat", place=seat) for n, seat in enumerate(seats)
    ]
    told: list[Progress] = []
    done = run(installation, rows, tell=told.append)
    assert (done.count, done.issued_now) == (10_000, 10_000)
    assert [each.held for each in told[:5]] == [2_000, 4_000, 6_000, 8_000, 10_000]
    assert [each.issued for each in told[5:]] == list(range(500, 10_500, 500))
    assert counted(installation) == (500, 0, 10_000)
    last = tickets(installation, rows[-1:])[0]
    assert (last.right, last.category, last.source) == (seats[-1], "seat", "import")
    fan = installation.ledger.find(Allowance, allowance_id(OFFERING, FANS[0]))
    assert fan.used == 20  # Beyond the limit of purchase, which does not bind.
    again = run(installation, rows)
    assert (again.issued_now, again.position) == (0, done.position)


def test_what_was_paid_elsewhere_is_what_the_ticket_cost(installation):
    open_stadium(installation, Block("stand", count=20))
    rows = [
        row(0),
        row(1, price_minor=1_500),
        row(2, name="Zoë", contact="z@a.example"),
    ]
    run(installation, rows)
    usual, cheaper, new = tickets(installation, rows)
    assert (usual.price_minor, usual.fees_minor) == (2_000, 100)
    assert (cheaper.price_minor, cheaper.fees_minor) == (1_500, 0)
    assert new.owner_id == imported_party_id(BATCH, "R-00002")
    party = installation.ledger.party(new.owner_id)
    assert installation.personal.open(party.id, party.name_sealed) == "Zoë"


@pytest.mark.parametrize("cut_at", range(9))
def test_a_run_that_was_cut_short_goes_on_where_it_ended(
    installation, small_chunks, cut_at
):
    open_stadium(installation, Block("stand", count=30))
    rows = rows_of(23)
    with pytest.raises(KeyboardInterrupt):
        run(installation, rows, tell=interrupting(cut_at))
    issued = installation.ledger.find(Batch, BATCH).issued
    free, held, sold = counted(installation)
    assert (sold, free + held) == (issued, 30 - issued)
    done = run(installation, rows)
    assert done.issued_now == 23 - issued
    assert counted(installation) == (7, 0, 23)
    assert len({ticket.right for ticket in tickets(installation, rows)}) == 23


def test_a_run_that_was_killed_goes_on_where_it_ended(installation, database, tmp_path):
    open_stadium(installation, Block("stand", count=2_000))
    rows = rows_of(1_500)
    importer = [sys.executable, "-m", "tests.usecases.importer", database.server_url]
    with subprocess.Popen(
        [*importer, database.schema, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        while b"issued 500" not in process.stdout.readline():
            continue
        process.kill()
    issued = installation.ledger.find(Batch, BATCH).issued
    assert 500 <= issued <= 1_500
    assert counted(installation) == (500, 1_500 - issued, issued)
    assert run(installation, rows).issued_now == 1_500 - issued
    assert counted(installation) == (500, 0, 1_500)


@pytest.mark.parametrize("_again", range(3))
def test_two_runs_at_once_issue_each_ticket_once(installation, small_chunks, _again):
    open_stadium(installation, Block("stand", count=60))
    rows = rows_of(50)
    together = threading.Barrier(2)

    def go(_: int) -> object:
        together.wait()
        try:
            return run(installation, rows)
        except Overtaken as overtaken:
            return overtaken

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(go, range(2)))
    run(installation, rows)
    assert counted(installation) == (10, 0, 50)
    assert {ticket.version for ticket in tickets(installation, rows)} == {1}


def test_the_same_batch_with_other_rows_is_refused(installation):
    open_stadium(installation, Block("stand", count=20))
    run(installation, rows_of(3))
    with pytest.raises(BatchDiffers) as refused:
        run(installation, rows_of(4))
    assert refused.value.because == (f"{BATCH}/1",)
    # Where a row stands in its file is nothing that it says.
    assert run(installation, [row(n, line=90 + n) for n in range(3)]).issued_now == 0


def test_bad_rows_are_told_by_their_lines_before_anything_is_recorded(installation):
    open_stadium(installation, Block("stand", count=20), Block("seat", ("A1", "A2")))
    rows = [
        row(0),
        row(1, reference="R-00000"),
        row(2, owner_id=UUID(int=5)),
        row(3, category="box"),
        row(4, category="seat", place="A9"),
        row(5, category="seat", place="A1"),
        row(6, category="seat", place="A1"),
        row(7, price_minor=-1),
        row(8, name="Zoë", owner_id=ALICE),
        row(9, reference="a b"),
    ]
    before = installation.ledger.position()
    with pytest.raises(BadRows) as refused:
        run(installation, rows)
    assert [each.line for each in refused.value.rows] == [3, 4, 5, 6, 8, 9, 10, 11]
    assert "line 6: there is no place A9" in str(refused.value)
    assert installation.ledger.position() == before


def test_an_answer_is_needed_where_the_holder_will_be_asked(installation):
    open_stadium(installation, Block("stand", count=20), question=3)
    with pytest.raises(BadRows, match="line 2: the holder will be asked"):
        run(installation, rows_of(1))
    run(installation, rows_of(1, answer="10115"))
    assert tickets(installation, rows_of(1))[0].check_sealed is not None


def test_nothing_is_issued_unless_there_is_a_place_for_everything(
    installation, small_chunks
):
    open_stadium(installation, Block("stand", count=20), Block("seat", ("A1", "A2")))
    with pytest.raises(NotEnough):
        run(installation, rows_of(21))
    assert counted(installation) == (22, 0, 0)

    give(installation, "seat", "A2", at=NOON)
    rows = [*rows_of(10), row(10, category="seat", place="A2")]
    with pytest.raises(PlaceTaken):
        run(installation, rows, batch_id=fresh())
    assert counted(installation) == (21, 0, 1)
    assert run(installation, rows_of(20), batch_id=fresh()).issued_now == 20


def test_a_batch_that_gave_up_can_be_tried_again(installation, small_chunks):
    open_stadium(installation, Block("stand", count=20))
    rows = rows_of(21)
    with pytest.raises(NotEnough):
        run(installation, rows)
    catalogue.open_more(
        installation.ledger,
        offering_id=OFFERING,
        by=ISSUER,
        blocks=[Block("stand", count=5)],
        at=NOON,
        cause=CAUSE,
    )
    assert run(installation, rows).issued_now == 21


@pytest.mark.parametrize("cut_at", range(5))
def test_places_that_were_held_too_long_are_held_anew(
    installation, small_chunks, cut_at
):
    """Meanwhile the first of them was given to somebody else."""
    open_stadium(installation, Block("stand", count=30))
    rows = rows_of(12)
    with pytest.raises(KeyboardInterrupt):
        run(installation, rows, tell=interrupting(cut_at))
    later = NOON + timedelta(seconds=HOLD_S)
    assert give(installation, "stand", None, at=later) == 1
    run(installation, rows, at=later)
    assert counted(installation) == (17, 0, 13)
    assert len({ticket.right for ticket in tickets(installation, rows)}) == 12


def interrupting(cut_at: int):
    steps = itertools.count()

    def tell(_: bulk.Progress) -> None:
        if next(steps) == cut_at:
            raise KeyboardInterrupt

    return tell


def give(its: Installation, category: str, place: str | None, *, at) -> int:
    given = grants.grant(
        its.ledger,
        its.desk,
        its.personal,
        grant_id=fresh(),
        offering_id=OFFERING,
        by=ISSUER,
        to=ALICE,
        ticket_ids=[fresh()],
        category=category,
        place=place,
        at=at,
        cause=CAUSE,
    )
    return len(given.ticket_ids)


def test_only_the_issuer_imports_and_only_while_it_is_offered(
    installation, small_chunks
):
    open_stadium(installation, Block("stand", count=30))
    with pytest.raises(NotTheIssuer):
        run(installation, rows_of(3), by=ALICE)
    with pytest.raises(KeyboardInterrupt):
        run(installation, rows_of(3), tell=interrupting(0))
    offering = installation.ledger.offering(OFFERING)
    offering.cancel(by=ISSUER, reason="rain", at=NOON)
    installation.ledger.record(offering, cause=CAUSE)
    with pytest.raises(OfferingCancelled):
        run(installation, rows_of(3))
