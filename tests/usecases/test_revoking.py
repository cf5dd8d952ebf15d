"""An issuer ends a right for good: whatever it was kept for gives way in one commit."""

from __future__ import annotations

import pytest

from ledger.aggregates.allowance import Allowance
from ledger.aggregates.e_ticket import Life, LockKind
from ledger.aggregates.e_ticket import refusals as no
from ledger.aggregates.gift import Gift, GiftState
from ledger.aggregates.sale import SaleState
from ledger.errors import Refusal
from ledger.usecases import papers, revoking, stock
from ledger.vocabulary.ids import allowance_id
from tests.domain.examples import ALICE, CAROL, ISSUER, NOON
from tests.usecases.foyer import Foyer
from tests.usecases.test_given_whole import offer
from tests.usecases.test_sale_payments import Shop
from tests.usecases.town import CAUSE, Town


def revoke(it, ticket_id, *, by=ISSUER, reason="sold by mistake", desk=None):
    return revoking.revoke(
        it.ledger,
        desk or it.desk,
        ticket_id=ticket_id,
        by=by,
        reason=reason,
        at=NOON,
        cause=CAUSE,
    )


def test_the_right_ends_and_its_place_is_the_nexts(installation):
    town = Town(installation, places=["A1"])
    ticket_id = town.buy()
    revoke(town, ticket_id)
    ticket = town.ledger.ticket(ticket_id)
    assert (ticket.life, ticket.owner_id) == (Life.REVOKED, ALICE)
    assert stock.count(town.ledger, town.offering_id, at=NOON).free == 1
    counted = town.ledger.find(Allowance, allowance_id(town.offering_id, ALICE))
    assert counted is not None
    assert ticket_id not in counted.owned
    town.buy(CAROL)


def test_only_the_issuer_revokes_and_says_why_and_once(installation):
    town = Town(installation)
    ticket_id = town.buy()
    before = town.ledger.position()
    with pytest.raises(no.NotTheIssuer):
        revoke(town, ticket_id, by=ALICE)
    with pytest.raises(no.BadChange):
        revoke(town, ticket_id, reason=" ")
    assert town.ledger.position() == before
    revoke(town, ticket_id)
    with pytest.raises(no.Ended):
        revoke(town, ticket_id)


def test_what_is_offered_listed_or_given_whole_gives_way(installation):
    town = Town(installation, purchase_limit=9)
    given, other = town.buy(), town.buy()
    listed = town.buy(CAROL)
    listing = town.list_ticket(listed, by=CAROL)
    offer_id = offer(town.ledger, town.personal, given, other)
    revoke(town, given)
    revoke(town, listed)
    gift = town.ledger.find(Gift, offer_id)
    assert gift is not None
    assert gift.state == GiftState.VOIDED
    assert town.ledger.ticket(other).lock.kind == LockKind.NONE
    with pytest.raises(Refusal):
        town.buy_listed(listed, listing, by=ALICE)


def test_a_purchaser_whose_payment_is_under_way_has_his_money_back(installation):
    shop = Shop()
    shop.begin("tok-away-authorise", purse_minor=1_500)
    assert shop.ledger.ticket(shop.ticket_id).lock.kind == LockKind.SETTLEMENT
    revoke(shop, shop.ticket_id, desk=installation.desk)
    assert shop.ledger.ticket(shop.ticket_id).life == Life.REVOKED
    assert shop.market.sale(shop.sale_id).state == SaleState.ABORTED
    shop.market.spend(CAROL, 10_000)


def test_what_is_on_paper_is_revoked_but_no_print_that_is_in_doubt(installation):
    foyer = Foyer(installation)
    ticket_id, card = foyer.on_card()
    lease = foyer.lease(ticket_id, card)
    paper = foyer.mark(ticket_id, card, lease, "D-0001")
    with pytest.raises(no.InDispense):
        revoke(foyer, ticket_id, desk=installation.desk)
    foyer.printed(ticket_id, lease, "D-0001")
    revoke(foyer, ticket_id, desk=installation.desk)
    told = papers.check(
        foyer.ledger, installation.secrets, serial="D-0001", code=paper.code, at=NOON
    )
    assert (told.state, told.code) == ("dead", "revoked")
