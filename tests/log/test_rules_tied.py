"""What an event says is tied to its stream: told otherwise, a history is refused.

Where a word of an event follows from what was told before, no other word passes.
`docs/proofs.md` says what is not checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import pytest

from tests.log.forging import Stream, changed, legitimate, refused

OTHER = UUID(int=0xBAD)
YEARS = timedelta(days=400)

TIED = {
    "account.hold-released": "purpose_id",
    "account.opened": "currency kind party_id",
    "account.points-expired": "amount_minor",
    "allotment.opened": "number offering_id",
    "allotment.place-given-back": "place",
    "allotment.places-released": "holder_id",
    "allotment.places-sold": "order_id",
    "allowance.begun": "offering_id party_id",
    "allowance.lost": "ticket_id",
    "allowance.released": "order_id",
    "case.decided": "by",
    "case.opened": "case_type",
    "e-ticket.coupon-redeemed": "amount device_id receipt session_id",
    "e-ticket.dispense-aborted": "job_id",
    "e-ticket.dispense-reversed": "serial",
    "e-ticket.dispense-started": "expected_epoch medium_uid slot",
    "e-ticket.dispensed": "device_id job_id serial",
    "e-ticket.exchange-aborted": "exchange_id",
    "e-ticket.exchanged": "exchange_id",
    "e-ticket.frozen": "kind",
    "e-ticket.gift-accepted": "giver_id offer_id owner_id previous_title_version",
    "e-ticket.gift-declined": "offer_id",
    "e-ticket.gift-expired": "offer_id",
    "e-ticket.gift-resumed": "offer_id",
    "e-ticket.gift-suspended": "offer_id",
    "e-ticket.gift-withdrawn": "offer_id",
    "e-ticket.issued": "kind uses_unit",
    "e-ticket.listed": "cap_basis_minor cap_minor cap_percent terms_version",
    "e-ticket.medium-write-aborted": "write_id",
    "e-ticket.medium-write-prepared": "epoch",
    "e-ticket.modification-refused": "by_party_id request_id",
    "e-ticket.modification-requested": "by_party_id",
    "e-ticket.modified": "by_party_id terms_version",
    "e-ticket.paper-reissued": "new_serial old_serial",
    "e-ticket.print-authorised": "job_id serial",
    "e-ticket.reassigned": "from_party_id previous_title_version",
    "e-ticket.redemption-released": "session_id",
    "e-ticket.redemption-reversed": "session_id",
    "e-ticket.redemption-started": "medium_uid slot",
    "e-ticket.reinstated": "reverses_version",
    "e-ticket.released-from-medium": "medium_uid slot",
    "e-ticket.repriced": "cap_minor listing_id terms_version",
    "e-ticket.resold": "cap_basis_minor cap_minor cap_percent listing_id "
    "previous_title_version price_minor seller_id terms_version",
    "e-ticket.sale-aborted": "sale_id",
    "e-ticket.sale-started": "listing_id",
    "e-ticket.unfrozen": "case_id",
    "e-ticket.unlisted": "listing_id",
    "e-ticket.written-to-medium": "epoch medium_uid slot write_id",
    "gift.accepted": "sender_id",
    "gift.offered": "mode",
    "mandate.granted": "issuer_id seller_id",
    "medium.personalised": "kind uid",
    "medium.restored": "status",
    "medium.write-aborted": "write_id",
    "medium.write-prepared": "digest seq",
    "medium.written": "write_id",
    "medium.written-offline": "device_id digest seq",
    "offering.place-held": "place",
    "offering.place-released": "order_id place",
    "offering.place-sold": "order_id place",
    "offering.repriced": "category",
    "offline-fact.reported": "device_id device_seq kind",
    "paper.numbered": "serial",
    "payment.authorisation-requested": "currency purpose_id",
    "payment.refund-refused": "refund_id",
    "payment.refunded": "refund_id",
    "receipt.released": "session_id",
    "receipt.shown": "receipt shop_id",
    "registered-sale.registered": "reference seller_id",
    "sale.clawed-back": "amount_minor debt_minor made_up_minor",
    "sale.escrowed": "amount_minor",
    "sale.initiated": "payout",
    "sale.refunded": "amount_minor debt_minor made_up_minor",
    "waiting-list.begun": "offering_id",
    "waiting-list.lapsed": "promise_id",
    "waiting-list.left": "party_id",
    "waiting-list.promised": "party_id",
    "waiting-list.redeemed": "promise_id",
}


@cache
def streams_with() -> dict[str, list[Stream]]:
    found: dict[str, list[Stream]] = defaultdict(list)
    for stream in legitimate():
        for topic in {event.TOPIC for event in stream}:
            found[topic].append(stream)
    return found


def other_words(said: object) -> list[object]:
    """Something near, of the same kind; nothing for what is not said."""
    match said:
        case bool():
            return [not said]
        case int():
            return [said - 1, said + 1]
        case UUID():
            return [OTHER]
        case datetime():
            return [said - YEARS, said + YEARS]
        case str():
            return [said + "x"]
    return []


def retold(topic: str, name: str) -> Iterator[tuple[Any, Stream]]:
    """Yield each lie, and its stream up to it."""
    for stream in streams_with()[topic]:
        for at, event in enumerate(stream):
            if topic == event.TOPIC:
                for other in other_words(getattr(event, name)):
                    lie: Any = changed(event, **{name: other})
                    yield lie, [*stream[:at], lie]


@pytest.mark.parametrize("topic", TIED)
def test_what_follows_from_the_stream_is_not_told_otherwise(topic):
    for name in TIED[topic].split():
        lies = list(retold(topic, name))
        assert lies
        assert [lie for lie, stream in lies if refused(stream) is None] == []
