"""What schemathesis is told of HTTP: a header that nobody knows is passed over."""

from __future__ import annotations

from typing import Any

import schemathesis

_NOBODY_KNOWS = "unknown-property"


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leave out requests whose one fault is an unknown header (RFC 9110, 5.1)."""
    return not any(_NOBODY_KNOWS in name for name in case.headers or ())
