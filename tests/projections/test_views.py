"""What each view tells, at the end of a story that people would recognise."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from ledger.aggregates.e_ticket import ETicket, HoldKind, Terms
from ledger.aggregates.medium import Change, Medium, Reading, SlotState, judge
from ledger.application import Ledger
from ledger.projections.accounts import AccountsView
from ledger.projections.freshness import Freshness, FreshnessView
from ledger.projections.notices import Notices, NoticesView
from ledger.projections.ownership import Ownership, OwnershipView
from ledger.projections.wallet import Wallet, WalletHold, WalletView
from ledger.usecases import accounts, audit, elsewhere, modification, ownership
from ledger.usecases.accounts import Leg
from ledger.vocabulary.codes import Verdict
from ledger.vocabulary.ids import account_id, medium_id
from ledger.vocabulary.money import Money
from tests.domain.examples import (
    ALICE,
    BOB,
    CAROL,
    DISPENSER,
    ISSUER,
    NOON,
    TERMINAL,
    UID,
)
from tests.log.event_catalogue import events_of
from tests.log.opened import short_story, town
from tests.projections.following import catch_up, follower
from tests.usecases.town import CAUSE

WRITE, JOB = UUID(int=301), UUID(int=302)


def view(ledger: Ledger, kind):
    return kind(ledger.recorder.datastore)


def card_of(ledger: Ledger, holder: UUID) -> Medium:
    card = Medium.personalise(
        medium_id=medium_id(UID),
        uid=UID.hex(),
        holder_id=holder,
        profile="desfire-8k",
        key_version=1,
        at=NOON,
    )
    ledger.record(card, cause=CAUSE)
    return card


def load(ledger: Ledger, ticket_id: UUID, card: Medium, *, by: UUID) -> None:
    """Record the ticket in slot 0, as a terminal would have it done."""
    ticket = ledger.ticket(ticket_id)
    epoch, uid = ticket.epoch + 1, card.uid
    state = SlotState(1, epoch, ticket.uses.left, ticket_id)
    ticket.prepare_write(
        write_id=WRITE, medium_uid=uid, slot=0, seq=card.seq + 1, by=by, at=NOON
    )
    card.prepare_write(
        write_id=WRITE, changes=[Change(0, state)], device_id=TERMINAL, at=NOON
    )
    ledger.record(ticket, card, cause=CAUSE)
    ticket.confirm_write(write_id=WRITE, medium_uid=uid, slot=0, epoch=epoch, at=NOON)
    card.confirm_write(
        write_id=WRITE, transaction_counter=1, transaction_mac="00" * 8, at=NOON
    )
    ledger.record(ticket, card, cause=CAUSE)


def reading_of(card: Medium) -> Reading:
    return Reading(UID, card.stamp(), tuple(state.entry() for state in card.slots))


def kinds(ledger: Ledger, party_id: UUID) -> list[str]:
    return [each.kind for each in view(ledger, NoticesView).of_party(party_id)]


def test_the_chain_of_title_names_every_owner_once(ledger):
    ticket_id = short_story(ledger)
    catch_up(ledger)
    chain = view(ledger, OwnershipView).chain(ticket_id)
    assert [(title.owner_id, title.event) for title in chain] == [
        (ALICE, "Issued"),
        (BOB, "GiftAccepted"),
        (CAROL, "Resold"),
    ]
    replayed = audit.owners(ledger, ticket_id=ticket_id)
    assert [(t.version, t.position, t.since, t.until) for t in chain] == [
        (o.version, o.position, o.since, o.until) for o in replayed
    ]


def test_who_owned_a_ticket_at_a_moment(ledger):
    its = town(ledger)
    ticket_id = its.buy(ALICE)
    later = NOON + timedelta(minutes=5)
    its.accept(ticket_id, its.offer(ticket_id), at=later)
    catch_up(ledger)
    owners = view(ledger, OwnershipView)
    assert owners.owner_at(ticket_id, NOON).owner_id == ALICE
    assert owners.owner_at(ticket_id, later).owner_id == BOB
    assert owners.owner_at(ticket_id, NOON - timedelta(seconds=1)) is None
    assert owners.chain(UUID(int=9)) == []


def test_a_wallet_holds_what_its_owner_has_now(ledger):
    ticket_id = short_story(ledger)
    catch_up(ledger)
    wallet = view(ledger, WalletView)
    assert not wallet.of_owner(ALICE)
    assert not wallet.of_owner(BOB)
    (mine,) = wallet.of_owner(CAROL)
    assert (mine.ticket_id, mine.title, mine.right) == (ticket_id, "The Tempest", "A1")
    assert (mine.epoch, mine.life, mine.lock, mine.form.kind) == (
        3,
        "OWNED",
        None,
        "electronic",
    )
    assert mine.version == ledger.ticket(ticket_id).version
    assert wallet.tickets([ticket_id, UUID(int=9)]) == {ticket_id: mine}


# What does not concern a view: a new event of a ticket is followed, or joins these.
WALKED_PAST = {
    Wallet: set(),
    Ownership: {event.TOPIC for event in events_of(ETicket)}
    - {
        "e-ticket.issued",
        "e-ticket.gift-accepted",
        "e-ticket.resold",
        "e-ticket.reassigned",
    },
    Freshness: {
        "e-ticket.gift-offered",
        "e-ticket.gift-declined",
        "e-ticket.gift-withdrawn",
        "e-ticket.gift-expired",
        "e-ticket.gift-suspended",
        "e-ticket.gift-resumed",
        "e-ticket.listed",
        "e-ticket.repriced",
        "e-ticket.unlisted",
        "e-ticket.sale-started",
        "e-ticket.sale-aborted",
        "e-ticket.sale-paid-out",
        "e-ticket.exchange-started",
        "e-ticket.exchange-aborted",
        "e-ticket.modification-requested",
        "e-ticket.modification-refused",
        "e-ticket.dispense-started",
        "e-ticket.print-authorised",
        "e-ticket.dispense-aborted",
        "e-ticket.dispense-observed",
        "e-ticket.redemption-started",
        "e-ticket.redemption-released",
        "e-ticket.redemption-observed",
    },
    Notices: {
        # His purse says it.
        "e-ticket.sale-paid-out",
        # The owner is at it himself, or a machine is, and it ends soon.
        "e-ticket.exchange-started",
        "e-ticket.exchange-aborted",
        "e-ticket.medium-write-prepared",
        "e-ticket.medium-write-aborted",
        "e-ticket.dispense-started",
        "e-ticket.print-authorised",
        "e-ticket.dispense-aborted",
        "e-ticket.redemption-started",
        "e-ticket.redemption-released",
        # The case that follows freezes the ticket, and that is told.
        "e-ticket.dispense-observed",
        "e-ticket.redemption-observed",
    },
}


@pytest.mark.parametrize("kind", WALKED_PAST, ids=lambda kind: kind.__name__)
def test_every_event_of_a_ticket_is_followed_or_known_not_to_matter(kind):
    dispatcher = kind.__dict__["process_event"].dispatcher
    kind.process_event.__get__(None, kind)  # Registers what was deferred.
    walk_past = dispatcher.dispatch(object)
    assert WALKED_PAST[kind] == {
        event.TOPIC
        for event in events_of(ETicket)
        if dispatcher.dispatch(event) is walk_past
    }


def test_a_card_that_was_written_as_recorded_is_fresh(ledger):
    its = town(ledger)
    ticket_id, card = its.buy(ALICE), card_of(ledger, ALICE)
    load(ledger, ticket_id, card, by=ALICE)
    catch_up(ledger)
    judgement = judge(reading_of(card), *view(ledger, FreshnessView).known(UID))
    assert judgement.verdict == Verdict.FRESH
    assert [slot.ticket_id for slot in judgement.slots] == [ticket_id]


def test_a_card_is_stale_once_its_ticket_was_modified_and_its_owner_is_told(ledger):
    its = town(ledger)
    ticket_id, card = its.buy(ALICE), card_of(ledger, ALICE)
    load(ledger, ticket_id, card, by=ALICE)
    modification.modify(
        ledger,
        ticket_id=ticket_id,
        by=ISSUER,
        changes={"right": "B7"},
        reason="the seat broke",
        at=NOON,
        cause=CAUSE,
    )
    catch_up(ledger)
    judgement = judge(reading_of(card), *view(ledger, FreshnessView).known(UID))
    assert judgement.verdict == Verdict.STALE
    assert view(ledger, WalletView).of_owner(ALICE)[0].right == "B7"
    assert kinds(ledger, ALICE) == ["card_stale", "modified"]


def test_an_unanswered_write_is_in_doubt_and_an_aborted_one_is_not(ledger):
    card = card_of(ledger, ALICE)
    before = reading_of(card)
    card.prepare_write(
        write_id=WRITE, changes=[Change(3, SlotState())], device_id=TERMINAL, at=NOON
    )
    ledger.record(card, cause=CAUSE)
    catch_up(ledger)
    fresh = view(ledger, FreshnessView)
    assert judge(before, *fresh.known(UID)).verdict == Verdict.IN_DOUBT
    card.abort_write(write_id=WRITE, reason="card removed", at=NOON)
    ledger.record(card, cause=CAUSE)
    catch_up(ledger)
    assert judge(before, *fresh.known(UID)).verdict == Verdict.FRESH


def test_a_medium_nobody_personalised_is_not_known(ledger):
    known, slots, tickets = view(ledger, FreshnessView).known(UID)
    assert (known, list(slots), dict(tickets)) == (None, [], {})


def test_a_printed_ticket_is_on_paper_everywhere(ledger):
    its = town(ledger)
    ticket_id, card = its.buy(ALICE), card_of(ledger, ALICE)
    load(ledger, ticket_id, card, by=ALICE)
    ticket = ledger.ticket(ticket_id)
    machine = {"job_id": JOB, "device_id": DISPENSER, "at": NOON}
    ticket.start_dispense(
        **machine,
        write_id=WRITE,
        expected_epoch=2,
        medium_uid=UID.hex(),
        slot=0,
        until=NOON + timedelta(seconds=90),
    )
    ticket.authorise_print(**machine, write_id=WRITE, serial="T-000001")
    ledger.record(ticket, cause=CAUSE)
    catch_up(ledger)
    assert view(ledger, WalletView).of_owner(ALICE)[0].lock.kind == "DISPENSE"
    ticket.dispense(**machine, serial="T-000001", device_time=None)
    ledger.record(ticket, cause=CAUSE)
    catch_up(ledger)
    (mine,) = view(ledger, WalletView).of_owner(ALICE)
    assert (mine.life, mine.lock) == ("DISPENSED", None)
    assert (mine.form.kind, mine.form.serial) == ("paper", "T-000001")
    known = view(ledger, FreshnessView).known(UID)
    assert judge(reading_of(card), *known).code == "already_dispensed"
    assert kinds(ledger, ALICE) == ["dispensed"]


def test_people_are_told_what_concerns_them(ledger):
    its = town(ledger)
    given, sold, kept = its.buy(ALICE), its.buy(ALICE), its.buy(CAROL)
    its.accept(given, its.offer(given))
    withdrawn = its.offer(sold)
    ownership.withdraw_gift(
        ledger,
        ticket_id=sold,
        offer_id=withdrawn.offer_id,
        by=ALICE,
        at=NOON,
        cause=CAUSE,
    )
    its.buy_listed(sold, its.list_ticket(sold, to=CAROL))
    declined = its.offer(kept, by=CAROL)
    ownership.decline_gift(
        ledger, ticket_id=kept, offer_id=declined.offer_id, by=BOB, at=NOON, cause=CAUSE
    )
    catch_up(ledger)
    assert kinds(ledger, ALICE) == ["gift_accepted", "gift_withdrawn", "sold"]
    assert kinds(ledger, BOB) == [
        "gift_offered",
        "gift_offered",
        "gift_withdrawn",
        "gift_offered",
    ]
    assert kinds(ledger, CAROL) == ["sale_offered", "gift_declined"]
    first, *rest = view(ledger, NoticesView).of_party(BOB)
    assert first.detail["offer_id"]
    after = view(ledger, NoticesView).of_party(BOB, after=first.position)
    assert list(after) == rest


def test_money_is_where_it_went_and_none_was_made_up(ledger):
    short_story(ledger)
    catch_up(ledger)
    its = view(ledger, AccountsView)
    for party_id, balance_minor in ((ALICE, 6_000), (BOB, 3_800), (CAROL, 6_000)):
        purse = account_id(party_id, "e-money", "EUR")
        (mine,) = its.of_party(party_id)
        assert (mine.account_id, mine.kind) == (str(purse), "e-money")
        assert mine.balance_minor == balance_minor
        assert ledger.account(purse).balance_minor == balance_minor
    (earned,) = its.of_party(ISSUER)
    assert (earned.kind, earned.balance_minor) == ("revenue", 4_200)
    assert its.balance_minor("counter/EUR", "EUR") == -20_000
    assert its.balance_minor("nobody", "EUR") == 0
    assert its.sums_minor() == {"EUR": 0}


def test_every_account_that_money_goes_through_is_told_with_whose_it_is(ledger):
    names = {
        accounts.card_clearing_of("sandbox", "EUR"): None,
        accounts.counter_of("EUR"): None,
        accounts.platform_of("EUR"): None,
        accounts.compensation_of("EUR"): None,
        accounts.escrow_of(WRITE, "EUR"): None,
        accounts.revenue_of(ISSUER, "EUR"): ISSUER,
        accounts.tax_of(ISSUER, "EUR"): ISSUER,
        accounts.points_cost_of(ISSUER, "EUR"): ISSUER,
        accounts.debt_of(ALICE, "EUR"): ALICE,
        elsewhere.receivable_of(BOB, "EUR"): BOB,
        elsewhere.commission_of(ISSUER, "EUR"): ISSUER,
    }
    work = ledger.work()
    legs = [Leg(name, Money(1, "EUR")) for name in names]
    legs.append(Leg("sundry/EUR", Money(-len(legs), "EUR")))
    accounts.move(
        work, entry_id=JOB, legs=legs, reason="test", reference="test", at=NOON
    )
    work.record(CAUSE)
    catch_up(ledger, "accounts")
    its = view(ledger, AccountsView)
    for name, party_id in names.items():
        assert its.balance_minor(name, "EUR") == 1
        if party_id is not None:
            assert name in [each.account_id for each in its.of_party(party_id)]
    assert its.of_party(WRITE) == []
    assert its.sums_minor() == {"EUR": 0}


@pytest.mark.parametrize("name", ["ownership", "wallet", "freshness"])
def test_a_view_refuses_to_go_back(ledger, name):
    short_story(ledger)
    catch_up(ledger, name)
    its = follower(ledger, name)
    first = ledger.recorder.select_notifications(None, 1)[0]
    with pytest.raises(Exception, match="is past position 1"), its.view.together():
        its.intake.process(first)


def recorded(ledger: Ledger, ticket: ETicket) -> None:
    ledger.record(ticket, cause=CAUSE)
    catch_up(ledger)


@pytest.mark.parametrize(
    ("effects", "code"),
    [
        (["no_dispense"], "frozen"),
        (["no_title", "no_dispense"], "frozen"),
        (["no_title"], None),
        (["no_redeem"], None),  # The ticket is no coupon.
        (["flag_only"], None),
    ],
    ids=str,
)
def test_a_tap_says_that_a_ticket_is_frozen_if_its_use_is(ledger, effects, code):
    its = town(ledger)
    ticket_id, card = its.buy(ALICE), card_of(ledger, ALICE)
    load(ledger, ticket_id, card, by=ALICE)
    ticket = ledger.ticket(ticket_id)
    case = {"case_id": UUID(int=51), "at": NOON}
    ticket.freeze(**case, kind=HoldKind.DISPUTE, effects=effects)
    recorded(ledger, ticket)
    fresh = view(ledger, FreshnessView)
    judgement = judge(reading_of(card), *fresh.known(UID))
    assert (judgement.verdict, judgement.code) == (Verdict.FRESH, code)
    ticket.unfreeze(**case)
    recorded(ledger, ticket)
    assert judge(reading_of(card), *fresh.known(UID)).code is None


def test_a_wallet_shows_each_hold_until_its_case_releases_it(ledger):
    ticket = ledger.ticket(town(ledger).buy(ALICE))
    first, second = ({"case_id": UUID(int=n), "at": NOON} for n in (51, 52))
    ticket.freeze(**first, kind=HoldKind.DISPUTE, effects=["no_title"])
    ticket.freeze(**first, kind=HoldKind.DISPUTE, effects=["no_refund"])
    ticket.freeze(**second, kind=HoldKind.FRAUD, effects=["flag_only"])
    recorded(ledger, ticket)
    (mine,) = view(ledger, WalletView).of_owner(ALICE)
    assert mine.holds == (
        WalletHold(UUID(int=51), "DISPUTE", ("no_refund", "no_title")),
        WalletHold(UUID(int=52), "FRAUD", ("flag_only",)),
    )
    ticket.unfreeze(**first)
    ticket.unfreeze(**second)
    recorded(ledger, ticket)
    assert view(ledger, WalletView).of_owner(ALICE)[0].holds == ()
    # Who was not told of the flag is not told that it is gone.
    assert kinds(ledger, ALICE) == ["frozen", "frozen", "unfrozen"]


def test_an_offer_stands_again_behind_a_lease_that_came_to_nothing(ledger):
    its = town(ledger, terms=Terms(on_medium="exposure"))
    ticket_id, card = its.buy(ALICE), card_of(ledger, ALICE)
    load(ledger, ticket_id, card, by=ALICE)
    offer = its.offer(ticket_id)
    ticket = ledger.ticket(ticket_id)
    job = {"job_id": JOB, "device_id": DISPENSER, "at": NOON}
    copy = {"expected_epoch": 2, "medium_uid": UID.hex(), "slot": 0}
    until = NOON + timedelta(seconds=90)
    ticket.start_dispense(**job, **copy, write_id=WRITE, until=until)
    recorded(ledger, ticket)
    assert view(ledger, WalletView).of_owner(ALICE)[0].lock.kind == "DISPENSE"
    ticket.abort_dispense(**job, reason="no paper")
    recorded(ledger, ticket)
    lock = view(ledger, WalletView).of_owner(ALICE)[0].lock
    assert (lock.kind, lock.ref) == ("GIFT", offer.offer_id)


def test_a_listing_stands_again_if_the_purchaser_did_not_pay(ledger):
    its = town(ledger)
    ticket_id = its.buy(ALICE)
    listing = its.list_ticket(ticket_id)
    ticket, until = ledger.ticket(ticket_id), NOON + timedelta(minutes=5)
    sale = {"sale_id": JOB, "at": NOON}
    ticket.start_sale(listing_id=listing.listing_id, by=BOB, until=until, **sale)
    recorded(ledger, ticket)
    lock = view(ledger, WalletView).of_owner(ALICE)[0].lock
    assert (lock.kind, lock.ref, lock.until) == ("SETTLEMENT", JOB, None)
    ticket.abort_sale(reason="declined", **sale)
    recorded(ledger, ticket)
    lock = view(ledger, WalletView).of_owner(ALICE)[0].lock
    assert (lock.kind, lock.ref) == ("LISTING", listing.listing_id)
    assert lock.until == ticket.listing.until
    assert kinds(ledger, ALICE) == ["sale_started", "sale_aborted"]


@pytest.mark.parametrize(
    ("via", "told"), [("centre", ["gift_offered"]), ("direct", [])]
)
def test_who_is_given_a_ticket_directly_needs_no_notice(ledger, via, told):
    ticket = ledger.ticket(town(ledger).buy(ALICE))
    until = NOON + timedelta(hours=1)
    offer = {"offer_id": JOB, "to": BOB, "until": until, "via": via}
    ticket.offer_gift(**offer, by=ALICE, at=NOON)
    recorded(ledger, ticket)
    assert kinds(ledger, BOB) == told


def test_a_decision_is_told_to_who_loses_and_to_who_gets_the_ticket(ledger):
    ticket = ledger.ticket(town(ledger).buy(ALICE))
    decided = {"decision_id": UUID(int=61), "at": NOON}
    moved = {"reverses_version": None, "check_sealed": None}
    ticket.reassign(to=CAROL, **moved, **decided)
    recorded(ledger, ticket)
    assert kinds(ledger, ALICE) == ["reassigned"]
    assert kinds(ledger, CAROL) == ["reassigned_to_you"]
    chain = view(ledger, OwnershipView).chain(ticket.id)
    assert [title.event for title in chain] == ["Issued", "Reassigned"]
    ticket.revoke(reason="forged", by=ISSUER, at=NOON)
    recorded(ledger, ticket)
    (mine,) = view(ledger, WalletView).of_owner(CAROL)
    assert mine.life == "REVOKED"
    assert kinds(ledger, CAROL) == ["reassigned_to_you", "revoked"]
