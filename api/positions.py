"""Reading one's own writes: positions in the log, out and in.

A command answers with `Ledger-Position`; a read that carries it as
`At-Least-Position` waits until its view has come that far.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import request

from api.problems import BadFields, ProjectionBehind

LEDGER_POSITION = "Ledger-Position"
AT_LEAST = "At-Least-Position"
WAIT_MAX_S = 5.0
_DIGITS_MAX = 18


def recorded(position: int) -> dict[str, str]:
    """Return the header that tells the position a command reached."""
    return {LEDGER_POSITION: str(position)}


class Waiting:
    """Makes reads wait for their view, but not for long.

    `wait_for(view, position, timeout_s)` returns the position that was reached.
    """

    def __init__(self, wait_for: Callable[[str, int, float], int]) -> None:
        self._wait_for = wait_for

    def before(self, view: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a read that answers from `view`."""

        def decorate(read: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(read)
            def waiting(*args: Any, **kwargs: Any) -> Any:
                wanted = _wanted()
                if wanted:
                    reached = self._wait_for(view, wanted, WAIT_MAX_S)
                    if reached < wanted:
                        raise ProjectionBehind(wanted=wanted, reached=reached)
                return read(*args, **kwargs)

            return waiting

        return decorate


def _wanted() -> int:
    given = request.headers.get(AT_LEAST)
    if given is None:
        return 0
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS_MAX):
        raise BadFields(says=f"{AT_LEAST} is a position in the log, a whole number.")
    return int(given)
