"""A gift: tickets offered together, to whom, and what became of each.

  offer   OPEN ──► SETTLED | DECLINED | WITHDRAWN | EXPIRED | VOIDED
  line    PENDING ──► ACCEPTED | DECLINED | WITHDRAWN | EXPIRED | VOIDED

The tickets' own streams decide: a line is pending for as long as its ticket carries
this offer, and title moves there. This stream keeps together what was offered
together, and whom it is bound to. A line that ended without a command of either
party, because its time was over or its ticket was used or has ended, is noted here
by the next command. While a hold keeps a title still the offer is SUSPENDED: that
stands with the ticket, and is no state of this one.

An offer is SETTLED if anything of it was accepted; otherwise it is what its last
line became.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self, TypeAlias
from uuid import UUID

from ledger.aggregates.base import FirstEvent, Recorded
from ledger.aggregates.e_ticket.gifts import claim_digest
from ledger.aggregates.e_ticket.refusals import NotYours, OfferUnknown
from ledger.errors import Conflict, Denied, Malformed

LINES_MAX = 50

GiftMode: TypeAlias = Literal["all_or_nothing", "per_line"]
GiftVia: TypeAlias = Literal["centre", "direct"]


class LineState(StrEnum):
    PENDING = "PENDING"
    ACCEPTED = "ACCEPTED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    VOIDED = "VOIDED"


class GiftState(StrEnum):
    OPEN = "OPEN"
    SETTLED = "SETTLED"
    DECLINED = "DECLINED"
    WITHDRAWN = "WITHDRAWN"
    EXPIRED = "EXPIRED"
    VOIDED = "VOIDED"


class BadGift(Malformed):
    code = "malformed"
    says = "A gift is of 1 to {lines_max} different tickets."


class NotTheSender(Denied):
    code = "not_owner"
    says = "Only who made this offer may do this."


class GivenWhole(Conflict):
    code = "incomplete"
    says = "These {count} tickets are given together: all of them, or none."


class GiftOver(Conflict):
    code = "unknown"
    says = "This gift is not open any more: it is {state}."


def require_some(ticket_ids: Sequence[UUID]) -> None:
    """Raise `BadGift` unless these can be the lines of one gift."""
    if not 1 <= len(set(ticket_ids)) == len(ticket_ids) <= LINES_MAX:
        raise BadGift(lines_max=LINES_MAX)


@dataclass(frozen=True, slots=True)
class Line:
    """One ticket of a gift; `version` is the event of this stream that ended it.

    `terms_hash` is what was offered and, once accepted, what was accepted. `epoch` and
    `title_version` are the ticket's after its title moved. Where a copy stays on the
    giver's medium, an offline dispenser could take it until `exposed_until`.
    """

    ticket_id: UUID
    terms_hash: str
    state: str = LineState.PENDING
    version: int = 0
    epoch: int = 0
    title_version: int = 0
    exposed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TitleMoved:
    """What the acceptance of one line brought about in its ticket."""

    ticket_id: UUID
    terms_hash: str
    epoch: int
    title_version: int
    exposed_until: datetime | None

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Gift(Recorded):
    TOPIC = "gift"

    class Event(Recorded.Event):
        """An event about one gift."""

    @classmethod
    def offer(
        cls,
        *,
        offer_id: UUID,
        sender_id: UUID,
        to: UUID | None,
        via: GiftVia,
        mode: GiftMode,
        lines: Sequence[tuple[UUID, str]],
        until: datetime,
        claim_hash: str | None,
        contact_sealed: str | None,
        at: datetime,
        message_sealed: str | None = None,
        replaces: UUID | None = None,
    ) -> Self:
        """Offer tickets, each with the hash of its terms.

        The contact is sealed under the key of the contact, the message under the
        sender's: one can be erased without the other.

        Without `to` the recipient is whoever presents the claim that was sent to the
        contact. `replaces` is the offer that this one was made instead of.
        """
        require_some([ticket_id for ticket_id, _ in lines])
        return cls._create(
            cls.Offered,
            id=offer_id,
            timestamp=at,
            sender_id=sender_id,
            to_party_id=to,
            via=via,
            mode=mode,
            lines=[
                {"ticket_id": ticket_id, "terms_hash": terms_hash}
                for ticket_id, terms_hash in lines
            ],
            until=until,
            claim_hash=claim_hash,
            contact_sealed=contact_sealed,
            message_sealed=message_sealed,
            replaces=replaces,
        )

    class Offered(Event, FirstEvent):
        TOPIC = "gift.offered"
        class_version = 2
        sender_id: UUID
        to_party_id: UUID | None
        via: str
        mode: str
        lines: list[dict[str, Any]]
        until: datetime
        claim_hash: str | None
        contact_sealed: str | None
        message_sealed: str | None
        replaces: UUID | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            """Nothing was said with a gift before."""
            state["message_sealed"] = None

    def __init__(
        self,
        *,
        sender_id: UUID,
        to_party_id: UUID | None,
        via: str,
        mode: str,
        lines: list[dict[str, Any]],
        until: datetime,
        claim_hash: str | None,
        contact_sealed: str | None,
        message_sealed: str | None,
        replaces: UUID | None,
    ) -> None:
        self.sender_id = sender_id
        self.to_party_id = to_party_id
        self.via = via
        self.mode = mode
        self.lines = [Line(**line) for line in lines]
        self.until = until
        self.claim_hash = claim_hash
        self.contact_sealed = contact_sealed
        self.message_sealed = message_sealed
        self.replaces = replaces
        self.replaced_by: UUID | None = None
        self.contact_erased_version = 0

    # What is asked of it.

    @property
    def state(self) -> GiftState:
        if self.pending:
            return GiftState.OPEN
        if any(line.state == LineState.ACCEPTED for line in self.lines):
            return GiftState.SETTLED
        return GiftState(max(self.lines, key=lambda line: line.version).state)

    @property
    def pending(self) -> list[Line]:
        return [line for line in self.lines if line.state == LineState.PENDING]

    @property
    def is_whole(self) -> bool:
        """Whether its lines stand and fall together."""
        return self.mode == "all_or_nothing"

    def line(self, ticket_id: UUID) -> Line:
        """Return the line of this ticket. Raises `OfferUnknown`."""
        for line in self.lines:
            if line.ticket_id == ticket_id:
                return line
        raise OfferUnknown(what="gift offer")

    def chosen(self, ticket_ids: Collection[UUID] | None) -> list[Line]:
        """Return the lines that a command is about; without ids, all of them.

        Raises `GivenWhole` if they cannot be parted, `OfferUnknown` if one is not
        of this gift.
        """
        if ticket_ids is None:
            return list(self.lines)
        require_some(list(ticket_ids))
        lines = [self.line(ticket_id) for ticket_id in ticket_ids]
        if self.is_whole and len(lines) < len(self.lines):
            raise GivenWhole(count=len(self.lines), because=self.names(1))
        return lines

    def concerns(self, party_id: UUID, claim: str | None = None) -> bool:
        """Whether this is the sender or the recipient; for others it is not there.

        Who has accepted some of it needs no claim any more to look at it.
        """
        accepted = any(line.state == LineState.ACCEPTED for line in self.lines)
        if accepted and party_id == self.to_party_id:
            return True
        return party_id == self.sender_id or self._is_bound_to(party_id, claim)

    def require_sender(self, by: UUID) -> None:
        if by != self.sender_id:
            raise NotTheSender(because=self.names(1))

    def require_recipient(self, by: UUID, claim: str | None) -> None:
        """Raise `NotYours` unless it is bound to this party, which has the claim."""
        if not self._is_bound_to(by, claim):
            raise NotYours(because=self.names(1))

    def _is_bound_to(self, party_id: UUID, claim: str | None) -> bool:
        if self.to_party_id not in (None, party_id):
            return False
        if self.claim_hash is None:
            return True
        return claim is not None and hmac.compare_digest(
            claim_digest(claim), self.claim_hash
        )

    def require_pending(self, line: Line) -> None:
        """Raise `GiftOver`, naming the event that ended the line."""
        if line.state != LineState.PENDING:
            raise GiftOver(state=line.state.lower(), because=self.names(line.version))

    # What becomes of its lines. The tickets have been asked before.

    def accept(self, *, moved: Sequence[TitleMoved], by: UUID, at: datetime) -> None:
        """Note that titles moved to `by`, to whom what is left is bound from now on."""
        for each in moved:
            self.require_pending(self.line(each.ticket_id))
        if self.to_party_id not in (None, by):
            raise NotYours(because=self.names(1))
        self.trigger_event(
            self.Accepted,
            timestamp=at,
            sender_id=self.sender_id,
            by_party_id=by,
            lines=[each.as_dict() for each in moved],
        )

    class Accepted(Event):
        TOPIC = "gift.accepted"
        sender_id: UUID
        by_party_id: UUID
        lines: list[dict[str, Any]]

        def apply(self, aggregate: Gift) -> None:
            aggregate.to_party_id = self.by_party_id
            for line in self.lines:
                changes = {**line, "state": LineState.ACCEPTED}
                aggregate._change(line["ticket_id"], self, changes)

    def decline(self, *, ticket_ids: Sequence[UUID], at: datetime) -> None:
        self._end(self.Declined, ticket_ids, at)

    def withdraw(
        self,
        *,
        ticket_ids: Sequence[UUID],
        at: datetime,
        replaced_by: UUID | None = None,
    ) -> None:
        """Note that the sender took lines back, perhaps to offer them to another."""
        self._end(self.Withdrawn, ticket_ids, at, replaced_by=replaced_by)

    def expire(self, *, ticket_ids: Sequence[UUID], at: datetime) -> None:
        """Note that the time of lines was over; commands knew before."""
        self._end(self.Expired, ticket_ids, at)

    def void(self, *, ticket_ids: Sequence[UUID], at: datetime) -> None:
        """Note that tickets were used or have ended, or cannot move without one."""
        self._end(self.Voided, ticket_ids, at)

    def _end(
        self,
        happened: type[Gift._Ended],
        ticket_ids: Sequence[UUID],
        at: datetime,
        **more: object,
    ) -> None:
        for ticket_id in ticket_ids:
            self.require_pending(self.line(ticket_id))
        self.trigger_event(happened, timestamp=at, ticket_ids=list(ticket_ids), **more)

    class _Ended(Event):
        TOPIC = "gift.ended"
        ticket_ids: list[UUID]

        def apply(self, aggregate: Gift) -> None:
            state = {"state": LineState(type(self).__name__.upper())}
            for ticket_id in self.ticket_ids:
                aggregate._change(ticket_id, self, state)

    class Declined(_Ended):
        TOPIC = "gift.declined"

    class Expired(_Ended):
        TOPIC = "gift.expired"

    class Voided(_Ended):
        TOPIC = "gift.voided"

    class Withdrawn(_Ended):
        TOPIC = "gift.withdrawn"
        replaced_by: UUID | None

        def apply(self, aggregate: Gift) -> None:
            super().apply(aggregate)
            aggregate.replaced_by = self.replaced_by or aggregate.replaced_by

    def erase_contact(self, *, at: datetime) -> None:
        """Note that the contact is erased; its key is destroyed right after this."""
        if self.contact_sealed is not None and not self.contact_erased_version:
            self.trigger_event(self.ContactErased, timestamp=at)

    class ContactErased(Event):
        TOPIC = "gift.contact-erased"

        def apply(self, aggregate: Gift) -> None:
            aggregate.contact_erased_version = self.originator_version

    def _change(
        self, ticket_id: UUID, event: Recorded.Event, changes: dict[str, Any]
    ) -> None:
        changes = changes | {"version": event.originator_version}
        self.lines = [
            replace(line, **changes) if line.ticket_id == ticket_id else line
            for line in self.lines
        ]
