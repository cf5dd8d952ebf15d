"""What is sold, at which prices, by which rules, and how its places are laid out."""

from ledger.aggregates.offering.checks import (
    CATEGORY_MAX,
    PLACES_MAX,
    TITLE_MAX,
    Category,
)
from ledger.aggregates.offering.layout import PART_MAX, Block, Part
from ledger.aggregates.offering.offering import Offering
from ledger.aggregates.offering.refusals import (
    BadOffering,
    CategoryUnknown,
    NotOnSale,
    NotTheIssuer,
    OfferingCancelled,
    OfferingOver,
    PlaceUnknown,
)

__all__ = [
    "CATEGORY_MAX",
    "PART_MAX",
    "PLACES_MAX",
    "TITLE_MAX",
    "BadOffering",
    "Block",
    "Category",
    "CategoryUnknown",
    "NotOnSale",
    "NotTheIssuer",
    "Offering",
    "OfferingCancelled",
    "OfferingOver",
    "Part",
    "PlaceUnknown",
]
