"""Sending what is in the outbox: leased, tried, tried again later, at last given up.

A message arrives at least once. Who dies between its arrival and the note of it has it
sent again when the lease is over, under the same id, by which receivers know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from ledger.adapters.outbox import EMAIL, Delivery, Notification, Outbox
from ledger.adapters.subscriptions import Subscriptions
from ledger.aggregates.party import Party
from ledger.application import Ledger
from ledger.policies.composing import compose
from ledger.ports import Channel, Destination, Message, PersonalData, Undelivered

ATTEMPTS_MAX = 12
"""Over about a day and a half."""

BACKOFF_S = 5.0
BACKOFF_FACTOR = 4.0
BACKOFF_MAX_S = 6 * 3_600.0
QUIET_MAX_S = 300.0
"""How long a webhook that failed holds up what else goes there."""

LEASE_S = 180.0
"""More than any channel takes for one message."""

SENT, DEAD, DROPPED = "sent", "dead", "dropped"


class Letter(Protocol):
    """A kind of message to one person that no event is behind."""

    def written(self, notification: Notification) -> tuple[Message, Destination] | None:
        """Return it and where it goes; None: there is nothing to say any more."""


class _NothingToSend(Exception):
    """Nobody can be reached, or there is nothing to say any more."""


def backoff_s(attempts: int, chance: float) -> float:
    """Return how long to wait after so many attempts; `chance` is 0 to 1.

    Half of it is chance, so that what failed together does not come back together.
    """
    full_s = BACKOFF_S * BACKOFF_FACTOR ** min(attempts - 1, ATTEMPTS_MAX)
    return min(full_s, BACKOFF_MAX_S) * (0.5 + chance / 2)


class Sender:
    """Sends what is due, one after the other. Any number may, in any processes."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        subscriptions: Subscriptions,
        personal: PersonalData,
        channels: Mapping[str, Channel],
        letters: Mapping[str, Letter] = MappingProxyType({}),
        *,
        origin: str,
        new_id: Callable[[], UUID],
        chance: Callable[[], float],
    ) -> None:
        """`channels` by name; of a way that is not set up, messages are dropped.

        `letters` by kind: what is not a notification of an event.
        """
        self._ledger = ledger
        self._outbox = outbox
        self._subscriptions = subscriptions
        self._personal = personal
        self._channels = channels
        self._letters = letters
        self._origin = origin
        self._new_id = new_id
        self._chance = chance

    def send_next(self, now: Callable[[], datetime]) -> str | None:
        """Take the next delivery that is due; return what came of it, None if none is.

        `waiting`: it failed and is tried again later.
        """
        its = self._outbox.claim(lease_id=self._new_id(), lease_s=LEASE_S, at=now())
        if its is None:
            return None
        if its.attempts > ATTEMPTS_MAX:  # Who had it last never came back, each time.
            self._outbox.settle(its, DEAD, said="it was never finished", at=now())
            return DEAD
        try:
            self._deliver(its, now())
        except _NothingToSend as nothing:
            self._outbox.settle(its, DROPPED, said=str(nothing), at=now())
            return DROPPED
        except Undelivered as failure:
            return self._failed(its, failure, now())
        self._outbox.settle(its, SENT, at=now())
        if its.channel != EMAIL:
            self._subscriptions.answered(its.target_id)
        return SENT

    def _deliver(self, its: Delivery, at: datetime) -> None:
        channel = self._channels.get(its.channel)
        if channel is None:
            raise _NothingToSend(f"no {its.channel} is set up")
        party = self._ledger.find(Party, its.notification.party_id)
        if party is None:
            raise _NothingToSend("the recipient is not registered")
        name = self._personal.open(party.id, party.name_sealed)
        if name is None:
            raise _NothingToSend("the recipient was erased")
        letter = self._letters.get(its.notification.kind)
        if letter is not None:
            written = letter.written(its.notification)
            if written is None:
                raise _NothingToSend("there is nothing to say any more")
            message, to = written
            channel.deliver(message, to, at=at)
            return
        to = self._contact(party) if its.channel == EMAIL else self._url(its, at)
        message = compose(
            self._ledger, its.notification, origin=self._origin, name=name or None
        )
        channel.deliver(message, to, at=at)

    def _contact(self, party: Party) -> Destination:
        if party.contact_sealed is None:
            raise _NothingToSend("the recipient has given no contact")
        contact = self._personal.open(party.id, party.contact_sealed)
        if contact is None:
            raise _NothingToSend("the recipient was erased")
        return Destination(contact)

    def _url(self, its: Delivery, at: datetime) -> Destination:
        found = self._subscriptions.find(its.target_id)
        keys = self._subscriptions.keys(its.target_id, at=at)
        if found is None or not keys:
            raise _NothingToSend("the subscription was deleted")
        if found.ended_at is not None:
            raise _NothingToSend("the receiver said that it is gone")
        return Destination(found.url, keys)

    def _failed(self, its: Delivery, failure: Undelivered, at: datetime) -> str:
        if failure.gone:
            self._subscriptions.end(its.target_id, at=at)
        wait_s = backoff_s(its.attempts, self._chance())
        if its.channel != EMAIL:
            self._keep_quiet(its.target_id, at)
        if failure.for_good or its.attempts >= ATTEMPTS_MAX:
            self._outbox.settle(its, DEAD, said=str(failure), at=at)
            return DEAD
        self._outbox.put_off(
            its, until=at + timedelta(seconds=wait_s), said=str(failure)
        )
        return "waiting"

    def _keep_quiet(self, subscription_id: UUID, at: datetime) -> None:
        """Send nothing else there for a while: longer, the longer it has failed."""
        found = self._subscriptions.find(subscription_id)
        failures = found.failures + 1 if found else 1
        quiet_s = min(backoff_s(failures, self._chance()), QUIET_MAX_S)
        quiet_until = at + timedelta(seconds=quiet_s)
        self._subscriptions.failed(subscription_id, quiet_until=quiet_until)
