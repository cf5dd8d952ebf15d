"""What a ticket's use needs: on a medium, printed, redeemed, here or off the line."""

from __future__ import annotations

from datetime import datetime

from ledger.aggregates.e_ticket import ETicket, FormKind, Life, LockKind
from ledger.aggregates.e_ticket.core import use_of
from ledger.aggregates.e_ticket.dispensing import check_serial
from ledger.aggregates.e_ticket.states import Binding, HoldEffect
from ledger.aggregates.rules.kernel import check, rule
from ledger.aggregates.rules.ticket import (
    require_free,
    require_lock,
    require_not_held,
    require_settled,
)

# ---- on a medium


@rule(ETicket.MediumWritePrepared)
def write_prepared(ticket: ETicket, event: ETicket.MediumWritePrepared) -> None:
    require_free(ticket, event.timestamp)
    require_not_held(ticket, use_of(ticket.kind))
    check(ticket.form.kind == FormKind.ELECTRONIC, "it stands on a medium")
    check(event.epoch == ticket.epoch + 1, "it is not the next epoch")


@rule(ETicket.WrittenToMedium)
def written(ticket: ETicket, event: ETicket.WrittenToMedium) -> None:
    """First where it was prepared; a refresh, where it stands."""
    check(ticket.life == Life.OWNED, f"its life is {ticket.life}")
    check(event.epoch == ticket.epoch, "it is not the current epoch")
    here = ticket.form.is_at(event.medium_uid, event.slot)
    if ticket._is_writing(event.write_id):
        here = ticket.binding == Binding(event.write_id, event.medium_uid, event.slot)
    check(here, "it is not written there")


@rule(ETicket.MediumWriteAborted)
def write_aborted(ticket: ETicket, event: ETicket.MediumWriteAborted) -> None:
    require_lock(ticket, LockKind.CARD_WRITE, event.write_id)


@rule(ETicket.ReleasedFromMedium)
def released(ticket: ETicket, event: ETicket.ReleasedFromMedium) -> None:
    """By a write that cleared its slot, or recalled: from no machine that has it."""
    check(ticket.life == Life.OWNED, f"its life is {ticket.life}")
    here = ticket.form.is_at(event.medium_uid, event.slot)
    check(here, "it does not stand there")
    check(event.write_id or ticket.lease is None, "a machine still has it")


def _require_usable(
    ticket: ETicket,
    event: ETicket.DispenseStarted | ETicket.RedemptionStarted,
    epoch: int,
    effect: HoldEffect,
) -> None:
    """Asks the machine's own guard, which ends nothing here: that was done before."""
    require_settled(ticket, event.timestamp)
    ticket._require_usable(epoch, event.medium_uid, event.slot, effect, event.timestamp)


# ---- on paper


@rule(ETicket.DispenseStarted)
def dispense_started(ticket: ETicket, event: ETicket.DispenseStarted) -> None:
    check(ticket.kind == "admission", "it is no admission")
    _require_usable(ticket, event, event.expected_epoch, HoldEffect.NO_DISPENSE)


@rule(ETicket.PrintAuthorised)
def print_authorised(ticket: ETicket, event: ETicket.PrintAuthorised) -> None:
    ticket.require_owned()
    require_not_held(ticket, HoldEffect.NO_DISPENSE)
    at = event.timestamp
    ticket._require_lock(LockKind.DISPENSE, event.job_id, "dispense job", at)
    check(ticket.print_serial is None, "a print was authorised before")
    _check_new_serial(ticket, event.serial)


@rule(ETicket.DispenseAborted)
def dispense_aborted(ticket: ETicket, event: ETicket.DispenseAborted) -> None:
    require_lock(ticket, LockKind.DISPENSE, event.job_id)


@rule(ETicket.Dispensed)
def dispensed(ticket: ETicket, event: ETicket.Dispensed) -> None:
    """As it was authorised; without a job, off the line, from a copy that counts."""
    ticket.require_owned()
    check(ticket.kind == "admission", "it is no admission")
    if event.job_id is not None:
        at = event.timestamp
        ticket._require_lock(LockKind.DISPENSE, event.job_id, "dispense job", at)
        ticket._require_lease(event.device_id)
        check(event.serial == ticket.print_serial, "that paper was not authorised")
        return
    check(event.device_seq is not None, "no machine has reported it")
    check(ticket.print_serial in (None, event.serial), "another paper is in doubt")
    recalled = ticket.recalled_version == ticket.epoch_version
    here = ticket.form.kind == FormKind.ON_MEDIUM or recalled
    check(here, "no copy of it was current")
    check(event.serial not in ticket.observed, "it was observed before")
    _check_new_serial(ticket, event.serial)


@rule(ETicket.DispenseObserved)
def dispense_observed(ticket: ETicket, event: ETicket.DispenseObserved) -> None:
    check(event.serial not in ticket.observed, "it was observed before")
    check(event.serial != ticket.form.serial, "it is the ticket's own paper")


@rule(ETicket.DispenseReversed)
def dispense_reversed(ticket: ETicket, event: ETicket.DispenseReversed) -> None:
    ticket._require_paper(event.serial)


@rule(ETicket.PaperReissued)
def paper_reissued(ticket: ETicket, event: ETicket.PaperReissued) -> None:
    ticket._require_paper(event.old_serial)
    if event.decision_id is None:
        require_not_held(ticket, HoldEffect.NO_DISPENSE)
    check(event.new_serial != event.old_serial, "it is the same paper")
    _check_new_serial(ticket, event.new_serial)


def _check_new_serial(ticket: ETicket, serial: str) -> None:
    check_serial(serial)
    check(serial not in ticket.dead_serials, "that serial is dead for ever")


# ---- redeemed


@rule(ETicket.RedemptionStarted)
def redemption_started(ticket: ETicket, event: ETicket.RedemptionStarted) -> None:
    check(ticket.kind == "coupon", "it is no coupon")
    _require_usable(ticket, event, ticket.epoch, HoldEffect.NO_REDEEM)
    check(1 <= event.amount <= ticket.uses.left, "so much of it is not left")


@rule(ETicket.RedemptionReleased)
def redemption_released(ticket: ETicket, event: ETicket.RedemptionReleased) -> None:
    require_lock(ticket, LockKind.REDEMPTION, event.session_id)


@rule(ETicket.CouponRedeemed)
def coupon_redeemed(ticket: ETicket, event: ETicket.CouponRedeemed) -> None:
    """As it was leased; off the line, no more than nobody has leased."""
    ticket.require_owned()
    _check_new_session(ticket, event)
    lease = ticket.lease
    if event.device_seq is not None:
        check(ticket.kind == "coupon", "it is no coupon")
        left = ticket.uses.left - (0 if lease is None else lease.amount)
        check(1 <= event.amount <= left, "so much of it is not left")
        return
    require_not_held(ticket, HoldEffect.NO_REDEEM)
    at: datetime = event.timestamp
    ticket._require_lock(LockKind.REDEMPTION, event.session_id, "redemption", at)
    ticket._require_lease(event.device_id)
    assert lease is not None
    leased = (lease.receipt or "", lease.amount)
    check((event.receipt, event.amount) == leased, "it is not what was leased")


@rule(ETicket.RedemptionReversed)
def redemption_reversed(ticket: ETicket, event: ETicket.RedemptionReversed) -> None:
    check(str(event.reversal_id) not in ticket.reversals, "that was reversed before")
    done = ticket.redemptions.get(str(event.session_id))
    left = 0 if done is None else done.amount - done.reversed
    check(1 <= event.amount <= left, "so much was not redeemed")
    if event.decision_id is None or ticket.life != Life.SPENT:
        ticket._require_not_terminal()


@rule(ETicket.RedemptionObserved)
def redemption_observed(ticket: ETicket, event: ETicket.RedemptionObserved) -> None:
    _check_new_session(ticket, event)


def _check_new_session(
    ticket: ETicket, event: ETicket.CouponRedeemed | ETicket.RedemptionObserved
) -> None:
    session = str(event.session_id)
    check(session not in ticket.redemptions, "the session has redeemed before")
    check(session not in ticket.observed, "the session was observed before")
