"""A seller's mandate and his registered sale: who may sell, and one reference is one.

Planted and caught: a withdrawn mandate that still counts; a sale cancelled twice.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from ledger.aggregates.mandate import BadMandate, Mandate, MandateEnded, NotMandated
from ledger.aggregates.registered_sale import (
    BadReference,
    ReferenceReused,
    RegisteredSale,
    SaleCancelled,
)
from ledger.vocabulary.ids import elsewhere_id, mandate_id
from tests.domain.examples import ALICE, ISSUER, NOON, OFFERING, TICKET

SELLER, OTHER = UUID(int=31), UUID(int=32)


def a_mandate(**given):
    said: dict[str, Any] = {
        "mandate_id": mandate_id(ISSUER, SELLER),
        "issuer_id": ISSUER,
        "seller_id": SELLER,
        "commission_percent": 5,
    }
    return Mandate.grant(**(said | given), at=NOON)


def a_sale(**given):
    said: dict[str, Any] = {
        "sale_id": elsewhere_id(SELLER, "S-1"),
        "seller_id": SELLER,
        "reference": "S-1",
        "digest": "aa",
        "issuer_id": ISSUER,
        "offering_id": OFFERING,
        "purchaser_id": ALICE,
        "ticket_ids": [TICKET],
        "price_minor": 4_000,
        "commission_minor": 200,
        "currency": "EUR",
        "entry_id": UUID(int=33),
    }
    return RegisteredSale.register(**(said | given), at=NOON)


def test_a_mandate_holds_until_it_is_withdrawn_and_again_once_renewed():
    mandate = a_mandate()
    mandate.require_in_force()
    mandate.withdraw(at=NOON)
    with pytest.raises(NotMandated) as refused:
        mandate.require_in_force()
    assert refused.value.because == (f"{mandate.id}/2",)
    with pytest.raises(MandateEnded):
        mandate.withdraw(at=NOON)
    mandate.renew(commission_percent=7, at=NOON)
    mandate.require_in_force()
    assert mandate.commission_percent == 7


def test_renewing_what_is_in_force_as_it_is_records_nothing():
    mandate = a_mandate()
    mandate.renew(commission_percent=5, at=NOON)
    assert mandate.version == 1


@pytest.mark.parametrize(
    "wrong",
    [{"commission_percent": 101}, {"commission_percent": -1}, {"seller_id": ISSUER}],
)
def test_a_mandate_makes_sense(wrong):
    with pytest.raises(BadMandate):
        a_mandate(**wrong)


def test_one_reference_of_one_seller_is_one_sale():
    assert elsewhere_id(SELLER, "S-1") == elsewhere_id(SELLER, "S-1")
    assert elsewhere_id(SELLER, "S-1") != elsewhere_id(OTHER, "S-1")
    sale = a_sale()
    sale.require_same("aa")
    with pytest.raises(ReferenceReused) as refused:
        sale.require_same("bb")
    assert refused.value.because == (f"{sale.id}/1",)


def test_a_sale_is_cancelled_once_and_says_by_which_event():
    sale = a_sale()
    sale.cancel(reason="returned", entry_id=None, at=NOON)
    with pytest.raises(SaleCancelled) as refused:
        sale.cancel(reason="again", entry_id=None, at=NOON)
    assert refused.value.because == (f"{sale.id}/2",)


@pytest.mark.parametrize("reference", ["", "-x", "a b", "x" * 65, "ä1"])
def test_a_reference_is_a_short_plain_word(reference):
    with pytest.raises(BadReference):
        a_sale(reference=reference)
