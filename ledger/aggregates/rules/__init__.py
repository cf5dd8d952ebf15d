"""What a verifier holds a history to: for every event, from where it is allowed.

Commands refuse before they record; `apply` refuses nothing. These rules ask a recorded
event, before it is applied, what its command must have asked. Importing this package
sets them (`RULES` in `ledger.aggregates.base`); an event without one is not allowed.
"""

from ledger.aggregates.rules import (
    case,
    gift,
    medium,
    money,
    order,
    registers,
    sale,
    stock,
    ticket_life,
    ticket_titles,
    ticket_uses,
)

__all__ = [
    "case",
    "gift",
    "medium",
    "money",
    "order",
    "registers",
    "sale",
    "stock",
    "ticket_life",
    "ticket_titles",
    "ticket_uses",
]
