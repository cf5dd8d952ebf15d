"""What a party is told: that a gift is offered, that a ticket was sold, and the like.

A notice carries ids and amounts, no names. The view remembers of each ticket only whom
a next event about it concerns: its owner and issuer, the
recipient of an open offer, its card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString, TypeAlias
from uuid import UUID

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from psycopg.types.json import Jsonb

from ledger.aggregates.e_ticket import ETicket, HoldEffect
from ledger.aggregates.gift import Gift
from ledger.projections.base import Projection, Statement, View
from ledger.projections.endings import LIFE_AFTER, Ended

NOTICES_MAX = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that a party is told; `position` orders them."""

    position: int
    kind: str
    ticket_id: UUID
    at: datetime
    detail: dict[str, Any]


class NoticesView(View):
    """The tables `notices` and `notices_tickets`."""

    name = "notices"
    tables = ("notices", "notices_tickets")

    def of_party(
        self, party_id: UUID, *, after: int = 0, limit: int = NOTICES_MAX
    ) -> Sequence[Notice]:
        """Return a party's newest notices, oldest first, that come after a position."""
        rows = self.rows(
            "SELECT position, kind, ticket_id, at, detail FROM notices"
            " WHERE party_id = %s AND position > %s"
            " ORDER BY position DESC, kind DESC LIMIT %s",
            (party_id, after, limit),
        )
        return [Notice(**row) for row in reversed(rows)]


OWNER: LiteralString = "owner_id"
OFFERED_TO: LiteralString = "offered_to"
ISSUER: LiteralString = "issuer_id"

Detail: TypeAlias = dict[str, Any]
OfferEnded: TypeAlias = ETicket.GiftWithdrawn | ETicket.GiftExpired


class Notices(Projection[NoticesView]):
    """Tells owners, recipients and sellers what happened."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO notices_tickets (ticket_id, owner_id, issuer_id)"
                " VALUES (%s, %s, %s)",
                (
                    domain_event.originator_id,
                    domain_event.owner_id,
                    domain_event.issuer_id,
                ),
            ),
        )

    # Gifts.

    @process_event.register
    def _(self, domain_event: ETicket.GiftOffered, tracking: Tracking) -> None:
        """A direct offer is handed over by its sender: its recipient knows."""
        direct = domain_event.via == "direct"
        to = None if direct else domain_event.to_party_id
        detail = {
            "offer_id": str(domain_event.offer_id),
            "terms_hash": domain_event.terms_hash,
            "until": domain_event.until.isoformat(),
        }
        self.view.change(
            tracking,
            _offered(domain_event, to),
            _tell(tracking, domain_event, OFFERED_TO, "gift_offered", detail),
        )

    @process_event.register
    def _(self, domain_event: ETicket.GiftAccepted, tracking: Tracking) -> None:
        detail = {
            "offer_id": str(domain_event.offer_id),
            "owner_id": str(domain_event.owner_id),
        }
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "gift_accepted", detail),
            _tell_if_on_card(tracking, domain_event),
            _moved(domain_event, domain_event.owner_id),
        )

    @process_event.register
    def _(self, domain_event: ETicket.GiftDeclined, tracking: Tracking) -> None:
        detail = {"offer_id": str(domain_event.offer_id)}
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "gift_declined", detail),
            _offer_over(domain_event),
        )

    @process_event.register
    def _(self, domain_event: OfferEnded, tracking: Tracking) -> None:
        expired = isinstance(domain_event, ETicket.GiftExpired)
        kind = "gift_expired" if expired else "gift_withdrawn"
        detail = {"offer_id": str(domain_event.offer_id)}
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, kind, detail),
            _tell(tracking, domain_event, OFFERED_TO, kind, detail),
            _offer_over(domain_event),
        )

    @process_event.register
    def _(self, domain_event: ETicket.GiftSuspended, tracking: Tracking) -> None:
        detail = {"offer_id": str(domain_event.offer_id)}
        self._tell_both(tracking, domain_event, "gift_suspended", detail)

    @process_event.register
    def _(self, domain_event: ETicket.GiftResumed, tracking: Tracking) -> None:
        until = domain_event.until.isoformat()
        detail = {"offer_id": str(domain_event.offer_id), "until": until}
        self._tell_both(tracking, domain_event, "gift_resumed", detail)

    @process_event.register
    def _(self, domain_event: Gift.Accepted, tracking: Tracking) -> None:
        """Where a copy stays on the giver's card, tell both until when it can be used.

        The giver was the owner; of the acceptance itself the tickets' events tell.
        """
        exposed = [line for line in domain_event.lines if line["exposed_until"]]
        both = (domain_event.sender_id, domain_event.by_party_id) if exposed else ()
        told = [_tell_exposed(tracking, domain_event, each, exposed) for each in both]
        self.view.change(tracking, *told)

    def _tell_both(
        self, tracking: Tracking, event: ETicket.Event, kind: str, detail: Detail
    ) -> None:
        """Tell the owner, and who it is offered to."""
        whom = (OWNER, OFFERED_TO)
        told = [_tell(tracking, event, each, kind, detail) for each in whom]
        self.view.change(tracking, *told)

    # Resale.

    @process_event.register
    def _(self, domain_event: ETicket.Listed, tracking: Tracking) -> None:
        detail = {
            "listing_id": str(domain_event.listing_id),
            "price_minor": domain_event.price_minor,
            "until": domain_event.until.isoformat(),
        }
        self.view.change(
            tracking,
            _offered(domain_event, domain_event.to_party_id),
            _tell(tracking, domain_event, OFFERED_TO, "sale_offered", detail),
        )

    @process_event.register
    def _(self, domain_event: ETicket.Repriced, tracking: Tracking) -> None:
        detail = {
            "listing_id": str(domain_event.listing_id),
            "price_minor": domain_event.price_minor,
        }
        told = _tell(tracking, domain_event, OFFERED_TO, "sale_repriced", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.Unlisted, tracking: Tracking) -> None:
        detail = {
            "listing_id": str(domain_event.listing_id),
            "reason": domain_event.reason,
        }
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "unlisted", detail),
            _tell(tracking, domain_event, OFFERED_TO, "unlisted", detail),
            _offer_over(domain_event),
        )

    @process_event.register
    def _(self, domain_event: ETicket.SaleStarted, tracking: Tracking) -> None:
        detail = {"sale_id": str(domain_event.sale_id)}
        told = _tell(tracking, domain_event, OWNER, "sale_started", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.SaleAborted, tracking: Tracking) -> None:
        detail = {"sale_id": str(domain_event.sale_id), "reason": domain_event.reason}
        told = _tell(tracking, domain_event, OWNER, "sale_aborted", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.Resold, tracking: Tracking) -> None:
        detail = {
            "sale_id": str(domain_event.sale_id),
            "price_minor": domain_event.price_minor,
            "split_minor": domain_event.split_minor,
        }
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "sold", detail),
            _tell_if_on_card(tracking, domain_event),
            _moved(domain_event, domain_event.owner_id),
        )

    # Content, cards and use.

    @process_event.register
    def _(self, domain_event: ETicket.Modified, tracking: Tracking) -> None:
        detail = {
            "changes": {name: new for name, (_, new) in domain_event.diff.items()},
            "reason": domain_event.reason,
        }
        stale = domain_event.moves_epoch
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "modified", detail),
            *([_tell_if_on_card(tracking, domain_event)] if stale else []),
        )

    @process_event.register
    def _(
        self, domain_event: ETicket.ModificationRequested, tracking: Tracking
    ) -> None:
        detail = {
            "request_id": str(domain_event.request_id),
            "changes": domain_event.changes,
            "reason": domain_event.reason,
        }
        told = _tell(tracking, domain_event, ISSUER, "modification_requested", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.ModificationRefused, tracking: Tracking) -> None:
        detail = {
            "request_id": str(domain_event.request_id),
            "reason": domain_event.reason,
        }
        told = _tell(tracking, domain_event, OWNER, "modification_refused", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.WrittenToMedium, tracking: Tracking) -> None:
        self.view.change(tracking, _on_card(domain_event, domain_event.medium_uid))

    @process_event.register
    def _(self, domain_event: ETicket.ReleasedFromMedium, tracking: Tracking) -> None:
        self.view.change(tracking, _on_card(domain_event, None))

    @process_event.register
    def _(self, domain_event: ETicket.Dispensed, tracking: Tracking) -> None:
        detail = {"serial": domain_event.serial}
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "dispensed", detail),
            _tell(tracking, domain_event, OFFERED_TO, "offer_void", {}),
            _offer_over(domain_event),
            _on_card(domain_event, None),
        )

    @process_event.register
    def _(self, domain_event: ETicket.DispenseReversed, tracking: Tracking) -> None:
        detail = {"serial": domain_event.serial}
        told = _tell(tracking, domain_event, OWNER, "paper_surrendered", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.PaperReissued, tracking: Tracking) -> None:
        detail = {
            "old_serial": domain_event.old_serial,
            "new_serial": domain_event.new_serial,
        }
        told = _tell(tracking, domain_event, OWNER, "paper_reissued", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.CouponRedeemed, tracking: Tracking) -> None:
        detail = {"receipt": domain_event.receipt, "amount": domain_event.amount}
        told = _tell(tracking, domain_event, OWNER, "coupon_redeemed", detail)
        self.view.change(tracking, told)

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionReversed, tracking: Tracking) -> None:
        detail = {"amount": domain_event.amount, "reason": domain_event.reason}
        told = _tell(tracking, domain_event, OWNER, "redemption_reversed", detail)
        self.view.change(tracking, told)

    # Cases and endings.

    @process_event.register
    def _(self, domain_event: ETicket.Frozen, tracking: Tracking) -> None:
        """A mere flag forbids nothing, so nobody is told of it."""
        case = {"case_id": str(domain_event.case_id)}
        detail = case | {"effects": domain_event.effects}
        flag = set(domain_event.effects) == {HoldEffect.FLAG_ONLY}
        told = _tell(tracking, domain_event, OWNER, "frozen", detail)
        self.view.change(tracking, *([] if flag else [told]))

    @process_event.register
    def _(self, domain_event: ETicket.Unfrozen, tracking: Tracking) -> None:
        self.view.change(tracking, _tell_unfrozen(tracking, domain_event))

    @process_event.register
    def _(self, domain_event: ETicket.Reassigned, tracking: Tracking) -> None:
        detail = {
            "decision_id": str(domain_event.decision_id),
            "owner_id": str(domain_event.owner_id),
        }
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "reassigned", detail),
            _tell(tracking, domain_event, OFFERED_TO, "offer_void", {}),
            _tell_if_on_card(tracking, domain_event),
            _moved(domain_event, domain_event.owner_id),
            _tell(tracking, domain_event, OWNER, "reassigned_to_you", detail),
        )

    @process_event.register
    def _(self, domain_event: Ended, tracking: Tracking) -> None:
        kind = LIFE_AFTER[type(domain_event)].lower()
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, kind, {}),
            _tell(tracking, domain_event, OFFERED_TO, "offer_void", {}),
            _offer_over(domain_event),
            _on_card(domain_event, None),
        )

    @process_event.register
    def _(self, domain_event: ETicket.Reinstated, tracking: Tracking) -> None:
        detail = {"decision_id": str(domain_event.decision_id)}
        self.view.change(
            tracking,
            _tell(tracking, domain_event, OWNER, "reinstated", detail),
            _offer_over(domain_event),
            _on_card(domain_event, None),
        )


def _tell(
    tracking: Tracking,
    event: ETicket.Event,
    whom: LiteralString,
    kind: str,
    detail: Detail,
) -> Statement:
    """Tell the ticket's owner or issuer, or who it is offered to, if anybody."""
    text: LiteralString = (
        "INSERT INTO notices"  # noqa: S608, `whom` is one of three literals
        " (party_id, position, kind, ticket_id, at, detail) SELECT "
        + whom
        + ", %s, %s, ticket_id, %s, %s FROM notices_tickets"
        " WHERE ticket_id = %s AND " + whom + " IS NOT NULL"
    )
    values = (
        tracking.notification_id,
        kind,
        event.timestamp,
        Jsonb(detail),
        event.originator_id,
    )
    return text, values


def _tell_if_on_card(tracking: Tracking, event: ETicket.Event) -> Statement:
    """Tell the owner so far that the copy on a card is stale from now on."""
    return (
        "INSERT INTO notices (party_id, position, kind, ticket_id, at, detail)"
        " SELECT owner_id, %s, 'card_stale', ticket_id, %s,"
        " jsonb_build_object('medium_uid', medium_uid) FROM notices_tickets"
        " WHERE ticket_id = %s AND medium_uid IS NOT NULL",
        (tracking.notification_id, event.timestamp, event.originator_id),
    )


def _tell_exposed(
    tracking: Tracking,
    event: Gift.Accepted,
    party_id: UUID,
    exposed: Sequence[Mapping[str, Any]],
) -> Statement:
    detail = {
        "offer_id": str(event.originator_id),
        "ticket_ids": [str(line["ticket_id"]) for line in exposed],
        "until": max(line["exposed_until"] for line in exposed).isoformat(),
    }
    return (
        "INSERT INTO notices (party_id, position, kind, ticket_id, at, detail)"
        " VALUES (%s, %s, 'old_copy_exposed', %s, %s, %s)",
        (
            party_id,
            tracking.notification_id,
            exposed[0]["ticket_id"],
            event.timestamp,
            Jsonb(detail),
        ),
    )


def _tell_unfrozen(tracking: Tracking, event: ETicket.Unfrozen) -> Statement:
    """Tell the owner that a case forbids nothing any more, if somebody was told so."""
    return (
        "INSERT INTO notices (party_id, position, kind, ticket_id, at, detail)"
        " SELECT owner_id, %s, 'unfrozen', ticket_id, %s,"
        " jsonb_build_object('case_id', %s::text) FROM notices_tickets t"
        " WHERE ticket_id = %s AND EXISTS (SELECT FROM notices n"
        " WHERE n.ticket_id = t.ticket_id AND n.kind = 'frozen'"
        " AND n.detail->>'case_id' = %s)",
        (
            tracking.notification_id,
            event.timestamp,
            str(event.case_id),
            event.originator_id,
            str(event.case_id),
        ),
    )


def _offered(event: ETicket.Event, to: UUID | None) -> Statement:
    return (
        "UPDATE notices_tickets SET offered_to = %s WHERE ticket_id = %s",
        (to, event.originator_id),
    )


def _moved(event: ETicket.Event, owner_id: UUID) -> Statement:
    return (
        "UPDATE notices_tickets SET owner_id = %s, offered_to = NULL,"
        " medium_uid = NULL WHERE ticket_id = %s",
        (owner_id, event.originator_id),
    )


def _offer_over(event: ETicket.Event) -> Statement:
    return (
        "UPDATE notices_tickets SET offered_to = NULL WHERE ticket_id = %s",
        (event.originator_id,),
    )


def _on_card(event: ETicket.Event, medium_uid: str | None) -> Statement:
    return (
        "UPDATE notices_tickets SET medium_uid = %s WHERE ticket_id = %s",
        (medium_uid, event.originator_id),
    )
