"""Every deadline is judged at the commit: nothing here ever runs to clear one away.

Each is tried twice: a moment before, it holds; at the moment itself it is over, and the
refusal leaves no trace. Then whoever it kept out comes in.

Planted and caught: a lease that waits for its machine; a ticket that is sent to a
terminal when its validity is over; an end that is recorded before it has come.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Never

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.aggregates.e_ticket import Life, LockKind, Terms
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.e_ticket.states import HoldKind
from ledger.aggregates.order import OrderState
from ledger.errors import Refusal
from ledger.ports import ProviderUnreachable
from ledger.usecases import (
    accounts,
    checkout,
    exchanges,
    expiry,
    parties,
    refunds,
    reservations,
    transmission,
    waiting,
)
from ledger.vocabulary.money import Money
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON, TILL
from tests.usecases.checkouts import Till, card, points
from tests.usecases.town import CAUSE, fresh

A_MOMENT = timedelta(microseconds=1)
ANY = Terms(
    exchangeable=True,
    refundable=True,
    on_medium="exposure",
    gift_until_s=3_600,
    resale_until_s=3_600,
    refund_until_s=3_600,
)
MACHINE, CARD_UID = TILL, "04a1b2c3d4e5f6"


def a_town(installation, **offering):
    said = {
        "valid_from": NOON + 24 * HOUR,
        "valid_until": NOON + 48 * HOUR,
        "sale_until": NOON + 20 * HOUR,
        "terms": ANY,
    }
    return Till(installation, **said | offering)


def valid_now(installation, **offering):
    return a_town(installation, valid_from=NOON - HOUR, terms=Terms(), **offering)


def on_a_card(town, ticket_id, *, by=ALICE, at=NOON):
    ticket = town.ledger.ticket(ticket_id)
    write_id = fresh()
    ticket.prepare_write(
        write_id=write_id, medium_uid=CARD_UID, slot=0, seq=1, by=by, at=at
    )
    ticket.confirm_write(
        write_id=write_id, medium_uid=CARD_UID, slot=0, epoch=ticket.epoch, at=at
    )
    town.ledger.record(ticket, cause=CAUSE)


# Each returns the deadline and what may be done before it.


def reservation(installation):
    town = a_town(installation)
    order = town.reserve()
    return town, order.held_until, lambda at: town.pay(order.order_id, at=at)


def gift(installation):
    town = a_town(installation)
    ticket_id = town.buy()
    offer = town.offer(ticket_id)
    return town, offer.until, lambda at: town.accept(ticket_id, offer, at=at)


def gift_cut_off(installation):
    town = a_town(installation)
    ticket_id = town.buy()
    return town, NOON + 23 * HOUR, lambda at: town.offer(ticket_id, at=at)


def listing(installation):
    town = a_town(installation)
    ticket_id = town.buy()
    listed = town.list_ticket(ticket_id)
    over = NOON + timedelta(hours=1)
    return town, over, lambda at: town.buy_listed(ticket_id, listed, at=at)


def resale_cut_off(installation):
    town = a_town(installation)
    ticket_id = town.buy()
    return town, NOON + 23 * HOUR, lambda at: town.list_ticket(ticket_id, at=at)


def refund_cut_off(installation):
    town = a_town(installation)
    ticket_id = town.buy()
    return town, NOON + 23 * HOUR, lambda at: refund(town, ticket_id, at=at)


def undoing_a_sale(installation):
    town = a_town(installation)
    order = town.reserve()
    town.pay(order.order_id)

    def void(at):
        refunds.void(
            town.ledger,
            town.desk,
            order_id=order.order_id,
            by=ISSUER,
            reason="the wrong evening",
            entry_id=fresh(),
            at=at,
            cause=CAUSE,
        )

    return town, NOON + timedelta(seconds=refunds.VOID_S), void


def exchange(installation):
    town = a_town(installation)
    offered = quote(town, town.buy())

    def confirm(at):
        exchanges.confirm_exchange(
            town.ledger,
            town.desk,
            town.personal,
            exchange_id=offered.exchange_id,
            by=ALICE,
            ticket_ids=[fresh()],
            entry_id=fresh(),
            at=at,
            cause=CAUSE,
        )

    return town, NOON + timedelta(seconds=exchanges.EXCHANGE_S), confirm


def sale_of_the_offering(installation):
    town = a_town(installation)
    return town, NOON + 20 * HOUR, lambda at: town.reserve(at=at)


def promise_to_who_waits(installation):
    town = a_town(installation, places=["A1"])
    order = town.reserve(CAROL)
    for waits in (ALICE, BOB):
        wait(town, waits)
    release(town, order, CAROL)
    over = NOON + timedelta(seconds=waiting.PROMISE_S)
    return town, over, lambda at: town.reserve(ALICE, at=at)


def points_that_expire(installation):
    town = a_town(installation, price=Money(1_500, "EUR"))
    town.move(
        accounts.Leg(
            accounts.points_ref(BOB, ISSUER),
            Money(1_500, "PTS"),
            expires_at=NOON + HOUR,
        ),
        accounts.Leg(accounts.points_issued_of(ISSUER), Money(-1_500, "PTS")),
    )

    def pay(at):
        order = town.reserve(BOB, at=at - A_MOMENT)
        town.begin(order.order_id, points(1_500), by=BOB, at=at)

    return town, NOON + HOUR, pay


def validity(installation):
    town = valid_now(installation)
    ticket_id = town.buy()
    return town, NOON + 48 * HOUR, lambda at: on_a_card(town, ticket_id, at=at)


def transmitting(installation):
    town = valid_now(installation)
    ticket_id, terminal_id = town.buy(), fresh()
    key = X25519PrivateKey.generate().public_key().public_bytes_raw()
    parties.enrol(
        town.ledger,
        device_id=terminal_id,
        keeper_id=ALICE,
        kind="terminal",
        public_key=key.hex(),
        label="phone",
        at=NOON,
        cause=CAUSE,
    )

    def transmit(at):
        transmission.transmit(
            town.ledger,
            town.personal,
            installation.secrets,
            ticket_id=ticket_id,
            terminal_id=terminal_id,
            by=ALICE,
            origin=installation.origin,
            at=at,
        )

    return town, NOON + 48 * HOUR, transmit


CASES = [
    (reservation, "expired"),
    (gift, "expired"),
    (gift_cut_off, "not_transferable"),
    (listing, "expired"),
    (resale_cut_off, "not_transferable"),
    (refund_cut_off, "not_transferable"),
    (undoing_a_sale, "expired"),
    (exchange, "expired"),
    (sale_of_the_offering, "expired"),
    (promise_to_who_waits, "sold_out"),
    (points_that_expire, "insufficient_funds"),
    (validity, "no_longer_valid"),
    (transmitting, "no_longer_valid"),
]


@pytest.mark.parametrize(("case", "code"), CASES)
def test_a_moment_before_it_may_happen(installation, case, code):
    _, over, act = case(installation)
    act(over - A_MOMENT)


@pytest.mark.parametrize(("case", "code"), CASES)
def test_at_the_moment_itself_it_is_refused_though_nothing_ran(
    installation, case, code
):
    _, over, act = case(installation)
    with pytest.raises(Refusal) as refused:
        act(over)
    assert refused.value.code == code


# Leases of machines.


def leased_to_a_dispenser(town, ticket_id, *, until):
    on_a_card(town, ticket_id)
    ticket = town.ledger.ticket(ticket_id)
    job, write = fresh(), fresh()
    ticket.start_dispense(
        job_id=job,
        write_id=write,
        device_id=MACHINE,
        expected_epoch=ticket.epoch,
        medium_uid=CARD_UID,
        slot=0,
        until=until,
        at=NOON,
    )
    town.ledger.record(ticket, cause=CAUSE)
    return job, write


def leased_to_a_till(town, ticket_id, *, until):
    on_a_card(town, ticket_id)
    ticket = town.ledger.ticket(ticket_id)
    session, write = fresh(), fresh()
    ticket.start_redemption(
        session_id=session,
        write_id=write,
        device_id=MACHINE,
        expected_epoch=ticket.epoch,
        medium_uid=CARD_UID,
        slot=0,
        receipt="R-1",
        purchase_minor=1,
        currency="EUR",
        until=until,
        at=NOON,
    )
    town.ledger.record(ticket, cause=CAUSE)
    return session, write


@pytest.mark.parametrize(
    ("kind", "lease"),
    [("admission", leased_to_a_dispenser), ("coupon", leased_to_a_till)],
)
def test_a_machines_lease_keeps_the_owner_out_until_it_ends(installation, kind, lease):
    town = a_town(installation, kind=kind, valid_from=NOON - HOUR, terms=Terms())
    ticket_id = town.buy()
    until = NOON + timedelta(seconds=120)
    lease(town, ticket_id, until=until)
    with pytest.raises(no.InDispense):
        town.offer(ticket_id, at=until - A_MOMENT)
    town.offer(ticket_id, at=until)


def test_after_its_lease_a_dispenser_prints_nothing(installation):
    town = valid_now(installation)
    ticket_id = town.buy()
    until = NOON + timedelta(seconds=120)
    job, write = leased_to_a_dispenser(town, ticket_id, until=until)
    ticket = town.ledger.ticket(ticket_id)
    with pytest.raises(Refusal):
        ticket.authorise_print(
            job_id=job,
            write_id=write,
            device_id=MACHINE,
            serial="T-000001",
            at=until,
        )


def test_after_its_lease_a_till_redeems_nothing(installation):
    town = valid_now(installation, kind="coupon")
    ticket_id = town.buy()
    until = NOON + timedelta(seconds=120)
    session, write = leased_to_a_till(town, ticket_id, until=until)
    ticket = town.ledger.ticket(ticket_id)
    ticket.settle_lock(until)
    assert ticket.lock.kind == LockKind.NONE
    with pytest.raises(Refusal):
        ticket.redeem(session_id=session, write_id=write, device_id=MACHINE, at=until)
    assert ticket.uses.left == 1


# What somebody kept is another's from the moment on.


def test_a_place_is_anothers_when_the_reservation_is_over(installation):
    town = a_town(installation, places=["A1"])
    order = town.reserve(ALICE)
    with pytest.raises(Refusal):
        town.reserve(CAROL, at=order.held_until - A_MOMENT)
    assert town.reserve(CAROL, at=order.held_until).place == "A1"


def test_a_promised_place_is_the_nexts_when_the_promise_is_over(installation):
    town, over, _ = promise_to_who_waits(installation)
    with pytest.raises(Refusal):
        town.reserve(BOB, at=over - A_MOMENT)
    assert town.reserve(BOB, at=over).place == "A1"


@pytest.mark.parametrize(
    ("begin", "lasts_s"),
    [("offer", 3_600), ("list_ticket", 3_600), ("exchange", exchanges.EXCHANGE_S)],
)
def test_what_was_offered_listed_or_quoted_is_its_owners_again(
    installation, begin, lasts_s
):
    town = a_town(installation)
    ticket_id = town.buy()
    if begin == "exchange":
        quote(town, ticket_id)
    else:
        getattr(town, begin)(ticket_id)
    over = NOON + timedelta(seconds=lasts_s)
    with pytest.raises(Refusal):
        refund(town, ticket_id, at=over - A_MOMENT)
    refund(town, ticket_id, at=over)


def test_money_held_for_a_payment_is_free_when_the_hold_is_over(installation):
    town = a_town(installation)
    work = town.ledger.work()
    ref = accounts.purse_ref(ALICE, "EUR")
    purse = accounts.purse(work, ref, at=NOON)
    purse.hold(purpose_id=fresh(), amount_minor=9_000, until=NOON + HOUR, at=NOON)
    work.record(CAUSE)
    assert town.purse(at=NOON + HOUR - A_MOMENT) == 1_000
    assert town.purse(at=NOON + HOUR) == 10_000
    order = town.reserve(at=NOON + HOUR)
    town.pay(order.order_id, at=NOON + HOUR)


# A payment in flight is the exception: its fence ends nothing by itself.


def test_a_payment_in_flight_keeps_the_places_and_after_its_fence_it_is_in_doubt(
    installation,
):
    town = a_town(installation, places=["A1"])
    order = town.reserve()
    town.provider = Silent(secret=b"s" * 32)
    town.begin(order.order_id, card(4_000))
    fence = NOON + timedelta(seconds=checkout.FENCE_S)
    assert order.held_until < fence
    for at in (order.held_until, fence):
        with pytest.raises(Refusal):
            town.reserve(CAROL, at=at)
    paid = town.order(order.order_id)
    assert paid.state == OrderState.PAYMENT_IN_FLIGHT
    assert not paid.is_in_doubt(fence - A_MOMENT)
    assert paid.is_in_doubt(fence)


# The validity, whether its end was recorded or not.


def refund(town, ticket_id, *, at):
    return refunds.refund(
        town.ledger,
        town.desk,
        ticket_ids=[ticket_id],
        by=ALICE,
        entry_id=fresh(),
        at=at,
        cause=CAUSE,
    )


def expire(town, ticket_id, at):
    return expiry.expire(town.ledger, ticket_id=ticket_id, at=at, cause=CAUSE)


OVER = NOON + 48 * HOUR


@pytest.mark.parametrize("recorded", [False, True])
def test_an_expired_ticket_does_nothing_whether_its_end_was_recorded_or_not(
    installation, recorded
):
    town = a_town(
        installation,
        valid_from=NOON - HOUR,
        terms=Terms(exchangeable=True, refundable=True, modifiable=("right",)),
    )
    ticket_id = town.buy()
    if recorded:
        expire(town, ticket_id, OVER)
    moves = (
        lambda: town.offer(ticket_id, at=OVER),
        lambda: town.list_ticket(ticket_id, at=OVER),
        lambda: on_a_card(town, ticket_id, at=OVER),
        lambda: refund(town, ticket_id, at=OVER),
        lambda: quote(town, ticket_id, at=OVER),
    )
    before = town.ledger.position()
    for move in moves:
        with pytest.raises(no.NoLongerValid):
            move()
    assert town.ledger.position() == before


def test_an_end_is_recorded_when_it_has_come_and_not_before(installation):
    town = a_town(installation, valid_from=NOON - HOUR)
    ticket_id = town.buy()
    with pytest.raises(no.NotOver):
        expire(town, ticket_id, OVER - A_MOMENT)
    expire(town, ticket_id, OVER)
    assert town.ledger.ticket(ticket_id).life == Life.EXPIRED


def test_what_is_due_ends_but_what_a_case_holds_and_what_runs_on(installation):
    town = a_town(installation, valid_from=NOON - HOUR, purchase_limit=9)
    free, held, offered = town.buy(), town.buy(by=CAROL), town.buy(by=CAROL)
    ticket = town.ledger.ticket(held)
    ticket.freeze(
        case_id=fresh(), kind=HoldKind.DISPUTE, effects=["flag_only"], at=NOON
    )
    town.ledger.record(ticket, cause=CAUSE)
    done = expiry.expire_due(
        town.ledger, ticket_ids=[free, held, offered, free], at=OVER, cause=CAUSE
    )
    assert done.expired == (free, offered)
    assert done.kept == {held: "frozen", free: "no_longer_valid"}


# Below.


class Silent(SandboxPayments):
    """A provider that nobody can reach."""

    def authorise(self, **_: object) -> Never:
        raise ProviderUnreachable

    look_up = authorise


def quote(town, ticket_id, *, at=NOON):
    return exchanges.offer_exchange(
        town.ledger,
        town.desk,
        exchange_id=fresh(),
        ticket_ids=[ticket_id],
        by=ALICE,
        offering_id=town.offering_id,
        at=at,
        cause=CAUSE,
    )


def wait(town, party_id):
    return waiting.join(
        town.ledger,
        town.desk,
        offering_id=town.offering_id,
        party_id=party_id,
        count=1,
        category=None,
        at=NOON,
        cause=CAUSE,
    )


def release(town, order, by):
    return reservations.release(
        town.ledger,
        town.desk,
        order_id=order.order_id,
        by=by,
        at=NOON,
        cause=CAUSE,
    )
