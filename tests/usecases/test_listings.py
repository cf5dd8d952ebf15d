"""What a listing tells: its price, and whether it can still be bought."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from ledger.adapters.sandbox_payments import SandboxPayments
from ledger.errors import Unknown
from ledger.usecases import listings, resale, sale_payments
from ledger.usecases.listings import ListingNow
from ledger.usecases.tenders import Tender
from tests.domain.examples import ALICE, BOB, CAROL, HOUR, ISSUER, NOON
from tests.lifecycle.memory import MemoryLedger
from tests.usecases.market import CAUSE, Market, fresh

UNTIL = NOON + 24 * HOUR


class Listed:
    """One listed ticket of Alice's."""

    def __init__(self, to: UUID | None = None) -> None:
        self.market = Market(MemoryLedger())
        [self.ticket_id] = self.market.issue()
        self.listing_id = self.market.list_ticket(self.ticket_id, to=to).listing_id

    def now(self, *, by: UUID = BOB, at=NOON) -> ListingNow:
        return listings.look_at(
            self.market.ledger,
            ticket_id=self.ticket_id,
            listing_id=self.listing_id,
            by=by,
            at=at,
        )

    def begin(self, token: str) -> None:
        sale_payments.begin(
            self.market.ledger,
            SandboxPayments(secret=b"s" * 32),
            self.market.personal,
            wanted=self.market.wanted([self.ticket_id]),
            sale_id=fresh(),
            by=CAROL,
            offered=[Tender("card", 4_000, instrument=token)],
            at=NOON,
            cause=CAUSE,
        )


@pytest.fixture
def listed() -> Listed:
    return Listed()


def test_it_tells_what_is_asked_last_under_which_cap(listed):
    resale.reprice(
        listed.market.ledger,
        ticket_id=listed.ticket_id,
        listing_id=listed.listing_id,
        by=ALICE,
        price_minor=3_500,
        at=NOON,
        cause=CAUSE,
    )
    assert listed.now() == ListingNow(
        listed.listing_id,
        *(3_500, 4_800, "EUR"),
        UNTIL,
        listings.ListingState.ACTIVE,
        version=3,
    )


def test_one_for_a_named_purchaser_is_not_there_for_others():
    listed = Listed(to=BOB)
    assert listed.now(by=BOB) == listed.now(by=ALICE)
    with pytest.raises(Unknown):
        listed.now(by=CAROL)


def test_it_expires_by_the_clock_alone(listed):
    assert listed.now(at=UNTIL - timedelta(seconds=1)).state == "ACTIVE"
    assert listed.now(at=UNTIL).state == "EXPIRED"


def test_it_is_matched_while_a_payment_is_under_way_and_sold_after(listed):
    listed.begin("tok-away-authorise")
    assert listed.now(at=UNTIL).state == "MATCHED"
    other = Listed()
    other.begin("tok-declines")
    assert other.now().state == "ACTIVE"
    other.market.buy(other.ticket_id)
    assert other.now().state == "SOLD"


def test_a_case_suspends_it_and_lets_it_go_again(listed):
    listed.market.freeze(listed.ticket_id)
    assert listed.now().state == "SUSPENDED"
    listed.market.unfreeze(listed.ticket_id)
    assert listed.now().state == "ACTIVE"


def test_it_says_how_it_ended(listed):
    listed.market.unlist(listed.ticket_id)
    assert listed.now().state == "WITHDRAWN"
    for end in ("modified", "revoked"):
        other = Listed()
        ticket = other.market.ledger.ticket(other.ticket_id)
        if end == "modified":
            ticket.modify(by=ISSUER, changes={"right": "Z1"}, reason="", at=NOON)
        else:
            ticket.revoke(by=ISSUER, reason="cancelled", at=NOON)
        other.market.ledger.record(ticket, cause=CAUSE)
        assert other.now().state == "VOIDED"
    again = Listed()
    again.market.list_ticket(again.ticket_id, at=UNTIL)
    assert again.now(at=UNTIL).state == "EXPIRED"
