"""A resale: the tickets, the price, and where the buyer's money stands."""

from ledger.aggregates.sale.sale import Sale
from ledger.aggregates.sale.states import (
    LINES_MAX,
    OPEN,
    PAID_OUT,
    Line,
    LineReturned,
    NotOneSale,
    SaleStands,
    SaleState,
    SaleUnknown,
    ShareExceeded,
)

__all__ = [
    "LINES_MAX",
    "OPEN",
    "PAID_OUT",
    "Line",
    "LineReturned",
    "NotOneSale",
    "Sale",
    "SaleStands",
    "SaleState",
    "SaleUnknown",
    "ShareExceeded",
]
