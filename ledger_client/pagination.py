"""Long lists, page by page: each page tells what the next one is asked by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ledger_client.problems import Json, Unreachable

PAGES_MAX = 10_000
"""A list that has more pages is asked for with a narrower question."""

BEFORE = "before"
NEXT = "next"


def lines(
    get: Callable[[Mapping[str, Any]], Json],
    name: str,
    *,
    query: Mapping[str, Any] | None = None,
) -> Iterator[Any]:
    """Yield the members of the list `name`, over all its pages, as they are needed.

    `get` asks for one page by its query. Raises what it raises, and `Unreachable` if
    what comes is no page or the pages do not end.
    """
    asked = dict(query or {})
    for _ in range(PAGES_MAX):
        page = get(asked)
        found, following = page.get(name), page.get(NEXT)
        if not isinstance(found, list):
            raise Unreachable(f"The answer holds no list of {name}.")
        yield from found
        if following is None:
            return
        if following == asked.get(BEFORE):
            raise Unreachable(f"The list of {name} leads back to where it was.")
        asked[BEFORE] = following
    raise Unreachable(f"The list of {name} has more than {PAGES_MAX} pages.")
