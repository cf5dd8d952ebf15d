"""What a ticket's beginning, content, holds and end need, and what gives it back."""

from __future__ import annotations

from typing import get_args

from ledger.aggregates.base import is_over
from ledger.aggregates.e_ticket import ETicket, LockKind
from ledger.aggregates.e_ticket.content import REQUESTS_MAX
from ledger.aggregates.e_ticket.holds import LEASED_FOR
from ledger.aggregates.e_ticket.states import TERMINAL, HoldEffect, UsesUnit
from ledger.aggregates.rules.kernel import check, rule
from ledger.aggregates.rules.ticket import (
    require_free,
    require_lock,
    require_not_held,
    require_settled,
    require_unlocked,
)
from ledger.vocabulary.sealed_ticket import Kind


@rule(ETicket.Issued)
def issued(_: None, event: ETicket.Issued) -> None:
    kinds, units = get_args(Kind), get_args(UsesUnit)
    check(event.kind in kinds and event.uses_unit in units, "there is no such right")
    check(event.uses_limit >= 1, "it could never be used")
    check(event.kind == "coupon" or event.uses_limit == 1, "an admission has one use")
    check(event.not_before < event.not_after, "its period ends before it begins")
    check(min(event.price_minor, event.fees_minor) >= 0, "its price is negative")
    check(min(event.points_spent, event.points_earned) >= 0, "its points are negative")
    check(event.group_size >= 1, "its group has no ticket")


# ---- content


@rule(ETicket.Modified)
def modified(ticket: ETicket, event: ETicket.Modified) -> None:
    ticket.require_owned()
    require_settled(ticket, event.timestamp)
    check(
        ticket.lock.kind in (LockKind.NONE, LockKind.GIFT),
        f"the lock is {ticket.lock.kind}",
    )
    changes = {field: new for field, (_, new) in event.diff.items()}
    found = ticket._diff(changes)
    check(found and found == event.diff, "it is not what it changes")
    check(event.terms_version == ticket.terms.version, "the terms were others")
    if event.request_id is not None:
        check(str(event.request_id) in ticket.requests, "nobody asked for it")
    # The first version did not say who changed it: the issuer.
    if event.by_party_id not in (None, ticket.issuer_id):
        check(event.by_party_id == ticket.owner_id, "who changed it has no part in it")
        check(set(changes) <= set(ticket.terms.modifiable), "the owner may not")
        require_free(ticket, event.timestamp)


@rule(ETicket.ModificationRequested)
def modification_requested(
    ticket: ETicket, event: ETicket.ModificationRequested
) -> None:
    check(event.by_party_id == ticket.owner_id, "who asks is not its owner")
    require_free(ticket, event.timestamp)
    check(ticket._diff(event.changes), "nothing would change")
    check(len(ticket.requests) < REQUESTS_MAX, "too many requests are waiting")


@rule(ETicket.ModificationRefused)
def modification_refused(ticket: ETicket, event: ETicket.ModificationRefused) -> None:
    request = ticket.requests.get(str(event.request_id))
    asked_by = None if request is None else request.by_party_id
    check(asked_by, "nobody asked for it")
    check(event.by_party_id in (asked_by, ticket.issuer_id), "it was not his to refuse")


# ---- holds


@rule(ETicket.Frozen)
def frozen(ticket: ETicket, event: ETicket.Frozen) -> None:
    effects = set(event.effects)
    check(effects and effects <= set(HoldEffect), "there are no such effects")
    require_settled(ticket, event.timestamp)
    for hold in ticket.holds:
        same = (hold.case_id, hold.kind) == (event.case_id, event.kind)
        check(not (same and effects <= set(hold.effects)), "the case holds it so")
    for effect, leased in LEASED_FOR.items():
        taken = effect in effects and ticket.lock.kind == leased
        check(not taken or ticket.print_serial, "a machine still has it")


@rule(ETicket.Unfrozen)
def unfrozen(ticket: ETicket, event: ETicket.Unfrozen) -> None:
    held = any(hold.case_id == event.case_id for hold in ticket.holds)
    check(held, "the case holds nothing of it")


# ---- endings


@rule(ETicket.ExchangeStarted)
def exchange_started(ticket: ETicket, event: ETicket.ExchangeStarted) -> None:
    require_free(ticket, event.timestamp)
    ticket._require_exchange_not_held()
    ticket._require_deadline(event.until, event.timestamp)
    check(ticket.terms.exchangeable, "its terms do not let it be exchanged")
    check(ticket.uses.redeemed == ticket.uses.reversed, "some of it was used")


@rule(ETicket.ExchangeAborted)
def exchange_aborted(ticket: ETicket, event: ETicket.ExchangeAborted) -> None:
    require_lock(ticket, LockKind.EXCHANGE, event.exchange_id)


@rule(ETicket.Exchanged)
def exchanged(ticket: ETicket, event: ETicket.Exchanged) -> None:
    at = event.timestamp
    ticket.require_owned()
    ticket._require_lock(LockKind.EXCHANGE, event.exchange_id, "exchange", at)
    ticket._require_exchange_not_held()
    ticket._require_in_validity(at)


@rule(ETicket.Refunded)
def refunded(ticket: ETicket, event: ETicket.Refunded) -> None:
    """By policy of a ticket that is free; a decision takes it from everybody."""
    ticket.require_owned()
    require_settled(ticket, event.timestamp)
    check(event.amount_minor >= 0, "it takes money")
    if event.decision_id is None:
        require_not_held(ticket, HoldEffect.NO_REFUND, HoldEffect.NO_TITLE)
        require_unlocked(ticket)
    ticket._require_interruptible()


@rule(ETicket.Voided)
def voided(ticket: ETicket, _: ETicket.Voided) -> None:
    require_unlocked(ticket)
    require_not_held(ticket, HoldEffect.NO_REFUND, HoldEffect.NO_TITLE)
    check(ticket.uses.redeemed == ticket.uses.reversed, "some of it was used")
    check(not ticket.dead_serials, "it was on paper")
    check(ticket.title_version == 1, "it was passed on")


@rule(ETicket.Revoked)
def revoked(ticket: ETicket, event: ETicket.Revoked) -> None:
    ticket._require_not_terminal()
    ticket._require_interruptible()
    check(event.decision_id or event.reason.strip(), "who revokes it says why")


@rule(ETicket.Expired)
def expired(ticket: ETicket, event: ETicket.Expired) -> None:
    ticket.require_owned()
    check(is_over(ticket.not_after, event.timestamp), "its validity is not over")
    require_not_held(ticket, *HoldEffect)
    require_settled(ticket, event.timestamp)
    kept = ticket.lock.kind in (LockKind.SETTLEMENT, LockKind.CARD_WRITE)
    check(not kept, f"the lock is {ticket.lock.kind}")
    ticket._require_interruptible()


@rule(ETicket.Reinstated)
def reinstated(ticket: ETicket, event: ETicket.Reinstated) -> None:
    check(ticket.life in TERMINAL, f"its life is {ticket.life}")
    check(ticket.uses.left > 0, "nothing of it is left")
    check(event.reverses_version == ticket.life_version, "another event ended it")
    undone = event.reverses_version in ticket.reversed_versions
    check(not undone, "that was reversed before")
