"""Ids that are computed: the same thing has the same id wherever it is asked for."""

from uuid import UUID, uuid5

# RFC 9562 version 5 names below one namespace of our own.
_NAMESPACE = UUID("5f0d9f3a-7a52-5c55-9d0c-6a1b8f2f1c11")


def medium_id(uid: bytes) -> UUID:
    """Return the stream id of the medium with this unique id."""
    return uuid5(_NAMESPACE, f"medium/{uid.hex()}")


def account_id(party_id: UUID, kind: str, currency: str) -> UUID:
    """Return the id of a party's account of one kind in one currency."""
    return uuid5(_NAMESPACE, f"account/{party_id}/{kind}/{currency}")


def expiry_entry_id(account: UUID, version: int) -> UUID:
    """Return the id of the entry by which points of an account expire."""
    return uuid5(_NAMESPACE, f"account/{account}/expiry/{version}")


def card_entry_id(medium: UUID, transaction_counter: int) -> UUID:
    """Return the id of the entry that one transaction of a card's purse makes."""
    return uuid5(_NAMESPACE, f"medium/{medium}/purse/{transaction_counter}")


def payment_id(purpose_id: UUID) -> UUID:
    """Return the id of the card payment for one order or sale."""
    return uuid5(_NAMESPACE, f"payment/{purpose_id}")


def retry_id(order_id: UUID, number: int) -> UUID:
    """Return what an order's payment is for after so many that failed."""
    return uuid5(_NAMESPACE, f"order/{order_id}/retry/{number}") if number else order_id


def line_ticket_id(order_id: UUID, line: int) -> UUID:
    """Return the id of the ticket that is issued for one line of an order."""
    return uuid5(_NAMESPACE, f"order/{order_id}/ticket/{line}")


def order_entry_id(order_id: UUID, step: str) -> UUID:
    """Return the id of an entry that one step of an order brings about."""
    return uuid5(_NAMESPACE, f"order/{order_id}/entry/{step}")


def refused_refund_id(refund_id: UUID) -> UUID:
    """Return the id of the entry by which money that a card refused goes elsewhere."""
    return uuid5(_NAMESPACE, f"refused-refund/{refund_id}")


def sale_entry_id(sale_id: UUID, step: str) -> UUID:
    """Return the id of the entry that one step of a sale makes."""
    return uuid5(_NAMESPACE, f"sale/{sale_id}/{step}")


def allotment_id(offering_id: UUID, number: int) -> UUID:
    """Return the id of one part of an offering's stock; numbers begin at 1."""
    return uuid5(_NAMESPACE, f"allotment/{offering_id}/{number}")


def allowance_id(offering_id: UUID, party_id: UUID) -> UUID:
    """Return the id of what counts a party's share of an offering."""
    return uuid5(_NAMESPACE, f"allowance/{offering_id}/{party_id}")


def waiting_list_id(offering_id: UUID) -> UUID:
    """Return the id of an offering's waiting list."""
    return uuid5(_NAMESPACE, f"waiting-list/{offering_id}")


def promise_id(list_id: UUID, version: int) -> UUID:
    """Return the id of the promise that a waiting list makes at one version."""
    return uuid5(_NAMESPACE, f"promise/{list_id}/{version}")


def contact_id(offer_id: UUID) -> UUID:
    """Return the id under which the contact of a gift's recipient is sealed."""
    return uuid5(_NAMESPACE, f"gift/{offer_id}/contact")


def paper_id(serial: str) -> UUID:
    """Return the stream id of the sheet of paper with this serial."""
    return uuid5(_NAMESPACE, f"paper/{serial}")


def receipt_id(shop_id: UUID, receipt: str) -> UUID:
    """Return the stream id of a shop's receipt, whichever coupon it redeems."""
    return uuid5(_NAMESPACE, f"receipt/{shop_id}/{receipt}")


def fact_id(device_id: UUID, device_seq: int, digest: str = "") -> UUID:
    """Return the id of what a machine did without the line.

    `digest` tells apart what a machine says under a number that it has used before.
    """
    return uuid5(_NAMESPACE, f"fact/{device_id}/{device_seq}/{digest}")


def case_id(kind: str, key: str) -> UUID:
    """Return the id of the case that is opened of itself about one matter."""
    return uuid5(_NAMESPACE, f"case/{kind}/{key}")


def step_id(scope: UUID, number: int) -> UUID:
    """Return the id of what one step of a case's execution brings about."""
    return uuid5(_NAMESPACE, f"case/{scope}/step/{number}")


def mandate_id(issuer_id: UUID, seller_id: UUID) -> UUID:
    """Return the id of a seller's mandate from one issuer."""
    return uuid5(_NAMESPACE, f"mandate/{issuer_id}/{seller_id}")


def elsewhere_id(seller_id: UUID, reference: str) -> UUID:
    """Return the id of a sale that a seller registers under a reference of his."""
    return uuid5(_NAMESPACE, f"elsewhere/{seller_id}/{reference}")


def compensation_id(ticket_id: UUID, version: int) -> UUID:
    """Return the id of the one entry that makes good the loss of a title in money."""
    return uuid5(_NAMESPACE, f"compensation/{ticket_id}/{version}")


def imported_ticket_id(batch_id: UUID, reference: str) -> UUID:
    """Return the id of the ticket that a batch issues for a reference."""
    return uuid5(_NAMESPACE, f"batch/{batch_id}/ticket/{reference}")


def imported_party_id(batch_id: UUID, reference: str) -> UUID:
    """Return the id of the party that a batch registers for a reference."""
    return uuid5(_NAMESPACE, f"batch/{batch_id}/party/{reference}")


def batch_id(offering_id: UUID, digest: str) -> UUID:
    """Return the id of the batch that issues these rows, if nobody gave it another."""
    return uuid5(_NAMESPACE, f"batch/{offering_id}/{digest}")


def part_id(whole_id: UUID, number: int) -> UUID:
    """Return the id of one part of what was asked for under one id."""
    return uuid5(_NAMESPACE, f"part/{whole_id}/{number}")


def short(some_id: UUID) -> str:
    """Return the first eight hex digits, enough for people to tell ids apart."""
    return some_id.hex[:8]
