"""What a vector gives: bytes as hex text, counters as integers."""

from collections.abc import Mapping
from typing import Any

Values = Mapping[str, Any]


def raw(values: Values, name: str) -> bytes:
    """Return the bytes of a name; none where it is left out."""
    return bytes.fromhex(values.get(name, ""))


def told(found: Values) -> Values:
    """Return what was found as vectors say it."""
    return {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in found.items()
    }
