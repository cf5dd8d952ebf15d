"""What a gift's events need: a line ends once, and for the one it is bound to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args
from uuid import UUID

from ledger.aggregates.gift import Gift, GiftMode, require_some
from ledger.aggregates.rules.kernel import check, check_distinct, rule


@rule(Gift.Offered)
def offered(_: None, event: Gift.Offered) -> None:
    require_some([line["ticket_id"] for line in event.lines])
    check(event.mode in get_args(GiftMode), "it is not said whether it can be parted")
    check(event.to_party_id or event.claim_hash, "it is offered to nobody")
    check(event.to_party_id != event.sender_id, "it is offered to who has it")


@rule(Gift.Accepted)
def accepted(gift: Gift, event: Gift.Accepted) -> None:
    check(gift.to_party_id in (None, event.by_party_id), "it was offered to another")
    check(event.sender_id == gift.sender_id, "another has offered it")
    _require_pending(gift, [line["ticket_id"] for line in event.lines])


@rule(Gift.Declined, Gift.Expired, Gift.Voided, Gift.Withdrawn)
def ended(gift: Gift, event: Gift._Ended) -> None:
    _require_pending(gift, event.ticket_ids)


@rule(Gift.ContactErased)
def contact_erased(gift: Gift, _: Gift.ContactErased) -> None:
    check(gift.contact_sealed is not None, "it has no contact")
    check(not gift.contact_erased_version, "it was erased before")


def _require_pending(gift: Gift, ticket_ids: Iterable[UUID]) -> None:
    check_distinct(named := list(ticket_ids), "tickets")
    for ticket_id in named:
        gift.require_pending(gift.line(ticket_id))
