"""How a rule is said: what an event needs of its aggregate as it was before.

    @rule(ETicket.Voided)
    def voided(ticket: ETicket, event: ETicket.Voided) -> None:
        ticket.require_owned()                              # the command's own guard
        check(ticket.title_version == 1, "it was passed on")

A rule asks the guards of the command that records the event, with what the event says;
only what a command makes sure of by how it fills in the event is said here again. It
changes nothing, and knows one stream alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from ledger.aggregates.base import RULES, NotAllowed, Rule

_R = TypeVar("_R", bound=Rule)


def rule(*kinds: type) -> Callable[[_R], _R]:
    """Make this what events of these classes need. A class has one rule."""

    def keep(needs: _R) -> _R:
        for kind in kinds:
            assert kind not in RULES, kind
            RULES[kind] = needs
        return needs

    return keep


def always(*kinds: type) -> None:
    """Say that such an event needs nothing of its own stream."""
    rule(*kinds)(_anything)


def in_state(*states: str) -> Rule:
    """Return the rule of an aggregate whose state alone decides."""

    def needs(before: Any, _: Any) -> None:
        require_state(before, *states)

    return needs


def require_state(before: Any, *states: str) -> None:
    if before.state not in states:
        raise NotAllowed(f"the state is {before.state}, not {' or '.join(states)}")


def check(holds: object, otherwise: str) -> None:
    """Raise `NotAllowed` with the reason unless it holds."""
    if not holds:
        raise NotAllowed(otherwise)


def check_distinct(named: Collection[object], what: str) -> None:
    """At least one, and none twice."""
    if not 0 < len(set(named)) == len(named):
        raise NotAllowed(f"{what} are missing, or named twice")


def _anything(_before: Any, _event: Any) -> None:
    """Nothing is asked."""
