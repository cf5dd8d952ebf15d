"""Why an offering does not let something happen."""

from __future__ import annotations

from ledger.errors import Conflict, Denied, Malformed


class PlaceUnknown(Malformed):
    code = "unknown"
    says = "The offering has no place {place}."


class CategoryUnknown(Malformed):
    code = "unknown"
    says = "The offering has no price category {category}; it has {categories}."


class NotOnSale(Conflict):
    code = "expired"
    says = "The offering is on sale from {sale_from} until {sale_until}."


class OfferingOver(Conflict):
    code = "no_longer_valid"
    says = "What is offered was valid until {valid_until}."


class OfferingCancelled(Conflict):
    code = "revoked"
    says = "The offering was cancelled: {reason}."


class NotTheIssuer(Denied):
    code = "not_owner"
    says = "Only the issuer of an offering may change it."


class BadOffering(Malformed):
    code = "malformed"
    says = "{says}"
