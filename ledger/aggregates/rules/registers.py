"""What the small streams need: parties, machines, papers, receipts, mandates, grants.

Many have an id that is computed from what they are of, so that the log itself holds
one of them at most: a serial on two papers would be two streams with one id.
"""

from __future__ import annotations

from ledger.aggregates.base import is_over
from ledger.aggregates.device import Device, Rights
from ledger.aggregates.e_ticket.dispensing import check_serial
from ledger.aggregates.grant import Grant
from ledger.aggregates.mandate import Mandate, require_percent
from ledger.aggregates.offline_fact import OfflineFact
from ledger.aggregates.paper import Paper
from ledger.aggregates.party import Party
from ledger.aggregates.receipt import Receipt
from ledger.aggregates.registered_sale import RegisteredSale
from ledger.aggregates.rules.kernel import always, check, check_distinct, rule
from ledger.vocabulary.ids import (
    elsewhere_id,
    fact_id,
    mandate_id,
    paper_id,
    receipt_id,
)

# ---- parties and machines

always(Party.Registered, Device.Enrolled)


@rule(Party.ErasureRequested)
def erasure_requested(party: Party, _: Party.ErasureRequested) -> None:
    check(not party.erasure_requested_version, "it was asked for before")


@rule(Party.Erased)
def erased(party: Party, _: Party.Erased) -> None:
    check(party.erasure_requested_version, "nobody asked for it")
    check(not party.erased_version, "it was erased before")


@rule(Device.Delegated)
def delegated(device: Device, event: Device.Delegated) -> None:
    device._require_trusted()
    rights = Rights(
        None if event.issuers is None else tuple(event.issuers),
        None if event.offerings is None else tuple(event.offerings),
        event.offline,
        event.serial_prefix,
    )
    check(rights != device.rights, "nothing would change")


@rule(Device.Revoked)
def revoked(device: Device, _: Device.Revoked) -> None:
    check(not device.revoked_version, "it was revoked before")


# ---- what a machine prints, and what it reports


@rule(Paper.Numbered)
def numbered(_: None, event: Paper.Numbered) -> None:
    check_serial(event.serial)
    named = paper_id(event.serial)
    check(event.originator_id == named, "this serial has another stream")


@rule(OfflineFact.Reported)
def reported(_: None, event: OfflineFact.Reported) -> None:
    check(event.kind in ("dispensed", "redeemed"), "there is no such fact")
    seq, digest = event.device_seq, event.digest
    named = {fact_id(event.device_id, seq), fact_id(event.device_id, seq, digest)}
    check(event.originator_id in named, "this fact has another stream")


# ---- receipts


@rule(Receipt.Shown)
def shown(_: None, event: Receipt.Shown) -> None:
    named = receipt_id(event.shop_id, event.receipt)
    check(event.originator_id == named, "this receipt has another stream")


@rule(Receipt.Claimed)
def claimed(receipt: Receipt, event: Receipt.Claimed) -> None:
    receipt._require_not_redeemed()
    claim = receipt.claim
    free = claim is None or is_over(claim.until, event.timestamp)
    check(free, "another session has it")


@rule(Receipt.Released)
def released(receipt: Receipt, event: Receipt.Released) -> None:
    claim = receipt.claim
    has = claim is not None and claim.session_id == event.session_id
    check(has, "the session does not have it")


@rule(Receipt.Redeemed)
def redeemed(receipt: Receipt, _: Receipt.Redeemed) -> None:
    receipt._require_not_redeemed()


# ---- grants, mandates, sales elsewhere


@rule(Grant.Given)
def given(_: None, event: Grant.Given) -> None:
    check_distinct(event.ticket_ids, "tickets")


@rule(Mandate.Granted)
def granted(_: None, event: Mandate.Granted) -> None:
    named = mandate_id(event.issuer_id, event.seller_id)
    check(event.originator_id == named, "this mandate has another stream")
    check(event.issuer_id != event.seller_id, "an issuer needs no mandate of his own")
    require_percent(event.commission_percent)


@rule(Mandate.Renewed)
def renewed(mandate: Mandate, event: Mandate.Renewed) -> None:
    require_percent(event.commission_percent)
    same = event.commission_percent == mandate.commission_percent
    check(not (mandate.in_force and same), "nothing would change")


@rule(Mandate.Withdrawn)
def withdrawn(mandate: Mandate, _: Mandate.Withdrawn) -> None:
    mandate.require_in_force()


@rule(RegisteredSale.Registered)
def registered(_: None, event: RegisteredSale.Registered) -> None:
    named = elsewhere_id(event.seller_id, event.reference)
    check(event.originator_id == named, "this reference has another stream")
    check_distinct(event.ticket_ids, "tickets")
    kept = 0 <= event.commission_minor <= event.price_minor
    check(kept, "the seller keeps more than he took")


@rule(RegisteredSale.Cancelled)
def cancelled(sale: RegisteredSale, _: RegisteredSale.Cancelled) -> None:
    sale.require_standing()
