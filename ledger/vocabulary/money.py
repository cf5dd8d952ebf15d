"""Money in integer minor units, and its exact division."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor unit of an ISO 4217 currency (EUR 1.00 is 100)."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(
                f"{self.currency!r} is not a three-letter ISO 4217 currency code"
            )

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.currency} minor units"


def split(amount_minor: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount by weights so that the parts sum to it exactly.

    Largest remainder method: every part is the exact share rounded down, and the
    units left over go to the largest remainders, earlier parts first.
    """
    total = sum(weights)
    if amount_minor < 0 or total <= 0 or min(weights) < 0:
        raise ValueError("an amount and weights of zero or more are needed")
    exact = [Fraction(amount_minor * weight, total) for weight in weights]
    parts = [int(share) for share in exact]
    by_remainder = sorted(
        range(len(parts)), key=lambda i: (exact[i] - parts[i], -i), reverse=True
    )
    for i in by_remainder[: amount_minor - sum(parts)]:
        parts[i] += 1
    return parts
