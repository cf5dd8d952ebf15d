"""Whatever answer a network loses while a card is written, nothing is done twice.

The line is cut at the first request of a visit, at the second, ... until one is whole:
before the request arrived, and in the middle of the answer. Planted and caught: a lease
and a gift asked for again without a key; a write that is prepared or settled by one try
alone.
"""

from dataclasses import replace
from uuid import UUID

import pytest

from card_bridge.gateway import LedgerUnreachable
from card_bridge.http_gateway import RETRIES, HttpGateway
from ledger.vocabulary.codes import Role
from tests.card.bridge.stage import commits, laid, standing
from tests.client.lines import CUT, LOST, WHOLE, wire

AT_ONCE = replace(RETRIES, sleep=lambda _: None)
REQUESTS_MAX = 30


@pytest.mark.parametrize("fault", [LOST, CUT])
def test_a_ticket_is_recorded_by_one_write_whatever_is_lost(stage, fault):
    ada = stage.callers.person(Role.BUYER)
    lost_for_good = 0
    for whole in range(REQUESTS_MAX):
        card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
        begun, faults = commits(card), [WHOLE] * whole + [fault]
        with wire(stage.url, faults) as url:
            line = HttpGateway(url, ada.token, retries=AT_ONCE)
            bridge = stage.bridge_of(ada, gateway=line)
            try:
                with laid(card) as lying:
                    bridge.bring_in_line(lying, load=[ticket_id])
            except LedgerUnreachable:
                lost_for_good += 1  # A card's authentication: asked for once.
                with laid(card) as lying:
                    bridge.bring_in_line(lying, load=[ticket_id])
            untouched = bool(faults)
        stage.require_agreed(card)
        assert stage.its.ledger.ticket(ticket_id).form.is_at(card.uid.hex(), 0)
        assert (standing(card)[0].seq, commits(card) - begun) == (1, 1)
        if untouched:
            break
    else:
        raise AssertionError("the visit does not end")
    assert lost_for_good == 2


@pytest.mark.parametrize("fault", [LOST, CUT])
def test_a_dispenser_gets_the_lease_whose_answer_was_lost(stage, fault):
    ada = stage.callers.person(Role.BUYER)
    card, ticket_id = stage.card_of(ada), stage.ticket_of(ada)
    with laid(card) as lying:
        stage.bridge_of(ada).bring_in_line(lying, load=[ticket_id])
    reader, _ = stage.reader_of("dispenser", Role.DISPENSER)
    with laid(card) as lying:
        presented = reader.present(lying)
    with wire(stage.url, [fault]) as url:
        machine = stage.machine("dispenser", Role.DISPENSER)
        lease = HttpGateway(url, machine.token, retries=AT_ONCE).start_dispense(
            ticket_id,
            presented.reading,
            slot=0,
            epoch=standing(card)[1][0].epoch,
            answered=True,
        )
    assert stage.its.ledger.ticket(ticket_id).lock.ref == lease.job_id


@pytest.mark.parametrize("fault", [LOST, CUT])
def test_a_gift_is_offered_once_whose_answer_was_lost(stage, fault):
    ada, ben = stage.callers.person(Role.BUYER), stage.callers.person(Role.BUYER)
    ticket_id = stage.ticket_of(ada)
    with wire(stage.url, [fault]) as url:
        made = HttpGateway(url, ada.token, retries=AT_ONCE).call(
            "POST",
            f"/v1/tickets/{ticket_id}/gift-offers",
            {"to_party_id": str(ben.party_id)},
        )
    assert stage.its.ledger.ticket(ticket_id).lock.ref == UUID(made["offer_id"])
