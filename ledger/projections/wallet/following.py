"""What each event of a ticket changes in its owner's wallet."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString, TypeAlias

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking

from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.projections.base import Projection
from ledger.projections.endings import LIFE_AFTER, Ended
from ledger.projections.wallet.view import WalletView

TitleMoved: TypeAlias = ETicket.GiftAccepted | ETicket.Resold | ETicket.Reassigned
OfferOver: TypeAlias = (
    ETicket.GiftDeclined | ETicket.GiftWithdrawn | ETicket.GiftExpired
)
LeaseOver: TypeAlias = ETicket.DispenseAborted | ETicket.RedemptionReleased
BackToOwned: TypeAlias = ETicket.DispenseReversed | ETicket.Reinstated
# Known to whom they concern by other ways; here they only count.
Counted: TypeAlias = (
    ETicket.Repriced
    | ETicket.ModificationRequested
    | ETicket.ModificationRefused
    | ETicket.DispenseObserved
    | ETicket.RedemptionObserved
    | ETicket.SalePaidOut
)

_LOCKED: LiteralString = "lock_kind = %s, lock_ref = %s, lock_until = %s"
_UNLOCKED: LiteralString = "lock_kind = NULL, lock_ref = NULL, lock_until = NULL"
_FREE: LiteralString = (
    _UNLOCKED + ", offer_id = NULL, offer_until = NULL"
    ", listing_id = NULL, listing_until = NULL"
)
# An offer that stood behind a lease stands again.
_LEASE_OVER: LiteralString = (
    "lock_kind = CASE WHEN offer_id IS NOT NULL THEN 'GIFT' END,"
    " lock_ref = offer_id, lock_until = offer_until"
)
_OFFER_OVER: LiteralString = (
    "offer_id = NULL, offer_until = NULL, lock_kind = NULLIF(lock_kind, 'GIFT'),"
    " lock_ref = CASE WHEN lock_kind <> 'GIFT' THEN lock_ref END,"
    " lock_until = CASE WHEN lock_kind <> 'GIFT' THEN lock_until END"
)
_OFFER_UNTIL: LiteralString = (
    "offer_until = %s,"
    " lock_until = CASE WHEN lock_kind = 'GIFT' THEN %s ELSE lock_until END"
)
_FORM: LiteralString = "form_kind = %s, medium_uid = %s, slot = %s, serial = %s"
_NEXT_EPOCH: LiteralString = "epoch = epoch + 1"
_ELECTRONIC = (str(FormKind.ELECTRONIC), None, None, None)
# A row that does not qualify is no row, and its columns become NULL.
_IF_SPENT: LiteralString = (
    "UPDATE wallet SET"
    " life = CASE WHEN redeemed - reversed = uses_limit THEN 'SPENT' ELSE life END,"
    " (lock_kind, lock_ref, lock_until, offer_id, offer_until, listing_id,"
    " listing_until) = (SELECT lock_kind, lock_ref, lock_until, offer_id, offer_until,"
    " listing_id, listing_until WHERE redeemed - reversed < uses_limit)"
    " WHERE ticket_id = %s"
)


class Wallet(Projection[WalletView]):
    """Follows tickets."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.change(tracking)

    @process_event.register
    def _(self, domain_event: ETicket.Issued, tracking: Tracking) -> None:
        self.view.change(
            tracking,
            (
                "INSERT INTO wallet (ticket_id, offering_id, title, issuer_id, kind,"
                " says, category, owner_id, epoch, life, form_kind, uses_limit,"
                " uses_unit, redeemed, reversed, currency, points_spent,"
                " points_earned, not_before, not_after, question, version)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, %s, %s, %s, %s, 0, 0,"
                " %s, %s, %s, %s, %s, %s, 1)",
                (
                    domain_event.originator_id,
                    domain_event.offering_id,
                    domain_event.title,
                    domain_event.issuer_id,
                    domain_event.kind,
                    domain_event.right,
                    domain_event.category,
                    domain_event.owner_id,
                    str(Life.OWNED),
                    str(FormKind.ELECTRONIC),
                    domain_event.uses_limit,
                    domain_event.uses_unit,
                    domain_event.currency,
                    domain_event.points_spent,
                    domain_event.points_earned,
                    domain_event.not_before,
                    domain_event.not_after,
                    domain_event.question,
                ),
            ),
        )

    @process_event.register
    def _(self, domain_event: Counted, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, "")

    # Title.

    @process_event.register
    def _(self, domain_event: TitleMoved, tracking: Tracking) -> None:
        changes = "owner_id = %s, " + _FORM + ", " + _FREE + ", " + _NEXT_EPOCH
        values = (domain_event.owner_id, *_ELECTRONIC)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.GiftOffered, tracking: Tracking) -> None:
        offer = (domain_event.offer_id, domain_event.until)
        changes = _LOCKED + ", offer_id = %s, offer_until = %s"
        values = (str(LockKind.GIFT), *offer, *offer)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: OfferOver, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _OFFER_OVER)

    @process_event.register
    def _(self, domain_event: ETicket.GiftSuspended, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _OFFER_UNTIL, (None, None))

    @process_event.register
    def _(self, domain_event: ETicket.GiftResumed, tracking: Tracking) -> None:
        until = domain_event.until
        self.view.update(tracking, domain_event, _OFFER_UNTIL, (until, until))

    @process_event.register
    def _(self, domain_event: ETicket.Listed, tracking: Tracking) -> None:
        listing = (domain_event.listing_id, domain_event.until)
        changes = _LOCKED + ", listing_id = %s, listing_until = %s"
        values = (str(LockKind.LISTING), *listing, *listing)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.Unlisted, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _FREE)

    @process_event.register
    def _(self, domain_event: ETicket.SaleStarted, tracking: Tracking) -> None:
        lock = (str(LockKind.SETTLEMENT), domain_event.sale_id, None)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.SaleAborted, tracking: Tracking) -> None:
        changes: LiteralString = (
            "lock_kind = 'LISTING', lock_ref = listing_id, lock_until = listing_until"
        )
        self.view.update(tracking, domain_event, changes)

    @process_event.register
    def _(self, domain_event: ETicket.ExchangeStarted, tracking: Tracking) -> None:
        lock = (str(LockKind.EXCHANGE), domain_event.exchange_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.ExchangeAborted, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _UNLOCKED)

    # Content, holds and endings.

    @process_event.register
    def _(self, domain_event: ETicket.Modified, tracking: Tracking) -> None:
        new = {field: after for field, (_, after) in domain_event.diff.items()}
        changes: LiteralString = (
            "says = COALESCE(%s, says), title = COALESCE(%s, title),"
            " category = CASE WHEN %s THEN %s ELSE category END,"
            " not_before = COALESCE(%s, not_before),"
            " not_after = COALESCE(%s, not_after), epoch = epoch + %s"
        )
        times = [
            datetime.fromisoformat(time) if (time := new.get(field)) else None
            for field in ("not_before", "not_after")
        ]
        said = (new.get("right"), new.get("title"))
        category = ("category" in new, new.get("category"))
        values = (*said, *category, *times, int(domain_event.moves_epoch))
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.Frozen, tracking: Tracking) -> None:
        case = (domain_event.originator_id, domain_event.case_id, domain_event.kind)
        insert: LiteralString = (
            "INSERT INTO wallet_holds VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
        )
        effects = [(insert, (*case, effect)) for effect in domain_event.effects]
        self.view.update(tracking, domain_event, "", (), *effects)

    @process_event.register
    def _(self, domain_event: ETicket.Unfrozen, tracking: Tracking) -> None:
        released = (
            "DELETE FROM wallet_holds WHERE ticket_id = %s AND case_id = %s",
            (domain_event.originator_id, domain_event.case_id),
        )
        self.view.update(tracking, domain_event, "", (), released)

    @process_event.register
    def _(self, domain_event: Ended, tracking: Tracking) -> None:
        changes = "life = %s, " + _FORM + ", " + _FREE
        values = (str(LIFE_AFTER[type(domain_event)]), *_ELECTRONIC)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: BackToOwned, tracking: Tracking) -> None:
        changes = "life = %s, " + _FORM + ", " + _NEXT_EPOCH
        values = (str(Life.OWNED), *_ELECTRONIC)
        self.view.update(tracking, domain_event, changes, values)

    # Media.

    @process_event.register
    def _(self, domain_event: ETicket.MediumWritePrepared, tracking: Tracking) -> None:
        lock = (str(LockKind.CARD_WRITE), domain_event.write_id, None)
        changes = _LOCKED + ", " + _NEXT_EPOCH
        self.view.update(tracking, domain_event, changes, lock)

    @process_event.register
    def _(self, domain_event: ETicket.MediumWriteAborted, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _UNLOCKED + ", " + _NEXT_EPOCH)

    @process_event.register
    def _(self, domain_event: ETicket.WrittenToMedium, tracking: Tracking) -> None:
        # The write that binds ends the lock it held; a refresh leaves locks alone.
        changes = _FORM + (
            ", (lock_kind, lock_ref, lock_until) = (SELECT lock_kind, lock_ref,"
            " lock_until WHERE (lock_kind, lock_ref) <> ('CARD_WRITE', %s))"
        )
        place = (domain_event.medium_uid, domain_event.slot, None)
        values = (str(FormKind.ON_MEDIUM), *place, domain_event.write_id)
        self.view.update(tracking, domain_event, changes, values)

    @process_event.register
    def _(self, domain_event: ETicket.ReleasedFromMedium, tracking: Tracking) -> None:
        changes = _FORM + ", " + _NEXT_EPOCH
        self.view.update(tracking, domain_event, changes, _ELECTRONIC)

    # Paper.

    @process_event.register
    def _(self, domain_event: ETicket.DispenseStarted, tracking: Tracking) -> None:
        lock = (str(LockKind.DISPENSE), domain_event.job_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.PrintAuthorised, tracking: Tracking) -> None:
        lock = (str(LockKind.DISPENSE), domain_event.job_id, None)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: LeaseOver, tracking: Tracking) -> None:
        self.view.update(tracking, domain_event, _LEASE_OVER)

    @process_event.register
    def _(self, domain_event: ETicket.Dispensed, tracking: Tracking) -> None:
        changes = "life = %s, " + _FORM + ", " + _FREE + ", " + _NEXT_EPOCH
        form = (str(FormKind.PAPER), None, None, domain_event.serial)
        self.view.update(tracking, domain_event, changes, (str(Life.DISPENSED), *form))

    @process_event.register
    def _(self, domain_event: ETicket.PaperReissued, tracking: Tracking) -> None:
        form = (str(FormKind.PAPER), None, None, domain_event.new_serial)
        self.view.update(tracking, domain_event, _FORM + ", " + _NEXT_EPOCH, form)

    # Uses.

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionStarted, tracking: Tracking) -> None:
        lock = (str(LockKind.REDEMPTION), domain_event.session_id, domain_event.until)
        self.view.update(tracking, domain_event, _LOCKED, lock)

    @process_event.register
    def _(self, domain_event: ETicket.CouponRedeemed, tracking: Tracking) -> None:
        # One that was made while the line was down leaves another one's lease alone.
        changes: LiteralString = (
            "redeemed = redeemed + %s, (lock_kind, lock_ref, lock_until) = (SELECT"
            " CASE WHEN NOT mine THEN lock_kind WHEN offer_id IS NOT NULL THEN 'GIFT'"
            " END, CASE WHEN mine THEN offer_id ELSE lock_ref END,"
            " CASE WHEN mine THEN offer_until ELSE lock_until END"
            " FROM (SELECT (lock_kind, lock_ref) IS NOT DISTINCT FROM"
            " ('REDEMPTION', %s) AS mine) its)"
        )
        values = (domain_event.amount, domain_event.session_id)
        spent = (_IF_SPENT, (domain_event.originator_id,))
        self.view.update(tracking, domain_event, changes, values, spent)

    @process_event.register
    def _(self, domain_event: ETicket.RedemptionReversed, tracking: Tracking) -> None:
        values = (domain_event.amount,)
        self.view.update(tracking, domain_event, "reversed = reversed + %s", values)
