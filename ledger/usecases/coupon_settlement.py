"""What issuers and shops settle for coupons: final redemptions, and nothing else.

A redemption is final once its shop can take it back no more; what was taken back before
does not count. The report is read from the log itself, so that both sides can check it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket
from ledger.application import Ledger
from ledger.errors import Malformed
from ledger.usecases.coupons import REVERSAL_S

PAGE = 500


@dataclass(frozen=True, slots=True)
class Settled:
    """`amount` is in `unit`: a currency in minor units, or "uses"."""

    issuer_id: UUID
    shop_id: UUID
    unit: str
    redemptions: int
    amount: int


class BadPeriod(Malformed):
    code = "malformed"
    says = "A period ends after it begins, and is settled when it is over."


def require_over(*, since: datetime, until: datetime, at: datetime) -> None:
    """Raise `BadPeriod` unless this is a period that has ended."""
    if not since <= until <= at:
        raise BadPeriod


def final(
    ledger: Ledger, *, since: datetime, until: datetime, at: datetime
) -> list[Settled]:
    """Report what became final from `since` up to `until`, by issuer, shop and unit.

    A period is settled when it is over: `until` is not later than `at`. Adjoining
    periods count each redemption once. Raises `BadPeriod`.
    """
    require_over(since=since, until=until, at=at)
    counted: Counter[tuple[UUID, UUID, str]] = Counter()
    amounts: Counter[tuple[UUID, UUID, str]] = Counter()
    for redeemed in _redeemed(ledger):
        over_at = redeemed.timestamp + timedelta(seconds=REVERSAL_S)
        if is_over(over_at, until) and not is_over(over_at, since):
            ticket = ledger.ticket(redeemed.originator_id)
            done = ticket.redemptions[str(redeemed.session_id)]
            left = done.amount - done.reversed
            if left:
                shop_id = ledger.device(done.device_id).keeper_id
                unit = ticket.currency if ticket.uses.unit == "money" else "uses"
                counted[ticket.issuer_id, shop_id, unit] += 1
                amounts[ticket.issuer_id, shop_id, unit] += left
    return [
        Settled(*whose, redemptions=counted[whose], amount=amounts[whose])
        for whose in sorted(counted, key=str)
    ]


def _redeemed(ledger: Ledger) -> Iterator[ETicket.CouponRedeemed]:
    """Yield every redemption of the log, a page at a time."""
    start = 1
    while page := ledger.recorder.select_notifications(
        start, PAGE, topics=[ETicket.CouponRedeemed.TOPIC]
    ):
        for found in page:
            event = ledger.mapper.to_domain_event(found)
            yield cast("ETicket.CouponRedeemed", event)
        start = page[-1].id + 1
