"""Letters that carry a code, written at sending: the code stands nowhere else."""

from __future__ import annotations

from ledger.adapters.logins import RESET_LIFETIME, Logins
from ledger.adapters.outbox import Notification
from ledger.policies.composing import message_id
from ledger.ports import Destination, Message

_MINUTES = int(RESET_LIFETIME.total_seconds() // 60)
_SAYS = """\
Good day,

somebody, probably you, asked to set a new password for your account. This code sets it,
once, within {minutes} minutes of the asking:

    {code}

If it was not you, do nothing: your password stays as it is. Give the code to nobody.

Reference: {reset_id} of {origin}.
"""


class PasswordReset:
    """The letter that a password is reset by. Implements `sending.Letter`."""

    def __init__(self, logins: Logins, origin: str) -> None:
        self._logins = logins
        self._origin = origin

    def written(self, notification: Notification) -> tuple[Message, Destination] | None:
        address = self._logins.name_of(notification.party_id)
        if address is None:
            return None
        reset_id = notification.about_id
        text = _SAYS.format(
            minutes=_MINUTES,
            code=self._logins.reset_code(reset_id),
            reset_id=reset_id,
            origin=self._origin,
        )
        message = Message(
            message_id=f"{message_id(self._origin, notification)}.{reset_id}",
            subject="Set a new password",
            text=text,
            body=b"",
        )
        return message, Destination(address)
