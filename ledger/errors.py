"""Refusals: outcomes that the caller can act on.

A concrete refusal lives beside what raises it; here are the four kinds, and those
that several rooms raise. Only a door (HTTP, CLI) knows what a kind means there.
"""

from collections.abc import Sequence
from typing import ClassVar


class Refusal(Exception):
    """Base of all refusals. `code` is public and never changes its meaning."""

    code: ClassVar[str]
    says: ClassVar[str]

    def __init__(self, *, because: Sequence[str] = (), **facts: object) -> None:
        """`facts` fill in `says` and are shown to the caller: nothing secret.

        `because` names the events that decided it, as `stream id/version`.
        """
        super().__init__(self.says.format(**facts))
        self.facts = facts
        self.because = tuple(because)


class Missing(Refusal):
    """What was asked for is not there, or not the caller's to know of."""


class Conflict(Refusal):
    """It cannot happen in the present state; in another it could."""


class Denied(Refusal):
    """This caller may not."""


class Malformed(Refusal):
    """What was sent makes no sense, in whatever state."""


class Unknown(Missing):
    code = "unknown"
    says = "There is no such {what}."


class Overtaken(Conflict):
    code = "overtaken"
    says = "Somebody else changed this at the same moment; please try again."


class RoleMissing(Denied):
    code = "role_missing"
    says = "This needs one of the roles: {roles}."
