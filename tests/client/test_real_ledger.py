"""The typed client against the real application, on a line that breaks too.

Planted and caught: a command without its key, bought twice over a cut line; a member
that the API names otherwise; a read that does not wait for what was written.
"""

from __future__ import annotations

from uuid import UUID

import pytest

from ledger.clock import new_id
from ledger.vocabulary.codes import Role
from ledger_client import Client, NotProven, Problem
from ledger_client.nouns.media import Write
from tests.api.cards import Card, personalised
from tests.client.lines import CUT, LOST, Rest, wire

TWO_USES = {"uses_limit": 2, "valid_until": "2027-06-01T00:00:00Z"}


@pytest.fixture(scope="module")
def line(stage):
    """Open a client for a caller; every wait is over at once."""
    opened = []

    def of(caller, url=stage.url):
        opened.append(Client(url, caller.token, retries=Rest().retries()))
        return opened[-1]

    yield of
    for each in opened:
        each.close()


@pytest.fixture
def bought(stage, line):
    """A ticket of Ada's, bought through the client."""
    ada = stage.callers.ada
    stage.callers.rich(ada)
    offering_id = UUID(stage.callers.offering())
    ledger = line(ada)
    order = ledger.orders.place(offering_id, count=1)
    paid = ledger.orders.pay(order.order_id, tender="e-money")
    return ledger, order, paid.ticket_ids[0]


def test_an_order_is_placed_paid_and_read(bought):
    ledger, order, ticket_id = bought
    assert [place.price_minor for place in order.places] == [40_00]
    now = ledger.orders.get(order.order_id)
    assert (now.state, now.ticket_ids, now.in_doubt) == (
        "CONFIRMED",
        (ticket_id,),
        False,
    )
    assert order.order_id in {each.order_id for each in ledger.orders.mine()}
    ticket = ledger.tickets.get(ticket_id)
    assert (ticket.title, ticket.life, ticket.lock) == (
        "Hamlet, opening night",
        "OWNED",
        None,
    )
    assert ticket.etag
    assert ticket_id in {each.ticket_id for each in ledger.tickets.mine()}
    story = list(ledger.tickets.history(ticket_id))
    assert [each.version for each in story] == list(range(1, len(story) + 1))
    assert ledger.tickets.get(ticket_id, as_of=story[0].position).version == 1


def test_an_order_that_is_let_go_is_over(stage, line):
    ledger = line(stage.callers.ben)
    order = ledger.orders.place(UUID(stage.callers.offering()), count=1)
    ledger.orders.let_go(order.order_id)
    assert ledger.orders.get(order.order_id).state == "RELEASED"


def test_a_gift_is_offered_accepted_and_declined(stage, line, bought):
    ada, _, ticket_id = bought
    ben = line(stage.callers.ben)
    first = ada.gift_offers.offer(
        ticket_id, to_party_id=stage.callers.ben.party_id, message="For you."
    )
    ben.gift_offers.decline(ticket_id, first.offer_id)
    second = ada.gift_offers.offer(ticket_id, to_party_id=stage.callers.ben.party_id)
    seen = ben.gift_offers.get(ticket_id, second.offer_id)
    assert (seen.terms_hash, seen.title) == (second.terms_hash, "Hamlet, opening night")
    ben.gift_offers.accept(ticket_id, second.offer_id, terms_hash=seen.terms_hash)
    assert ben.tickets.get(ticket_id).owner_id == stage.callers.ben.party_id
    third = ben.gift_offers.offer(ticket_id, to_party_id=stage.callers.ada.party_id)
    ben.gift_offers.withdraw(ticket_id, third.offer_id)


def test_a_listing_is_priced_anew_bought_and_split(stage, line, bought):
    ada, _, ticket_id = bought
    listed = ada.listings.offer(ticket_id, price_minor=41_00)
    ada.listings.end(ticket_id, listed.listing_id)
    listed = ada.listings.offer(ticket_id, price_minor=41_00)
    ada.listings.reprice(ticket_id, listed.listing_id, price_minor=42_00)
    stage.callers.rich(stage.callers.cleo)
    cleo = line(stage.callers.cleo)
    cleo.positions.reach(ada.positions.position)
    shown = {each.listing_id: each for each in cleo.listings.market()}
    assert shown[listed.listing_id].price_minor == 42_00
    seen = cleo.listings.get(ticket_id, listed.listing_id)
    sold = cleo.listings.buy(ticket_id, listed.listing_id, if_match=seen.etag)
    split = sold.split
    assert (
        split.seller_minor
        + split.royalty_minor
        + split.platform_minor
        + split.tax_minor
    ) == 42_00
    assert cleo.tickets.get(ticket_id).owner_id == stage.callers.cleo.party_id


def test_accounts_tell_what_was_paid(bought):
    ledger, _, _ = bought
    (purse,) = [each for each in ledger.accounts.mine() if each.kind == "e-money"]
    entries = list(ledger.accounts.entries(purse.account_id))
    assert entries[0].amount_minor == -40_00
    assert entries[0].balance_minor == purse.balance_minor
    assert [each.position for each in entries] == sorted(
        (each.position for each in entries), reverse=True
    )


@pytest.fixture
def card(stage):
    """A card of Ada's, and her terminal."""
    uid = new_id().bytes[-6:]
    card = personalised(stage.callers, stage.callers.ada, uid=f"04{uid.hex()}")
    return card, stage.callers.device("terminal", Role.TERMINAL, by=stage.callers.ada)


def commit(card: Card, write: Write):
    """Let the card take a write in, and return what a device reports of it."""
    changes = [{"slot": each.slot, "entry": each.entry.hex()} for each in write.changes]
    return card.commit({"changes": changes, "stamp": write.stamp.hex()})


def load(ledger, card, terminal, ticket_id):
    """Record a ticket on the card; return what the ledger says of it then."""
    write = ledger.media.prepare(
        card.uid,
        card.reading(),
        terminal_id=terminal.device_id,
        load=[ticket_id],
    )
    assert (write.uid, [each.ticket_id for each in write.changes]) == (
        card.uid,
        [ticket_id],
    )
    ledger.media.settle(card.uid, write.write_id, commit(card, write))
    return ledger.tickets.get(ticket_id)


def test_a_card_is_recorded_on_tapped_lost_and_found(stage, line, bought, card):
    ada, _, ticket_id = bought
    mine, terminal = card
    ada.positions.reach(stage.its.ledger.position())
    medium = ada.media.get(mine.uid)
    assert (medium.uid, medium.seq) == (mine.uid, 0)
    assert mine.uid in {each.uid for each in ada.media.mine()}
    ticket = load(ada, mine, terminal, ticket_id)
    assert (ticket.form.medium_uid, ticket.form.slot) == (mine.uid, 0)
    tap = ada.taps.judge(mine.reading(), terminal_id=terminal.device_id)
    assert [(slot.ticket_id, slot.slot) for slot in tap.slots] == [(ticket_id, 0)]
    assert [each.event for each in ada.media.history(mine.uid)]
    assert {each.ticket_id for each in ada.media.report_lost(mine.uid)} <= {ticket_id}
    assert ada.media.get(mine.uid).status != medium.status
    ada.media.report_found(mine.uid)
    again = ada.media.prepare(mine.uid, mine.reading(), terminal_id=terminal.device_id)
    assert again is None
    sealed = ada.tickets.transmit(ticket_id, terminal_id=terminal.device_id)
    assert sealed.terminal_id == terminal.device_id


def test_a_ticket_is_dispensed(stage, line, bought, card):
    ada, _, ticket_id = bought
    mine, terminal = card
    machine = line(stage.callers.device("dispenser", Role.DISPENSER))
    epoch = load(ada, mine, terminal, ticket_id).epoch
    lease = machine.dispenses.start(
        ticket_id, mine.reading(), slot=0, epoch=epoch, answered=True
    )
    done = commit(mine, lease.write) | {
        "serial": f"T-{new_id().hex[:8].upper()}",
        "uid": mine.uid.hex(),
        "write_id": str(lease.write.write_id),
    }
    order = machine.dispenses.mark(ticket_id, lease.lease_id, done)
    assert (order.serial, order.ticket_id) == (done["serial"], ticket_id)
    machine.dispenses.printed(
        ticket_id, lease.lease_id, serial=order.serial, device_time=stage.clock.now()
    )
    assert ada.tickets.get(ticket_id).form.serial == order.serial


def test_a_ticket_that_is_not_printed_is_given_back(stage, line, bought, card):
    ada, _, ticket_id = bought
    mine, terminal = card
    machine = line(stage.callers.device("dispenser", Role.DISPENSER))
    epoch = load(ada, mine, terminal, ticket_id).epoch
    lease = machine.dispenses.start(
        ticket_id, mine.reading(), slot=0, epoch=epoch, answered=True
    )
    lock = ada.tickets.get(ticket_id).lock
    assert (lock.kind, lock.until) == ("DISPENSE", lease.until)
    machine.dispenses.abort(ticket_id, lease.lease_id, reason="no paper")
    assert ada.tickets.get(ticket_id).lock is None


def test_a_coupon_is_given_used_and_taken_back(stage, line, card):
    mine, terminal = card
    ada, issuer = line(stage.callers.ada), line(stage.callers.issuer)
    shop = line(stage.callers.device("point_of_sale", Role.SHOP))
    offering = stage.callers.offering(kind="coupon", places=["A coffee"], **TWO_USES)
    (coupon,) = issuer.coupons.give(
        UUID(offering), party_ids=[stage.callers.ada.party_id]
    )
    assert coupon.party_id == stage.callers.ada.party_id
    epoch = load(ada, mine, terminal, coupon.coupon_id).epoch
    lease = shop.coupons.start(
        coupon.coupon_id,
        mine.reading(),
        slot=0,
        epoch=epoch,
        receipt=f"R-{new_id()}",
        amount_minor=3_50,
        currency="EUR",
    )
    done = commit(mine, lease.write)
    done |= {"uid": mine.uid.hex(), "write_id": str(lease.write.write_id)}
    left = shop.coupons.settle(coupon.coupon_id, lease.lease_id, done)
    back = shop.coupons.reverse(coupon.coupon_id, lease.lease_id, reason="wrong cup")
    assert back.uses_left == left + 1
    ada.positions.reach(shop.positions.position)
    (use,) = ada.coupons.uses(coupon.coupon_id)
    assert (use.session_id, use.amount, use.reversed) == (lease.lease_id, 1, 1)


def test_what_was_recorded_is_in_the_log_which_goes_on(stage, line):
    ledger = line(stage.callers.ada)
    with stage.its.publisher() as publisher:
        publisher.round()
        body = {"offering_id": stage.callers.offering(), "count": 1}
        reply = ledger.command("POST", "/v1/orders", body)
        with pytest.raises(Problem) as early:
            ledger.log.included(reply.position, vkeys=[])
        assert early.value.code == "not_published"
        vkeys = ledger.get("/v1/issuer-keys").said["log_keys"]
        old = ledger.log.included(1, vkeys=vkeys).checkpoint
        publisher.round()
    found = ledger.log.included(reply.position, vkeys=vkeys)
    assert found.checkpoint.size >= reply.position > old.size
    ledger.log.continues(old, found.checkpoint)
    with pytest.raises(NotProven):
        ledger.log.included(reply.position, vkeys=[])


@pytest.mark.parametrize("faults", [[CUT], [LOST], [CUT, LOST, CUT]])
def test_a_command_over_a_line_that_breaks_is_done_once(stage, line, faults):
    ada = stage.callers.ada
    offering_id = UUID(stage.callers.offering(purchase_limit=4))
    with wire(stage.url, list(faults)) as broken:
        over = line(ada, broken)
        order = over.orders.place(offering_id, count=1)
        orders = list(over.orders.mine())
    mine = [each for each in orders if each.offering_id == offering_id]
    assert [each.order_id for each in mine] == [order.order_id]


def test_a_stored_key_finds_out_what_became_of_a_command(stage, line):
    ledger = line(stage.callers.ada)
    body = {"offering_id": stage.callers.offering(), "count": 1}
    first = ledger.command("POST", "/v1/orders", body, key="order-4711")
    again = ledger.command("POST", "/v1/orders", body, key="order-4711")
    assert (first.replayed, again.replayed) == (False, True)
    assert first.said == again.said
    with pytest.raises(Problem) as refused:
        ledger.command("POST", "/v1/orders", body | {"count": 2}, key="order-4711")
    assert refused.value.code == "idempotency"


def test_a_preview_changes_nothing_and_a_stale_version_is_refused(line, bought):
    ledger, _, ticket_id = bought
    seen = ledger.tickets.get(ticket_id)
    path = f"/v1/tickets/{ticket_id}/listings"
    ledger.command("POST", path, {"price_minor": 41_00}, dry_run=True)
    assert ledger.tickets.get(ticket_id).version == seen.version
    made = ledger.listings.offer(ticket_id, price_minor=41_00, if_match=seen.etag)
    with pytest.raises(Problem) as stale:
        ledger.listings.reprice(
            ticket_id, made.listing_id, price_minor=42_00, if_match='"0"'
        )
    assert stale.value.status == 412


def test_long_lists_come_whole_however_small_the_pages(stage, line):
    buyer = stage.callers.person(Role.BUYER)
    ledger = line(buyer)
    offering_id = UUID(stage.callers.offering(purchase_limit=4))
    for _ in range(2):
        ledger.orders.place(offering_id, count=1)
    paged = list(ledger.pages("/v1/orders", "orders", query={"limit": 1}))
    assert [each["order_id"] for each in paged] == [
        str(each.order_id) for each in ledger.orders.mine()
    ]
    assert len(paged) == 2


def test_a_problem_names_its_request_and_what_stands_in_the_way(stage, line):
    with pytest.raises(Problem) as refused:
        line(stage.callers.ada).tickets.get(new_id())
    assert refused.value.status == 404
    assert refused.value.request_id
    with pytest.raises(Problem) as refused:
        line(stage.callers.nobody).tickets.get(new_id())
    assert refused.value.code == "unauthenticated"
