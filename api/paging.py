"""Long lists in pages: newest first, from behind the position that was shown last.

Positions of the log do not move, so a page neither repeats nor leaves out what was
there when the first page was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from marshmallow import fields

from api.openapi.fields import Digits, Strict, about
from api.openapi.routes import Json

LIMIT, LIMIT_MAX = 50, 200


class Placed(Protocol):
    """Something that has a position in the log."""

    @property
    def position(self) -> int: ...


_T = TypeVar("_T", bound=Placed)


class PageAsked(Strict):
    """Which page of a list."""

    before = Digits(
        least=1,
        load_default=None,
        metadata=about("`next` of the page before; none: the newest."),
    )
    limit = Digits(least=1, most=LIMIT_MAX, load_default=LIMIT)


class Paged(Strict):
    """A page of a list, newest first."""

    next = fields.Integer(
        allow_none=True, metadata=about("For the next page's `before`; null: none.")
    )


def page(
    asked: Json, name: str, read: Callable[..., Sequence[_T]], **by: Any
) -> dict[str, Any]:
    """Return one page as its answer. `read` takes `before` and `limit`.

    One more than asked for is read, to know whether there is another page.
    """
    found = read(before=asked["before"], limit=asked["limit"] + 1, **by)
    shown = found[: asked["limit"]]
    more = len(found) > len(shown)
    position = shown[-1].position if more else None
    return {name: shown, "next": position}
