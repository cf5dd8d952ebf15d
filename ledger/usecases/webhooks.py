"""Subscribing to what a party is told, by signed webhooks.

A subscription belongs to one party and is told what that party is told, from now on.
Somebody else's is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ledger.adapters.outbox import NotificationKind
from ledger.adapters.subscriptions import Subscription, Subscriptions
from ledger.adapters.webhooks import BadUrl, Target
from ledger.application import Ledger
from ledger.errors import Conflict, Malformed, Unknown

SUBSCRIPTIONS_MAX = 10
"""For one party."""

OLD_SECRET_H = 24
"""How long a rotated secret signs as well."""


class BadWebhook(Malformed):
    code = "malformed"
    says = "The webhook cannot be set up: {why}."


class TooManyWebhooks(Conflict):
    code = "limit"
    says = "A party has at most {most} webhooks; delete one first."


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription, and its secret for the only time."""

    subscription_id: UUID
    secret: str = field(repr=False)


def create(
    ledger: Ledger,
    subscriptions: Subscriptions,
    *,
    subscription_id: UUID,
    party_id: UUID,
    url: str,
    kinds: Collection[str] | None,
    at: datetime,
    loopback: bool = False,
) -> Subscribed:
    """Have a party's notifications sent to a URL; `kinds` None: all of them.

    `loopback` is for development: http to this machine is then allowed.
    """
    try:
        Target.parse(url, loopback=loopback)
    except BadUrl as bad:
        raise BadWebhook(why=str(bad)) from None
    if kinds is not None and not kinds:
        raise BadWebhook(why="it names no kind of notification")
    unknown = set(kinds or ()) - set(NotificationKind)
    if unknown:
        raise BadWebhook(why=f"there is no notification {min(unknown)[:40]!r}")
    ledger.party(party_id)
    if len(subscriptions.of_party(party_id)) >= SUBSCRIPTIONS_MAX:
        raise TooManyWebhooks(most=SUBSCRIPTIONS_MAX)
    secret = subscriptions.create(
        subscription_id=subscription_id,
        party_id=party_id,
        url=url,
        kinds=kinds,
        since_position=ledger.position(),
        at=at,
    )
    return Subscribed(subscription_id, secret)


def of_party(subscriptions: Subscriptions, *, party_id: UUID) -> Sequence[Subscription]:
    """Return a party's subscriptions, without their secrets."""
    return subscriptions.of_party(party_id)


def rotate(
    subscriptions: Subscriptions, *, subscription_id: UUID, by: UUID, at: datetime
) -> Subscribed:
    """Draw a new secret; for a day the old one signs as well."""
    _require_own(subscriptions, subscription_id, by)
    secret = subscriptions.rotate(
        subscription_id, old_until=at + timedelta(hours=OLD_SECRET_H)
    )
    if secret is None:
        raise Unknown(what="webhook")
    return Subscribed(subscription_id, secret)


def delete(
    subscriptions: Subscriptions, *, subscription_id: UUID, by: UUID, at: datetime
) -> None:
    """Send nothing there any more, not even what waits."""
    _require_own(subscriptions, subscription_id, by)
    if not subscriptions.delete(subscription_id, at=at):
        raise Unknown(what="webhook")


def _require_own(subscriptions: Subscriptions, subscription_id: UUID, by: UUID) -> None:
    found = subscriptions.find(subscription_id)
    if found is None or found.party_id != by:
        raise Unknown(what="webhook")
