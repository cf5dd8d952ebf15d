"""What time has ended is shown by the jobs; what may happen is the same without them.

Bugs planted to see this fail: a thing that cannot be tidied left due, so that a round
has no end; a deadline that the log had moved meanwhile forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from threading import Event
from typing import Any

import pytest

from ledger.adapters.deadlines import Change, DeadlineKind, Deadlines
from ledger.adapters.tracking import Tracking
from ledger.aggregates.e_ticket import Life, LockKind
from ledger.aggregates.order.states import OrderState
from ledger.aggregates.payment.states import PaymentState
from ledger.aggregates.sale.states import SaleState
from ledger.application import Ledger
from ledger.errors import Conflict
from ledger.jobs.schedule import GoesOn
from ledger.jobs.tidy import EndingValidity, Tidying
from ledger.policies.deadlines import NotingDeadlines
from ledger.policies.following import PolicyFollower
from ledger.projections.wallet import WalletView
from ledger.usecases.settlement import sale_of
from ledger.usecases.tenders import CARD, Tender
from ledger.usecases.tidying import EXPIRING, RESUMING, Tools
from tests.domain.examples import ALICE, BOB, CAROL, DISPENSER, HOUR, NOON
from tests.policies.telling import change, rows
from tests.projections.following import catch_up
from tests.projections.whims import stories
from tests.usecases.checkouts import Till
from tests.usecases.conftest import StoppedClock
from tests.usecases.giving import SHORTLY, Giving, fresh
from tests.usecases.market import Market
from tests.usecases.test_waiting import Queue, promised

ALWAYS = GoesOn(Event(), lambda: True)
TEN_MINUTES = timedelta(minutes=10)


def deadlines(ledger: Ledger) -> Deadlines:
    return Deadlines(ledger.recorder.datastore)


def follow(ledger: Ledger, batch_max: int = 500) -> None:
    PolicyFollower(
        ledger,
        Tracking(ledger.recorder.datastore),
        NotingDeadlines(deadlines(ledger)),
        batch_max=batch_max,
    ).catch_up()


def left(ledger: Ledger) -> list[tuple[str, Any]]:
    found = rows(ledger, "SELECT kind, about_id FROM deadlines ORDER BY 1, 2")
    return [(row["kind"], row["about_id"]) for row in found]


def tidy(
    its: Any,
    at: datetime,
    kinds: Mapping[DeadlineKind, Any] = EXPIRING,
    provider: Any = None,
) -> int:
    """Follow the log, then look at whatever is due at a time."""
    ledger: Ledger = its.ledger
    follow(ledger)
    clock = StoppedClock()
    clock.at = at
    tools = Tools(ledger, getattr(its, "desk", None), provider)  # type: ignore[arg-type]
    tidying = Tidying(tools, deadlines(ledger), kinds, clock, actor="jobs/test")
    return tidying.work(ALWAYS)


def test_an_unpaid_reservation_expires_and_its_place_is_free(installation):
    town = Till(installation, places=["A1"])
    order_id = town.reserve().order_id
    assert tidy(town, NOON) == 0
    assert tidy(town, NOON + TEN_MINUTES) == 1
    assert town.order(order_id).state == OrderState.EXPIRED
    assert town.reserve(BOB, at=NOON + TEN_MINUTES)
    assert tidy(town, NOON + TEN_MINUTES) == 0


def test_an_order_that_was_paid_has_no_deadline_any_more(installation):
    town = Till(installation)
    town.buy()
    follow(town.ledger)
    assert "order" not in dict(left(town.ledger))


def test_a_payment_in_flight_keeps_its_order_and_is_asked_again(installation):
    town = Till(installation)
    order_id = town.reserve().order_id
    town.begin(order_id, Tender(CARD, 4_000, instrument="tok-away-authorise"))
    late = NOON + TEN_MINUTES
    tidy(town, late)
    assert town.order(order_id).state == OrderState.PAYMENT_IN_FLIGHT
    assert tidy(town, late, RESUMING, town.provider) > 0
    assert town.order(order_id).state == OrderState.CONFIRMED
    assert town.payment(order_id).state == PaymentState.CAPTURED
    tidy(town, late + HOUR)
    tidy(town, late + HOUR, RESUMING, town.provider)
    assert left(town.ledger) == []


def test_places_promised_and_not_taken_go_to_the_next_in_line(installation):
    queue = Queue(installation, places=["A1"], purchase_limit=1)
    order = queue.reserve()
    queue.wait(BOB)
    queue.wait(CAROL)
    queue.release(order)
    assert promised(queue.look(BOB)) == ["A1"]
    follow(queue.ledger)
    (due,) = rows(queue.ledger, "SELECT * FROM deadlines WHERE kind = 'promise'")
    assert tidy(queue, due["due_at"]) == 1
    line = queue.list()
    assert line.live_promises(CAROL, due["due_at"])
    assert not line.live_promises(BOB, due["due_at"])


def test_a_gift_expires_in_the_ticket_and_in_the_gift(ledger):
    giving = Giving(ledger)
    (ticket_id,) = giving.issue()
    offer_id = giving.offer(ticket_id)
    assert tidy(giving, NOON + HOUR) == 1
    assert ledger.ticket(ticket_id).lock.kind == LockKind.NONE
    assert giving.states(offer_id) == ["EXPIRED"]
    assert left(ledger) == []


def test_a_suspended_gift_waits_and_is_ended_after_it_was_resumed(ledger):
    giving = Giving(ledger)
    (ticket_id,) = giving.issue()
    offer_id = giving.offer(ticket_id)
    case_id = giving.freeze(fresh(), ticket_id, at=NOON + SHORTLY)
    assert tidy(giving, NOON + HOUR) == 1
    assert giving.states(offer_id) == ["PENDING"]
    giving.release(case_id, at=NOON + 2 * HOUR)
    assert tidy(giving, NOON + 3 * HOUR) == 1
    assert giving.states(offer_id) == ["EXPIRED"]
    assert left(ledger) == []


def test_a_listing_expires(ledger):
    market = Market(ledger)
    (ticket_id,) = market.issue()
    market.list_ticket(ticket_id)
    assert tidy(market, NOON + 24 * HOUR) == 1
    assert ledger.ticket(ticket_id).lock.kind == LockKind.NONE
    assert left(ledger) == []


def test_a_lease_ends_before_the_point_of_no_return_and_never_after(ledger):
    giving = Giving(ledger)
    before, after = giving.issue(2)
    for slot, ticket_id in enumerate((before, after)):
        giving.record_on_card(ticket_id, slot=slot)
    giving.lease(before)
    job_id = giving.lease(after)
    job: dict[str, Any] = {"job_id": job_id, "write_id": job_id}
    giving.do(after, "authorise_print", serial="T-1", device_id=DISPENSER, **job)
    tidy(giving, NOON + HOUR)
    assert ledger.ticket(before).lock.kind == LockKind.NONE
    assert ledger.ticket(after).lock.kind == LockKind.DISPENSE


def test_the_seller_is_paid_once_what_forbade_it_is_over(ledger):
    market = Market(ledger)
    starts = NOON + 2 * HOUR
    (ticket_id,) = market.issue(not_before=starts, terms={"payout": "after_start"})
    market.list_ticket(ticket_id)
    sale_id = market.buy(ticket_id).sale_id
    assert tidy(market, starts - HOUR, RESUMING) == 1
    assert sale_of(ledger.work(), sale_id).state == SaleState.TITLE_MOVED
    assert tidy(market, starts, RESUMING) == 1
    assert sale_of(ledger.work(), sale_id).state == SaleState.PAID_OUT
    assert left(ledger) == []


def test_tickets_no_longer_valid_expire_but_for_those_that_a_case_holds(ledger):
    giving = Giving(ledger)
    over, held, valid = giving.issue(3)
    giving.freeze(fresh(), held)
    catch_up(ledger, "wallet")
    clock = StoppedClock()
    job = EndingValidity(ledger, WalletView(ledger.recorder.datastore), clock)
    assert job.work(ALWAYS) == 0
    clock.at = ledger.ticket(over).not_after
    change(
        ledger, "UPDATE wallet SET not_after = 'infinity' WHERE ticket_id = %s", valid
    )
    assert job.work(ALWAYS) == 1
    lives = [ledger.ticket(each).life for each in (over, held, valid)]
    assert lives == [Life.EXPIRED, Life.OWNED, Life.OWNED]


def test_what_cannot_be_tidied_is_put_off_and_stops_nothing_else(ledger, caplog):
    giving = Giving(ledger)
    (ticket_id,) = giving.issue()
    giving.offer(ticket_id)
    follow(ledger)
    nothing = fresh()
    noted = [
        Change(DeadlineKind.GIFT, nothing, NOON),
        Change(DeadlineKind.PROMISE, fresh(), NOON),
    ]
    at = Tracking(ledger.recorder.datastore).position("deadlines")
    assert deadlines(ledger).note(noted, policy="deadlines", after=at, upto=at)

    def fall(*_: Any) -> None:
        raise KeyError("a bug")

    kinds = dict(EXPIRING) | {DeadlineKind.PROMISE: fall}
    assert tidy(giving, NOON + HOUR, kinds) == 3
    assert ledger.ticket(ticket_id).lock.kind == LockKind.NONE
    found = rows(ledger, "SELECT kind, tries, due_at, said FROM deadlines ORDER BY 1")
    assert [(row["kind"], row["tries"]) for row in found] == [
        ("gift", 1),
        ("promise", 1),
    ]
    assert found[0]["said"].startswith("unknown")
    assert "a bug" in found[1]["said"]
    assert all(row["due_at"] > NOON + HOUR for row in found)
    assert tidy(giving, NOON + HOUR, kinds) == 0


def test_a_deadline_that_the_log_moved_meanwhile_is_not_forgotten(ledger):
    its = deadlines(ledger)
    about = fresh()
    first = [Change(DeadlineKind.LOCK, about, NOON)]
    again = [Change(DeadlineKind.LOCK, about, NOON + HOUR)]
    assert its.note(first, policy="deadlines", after=0, upto=1)
    (due,) = its.due([DeadlineKind.LOCK], at=NOON, limit=9)
    assert its.note(again, policy="deadlines", after=1, upto=2)
    its.done(due, again_at=None)
    its.put_off(due, until=NOON, said="late")
    assert its.due([DeadlineKind.LOCK], at=NOON, limit=9) == []
    assert len(its.due([DeadlineKind.LOCK], at=NOON + HOUR, limit=9)) == 1
    assert not its.note(first, policy="deadlines", after=1, upto=2)


@pytest.mark.parametrize("seed", range(3))
def test_following_in_any_portions_gives_the_same_deadlines(ledger, seed):
    stories(ledger, seed)
    follow(ledger)
    once = rows(ledger, "SELECT * FROM deadlines ORDER BY kind, about_id")
    change(ledger, "DELETE FROM deadlines")
    change(ledger, "DELETE FROM policy_tracking WHERE name = 'deadlines'")
    follow(ledger, Random(seed).randint(1, 30))
    assert rows(ledger, "SELECT * FROM deadlines ORDER BY kind, about_id") == once


def test_jobs_change_what_is_told_and_not_what_may_happen(ledger):
    """A late acceptance is refused in the same way, tidied before or not."""
    giving = Giving(ledger)
    codes = []
    for tidied in (False, True):
        (ticket_id,) = giving.issue()
        offer_id = giving.offer(ticket_id)
        if tidied:
            assert tidy(giving, NOON + HOUR) > 0
        with pytest.raises(Conflict) as refused:
            giving.accept(offer_id, at=NOON + HOUR)
        codes.append(refused.value.code)
    assert codes == ["expired", "expired"]
    assert ledger.ticket(ticket_id).owner_id == ALICE
