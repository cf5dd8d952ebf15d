"""A physical ticket, once: who may print it, what is in doubt, papers afterwards."""

from threading import Barrier, Thread

import pytest

from ledger.aggregates.device import DeviceNotAuthorised, Rights
from ledger.aggregates.e_ticket import FormKind, HoldKind, Life, LockKind, Terms
from ledger.aggregates.e_ticket.refusals import (
    EpochStale,
    Frozen,
    InDispense,
    InGift,
    NotDispensed,
    SerialDead,
    SerialMismatch,
)
from ledger.aggregates.paper import SESSION_S, SerialUsed, SessionOver
from ledger.errors import Refusal
from ledger.usecases import dispensing, papers, parties
from ledger.usecases.dispensing import LEASE_S, NotInDoubt
from ledger.usecases.papers import PaperNotGenuine
from tests.domain.examples import (
    ALICE,
    BOB,
    DISPENSER,
    HOUR,
    ISSUER,
    OFFERING,
)
from tests.usecases.foyer import DISPENSER_2, KEEPER, Foyer, after, fresh


@pytest.fixture
def foyer(installation):
    return Foyer(installation)


def freeze(foyer, ticket_id, *effects):
    case_id = fresh()
    foyer.tell(
        ticket_id, "freeze", case_id=case_id, kind=HoldKind.DISPUTE, effects=effects
    )
    return case_id


def check(foyer, serial, code=None, **more):
    code = foyer.its.secrets.print_code(serial) if code is None else code
    at = more.get("at", after())
    return papers.check(
        foyer.ledger, foyer.its.secrets, serial=serial, code=code, at=at
    )


def surrender(foyer, serial, device_id=DISPENSER, code=None):
    return foyer.do(
        papers.surrender,
        foyer.its.secrets,
        serial=serial,
        code=code or foyer.its.secrets.print_code(serial),
        device_id=device_id,
    )


def replace(foyer, old, new, **more):
    said = {"device_id": DISPENSER, "job_id": fresh(), "reason": "torn"} | more
    return foyer.do(
        papers.replace_spoilt,
        foyer.its.secrets,
        old_serial=old,
        new_serial=new,
        **said,
    )


def test_two_dispensers_get_one_lease(foyer):
    """Collision 4, with two writers at once."""
    for _ in range(5):
        ticket_id, card = foyer.on_card()
        start = Barrier(2)
        outcomes: list[str] = []

        def lease(machine, ticket_id=ticket_id, card=card, start=start, told=outcomes):
            start.wait()
            try:
                foyer.lease(ticket_id, card.copied(), machine)
                told.append("leased")
            except Refusal as refused:
                told.append(refused.code)

        threads = [
            Thread(target=lease, args=[machine]) for machine in (DISPENSER, DISPENSER_2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("leased") == 1
        assert set(outcomes) <= {"leased", "in_dispense", "in_doubt"}


def test_a_machine_dispenses_only_for_whom_it_was_delegated(foyer):
    ticket_id, card = foyer.on_card()
    foyer.delegate(DISPENSER, issuers=(BOB,))
    with pytest.raises(DeviceNotAuthorised, match="this issuer"):
        foyer.lease(ticket_id, card)
    foyer.delegate(DISPENSER, issuers=(ISSUER,), offerings=(BOB,))
    with pytest.raises(DeviceNotAuthorised, match="this offering"):
        foyer.lease(ticket_id, card)
    foyer.delegate(DISPENSER, offerings=(OFFERING,), serial_prefix="D1-")
    lease = foyer.lease(ticket_id, card)
    with pytest.raises(DeviceNotAuthorised, match="begin with D1-"):
        foyer.mark(ticket_id, card.copied(), lease, "D2-0001")
    foyer.mark(ticket_id, card, lease, "D1-0001")


def test_a_machine_that_is_revoked_between_lease_and_print_prints_nothing(foyer):
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.do(
        parties.revoke,
        device_id=DISPENSER,
        by=KEEPER,
        as_operator=False,
        reason="stolen",
    )
    with pytest.raises(DeviceNotAuthorised, match="revoked"):
        foyer.mark(ticket_id, card, lease, "D-0001")


def test_a_keeper_delegates_his_own_machine_alone(foyer):
    said = {"device_id": DISPENSER, "rights": Rights(issuers=(ISSUER,))}
    with pytest.raises(DeviceNotAuthorised, match="somebody else"):
        foyer.do(parties.delegate, **said, by=BOB, as_operator=False)
    foyer.do(parties.delegate, **said, by=KEEPER, as_operator=False)
    assert foyer.ledger.device(DISPENSER).rights.issuers == (ISSUER,)


def test_a_freeze_between_lease_and_print_takes_the_ticket_from_the_machine(foyer):
    """Collision 19: before the point of no return, the lease ends."""
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    freeze(foyer, ticket_id, "no_dispense")
    with pytest.raises(Frozen):
        foyer.mark(ticket_id, card, lease, "D-0001")
    assert foyer.now(ticket_id).lock.kind == LockKind.NONE


def test_a_freeze_after_the_print_was_authorised_lands_on_the_serial(foyer):
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.mark(ticket_id, card, lease, "D-0001")
    case_id = freeze(foyer, ticket_id, "no_dispense")
    foyer.printed(ticket_id, lease, "D-0001")
    assert (check(foyer, "D-0001").state, check(foyer, "D-0001").code) == (
        "held",
        "frozen",
    )
    foyer.tell(ticket_id, "unfreeze", case_id=case_id)
    assert check(foyer, "D-0001").state == "valid"


def test_a_frozen_ticket_is_not_leased(foyer):
    ticket_id, card = foyer.on_card()
    freeze(foyer, ticket_id, "no_dispense")
    with pytest.raises(Frozen):
        foyer.lease(ticket_id, card)


@pytest.mark.parametrize("was_printed", [True, False])
def test_a_print_in_doubt_stays_so_until_somebody_says(foyer, was_printed):
    """Collision 5: the lease's end does not release what may be on paper."""
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.mark(ticket_id, card, lease, "D-0001")
    late = after(seconds=LEASE_S, days=1)
    with pytest.raises(InDispense):
        foyer.tell(
            ticket_id,
            "offer_gift",
            offer_id=fresh(),
            by=ALICE,
            to=BOB,
            until=late + HOUR,
            at=late,
        )
    assert check(foyer, "D-0001", at=late).code == "in_doubt"
    with pytest.raises(Refusal):  # Another job than the one in doubt.
        foyer.do(
            dispensing.settle_print,
            ticket_id=ticket_id,
            job_id=fresh(),
            was_printed=was_printed,
            at=late,
        )
    foyer.do(
        dispensing.settle_print,
        ticket_id=ticket_id,
        job_id=lease.job_id,
        was_printed=was_printed,
        at=late,
    )
    ticket = foyer.now(ticket_id)
    if was_printed:
        assert (ticket.life, ticket.form.serial) == (Life.DISPENSED, "D-0001")
        foyer.printed(ticket_id, lease, "D-0001", at=late)  # The machine agrees.
    else:
        assert (ticket.life, ticket.lock.kind) == (Life.OWNED, LockKind.NONE)
        foyer.load(card)  # The mark is mended, and the ticket is as good as new.
        with pytest.raises(SerialUsed):
            foyer.dispense(ticket_id, card, "D-0001")
    with pytest.raises(NotInDoubt):
        foyer.do(
            dispensing.settle_print,
            ticket_id=ticket_id,
            job_id=lease.job_id,
            was_printed=was_printed,
        )


def test_who_offers_a_ticket_may_use_it_and_the_gift_is_void_once_it_is_printed(foyer):
    """Collision 3: the lease was first."""
    ticket_id, card = foyer.on_card()
    offer = {"offer_id": fresh(), "by": ALICE, "to": BOB, "until": after(hours=2)}
    foyer.tell(ticket_id, "offer_gift", **offer)
    lease = foyer.lease(ticket_id, card)
    accept = {
        "offer_id": offer["offer_id"],
        "by": BOB,
        "terms_hash": foyer.now(ticket_id).terms_hash,
        "check_sealed": None,
    }
    with pytest.raises(InDispense):
        foyer.tell(ticket_id, "accept_gift", **accept)
    foyer.mark(ticket_id, card, lease, "D-0001")
    foyer.printed(ticket_id, lease, "D-0001")
    assert foyer.now(ticket_id).offer is None
    with pytest.raises(Refusal):
        foyer.tell(ticket_id, "accept_gift", **accept)


def test_a_gift_that_was_accepted_first_leaves_the_lease_an_old_epoch(foyer):
    ticket_id, card = foyer.on_card()
    offer_id = fresh()
    foyer.tell(
        ticket_id,
        "offer_gift",
        offer_id=offer_id,
        by=ALICE,
        to=BOB,
        until=after(hours=2),
    )
    foyer.tell(
        ticket_id,
        "accept_gift",
        offer_id=offer_id,
        by=BOB,
        terms_hash=foyer.now(ticket_id).terms_hash,
        check_sealed=None,
    )
    with pytest.raises(Refusal) as refused:
        foyer.lease(ticket_id, card)
    assert refused.value.code in (EpochStale.code, "medium_stale")


def test_terms_may_forbid_the_sender_to_use_what_is_offered(foyer):
    ticket_id, card = foyer.on_card(terms=Terms(sender_use="blocked"))
    foyer.tell(
        ticket_id,
        "offer_gift",
        offer_id=fresh(),
        by=ALICE,
        to=BOB,
        until=after(hours=2),
    )
    with pytest.raises(InGift):
        foyer.lease(ticket_id, card)


def test_a_serial_belongs_to_one_ticket_for_ever(foyer):
    (first, card), (second, other) = foyer.on_card(), foyer.on_card()
    foyer.dispense(first, card, "D-0001")
    surrender(foyer, "D-0001")
    lease = foyer.lease(second, other)
    with pytest.raises(SerialUsed):
        foyer.mark(second, other.copied(), lease, "D-0001")
    foyer.mark(second, other, lease, "D-0002")


def test_a_paper_that_is_taken_back_is_dead_for_ever_and_the_right_is_electronic(foyer):
    ticket_id, card = foyer.on_card()
    paper = foyer.dispense(ticket_id, card, "D-0001")
    assert paper.code == foyer.its.secrets.print_code("D-0001")
    assert check(foyer, "D-0001").ticket_id == ticket_id
    with pytest.raises(PaperNotGenuine):
        surrender(foyer, "D-0001", code="ETL1:D-0001:00000000")
    surrender(foyer, "D-0001")
    ticket = foyer.now(ticket_id)
    assert (ticket.life, ticket.form.kind) == (Life.OWNED, FormKind.ELECTRONIC)
    assert (check(foyer, "D-0001").state, check(foyer, "D-0001").right) == (
        "dead",
        ticket.right,
    )
    with pytest.raises(NotDispensed):
        surrender(foyer, "D-0001", device_id=None)
    foyer.load(card, ticket_id)
    with pytest.raises(SerialDead):
        foyer.dispense(ticket_id, card, "D-0001")


def test_a_machine_for_other_issuers_takes_no_paper_back(foyer):
    ticket_id, card = foyer.on_card()
    foyer.dispense(ticket_id, card, "D-0001")
    foyer.delegate(DISPENSER_2, issuers=(BOB,))
    with pytest.raises(DeviceNotAuthorised):
        surrender(foyer, "D-0001", device_id=DISPENSER_2)
    surrender(foyer, "D-0001", device_id=None)  # At the counter.


def test_a_spoilt_paper_is_replaced_at_once_by_the_machine_that_printed_it(foyer):
    ticket_id, card = foyer.on_card()
    foyer.dispense(ticket_id, card, "D-0001")
    with pytest.raises(SessionOver):
        replace(foyer, "D-0001", "D-0002", device_id=DISPENSER_2)
    with pytest.raises(SessionOver):
        replace(foyer, "D-0001", "D-0002", at=after(seconds=SESSION_S))
    job_id, late = fresh(), after(seconds=SESSION_S - 1)
    for _ in "12":  # Said again by who has not heard.
        paper = replace(foyer, "D-0001", "D-0002", job_id=job_id, at=late)
        assert paper.serial == "D-0002"
    assert foyer.now(ticket_id).form.serial == "D-0002"
    assert (check(foyer, "D-0001").state, check(foyer, "D-0002").state) == (
        "dead",
        "valid",
    )
    with pytest.raises(SerialDead):
        replace(foyer, "D-0001", "D-0003")
    other_id, other = foyer.on_card()
    foyer.dispense(other_id, other, "D-0004")
    with pytest.raises(SerialUsed):
        replace(foyer, "D-0002", "D-0004")


def test_a_paper_in_dispute_is_not_replaced(foyer):
    ticket_id, card = foyer.on_card()
    foyer.dispense(ticket_id, card, "D-0001")
    freeze(foyer, ticket_id, "no_dispense")
    with pytest.raises(Frozen):
        replace(foyer, "D-0001", "D-0002")


def test_the_door_is_told_what_a_paper_is_worth(foyer):
    ticket_id, card = foyer.on_card(not_after=after(hours=3))
    foyer.dispense(ticket_id, card, "D-0001")
    assert check(foyer, "D-0001").code is None
    for serial, code in (("D-0001", "ETL1:D-0001:0"), ("D-0009", None), ("D-1", "é")):
        unknown = check(foyer, serial, code)
        assert (unknown.state, unknown.ticket_id) == ("unknown", None)
    assert check(foyer, "D-0001", at=after(hours=3)).code == "no_longer_valid"
    assert check(foyer, "D-0001", at=after(hours=-2)).code == "not_yet_valid"
    foyer.tell(ticket_id, "revoke", reason="forged", by=ISSUER)
    dead = check(foyer, "D-0001")
    assert (dead.state, dead.code) == ("dead", "revoked")


def test_another_serial_than_the_authorised_one_is_not_recorded(foyer):
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    foyer.mark(ticket_id, card, lease, "D-0001")
    with pytest.raises(SerialMismatch):
        foyer.printed(ticket_id, lease, "D-0002")
