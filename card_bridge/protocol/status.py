"""What a card answers when it will not, and the ways a conversation can fail."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Status codes of native commands, SW2 after SW1 = 91 (MF2DLHX0 section 11)."""

    OPERATION_OK = 0x00
    NO_CHANGES = 0x0C
    OUT_OF_EEPROM_ERROR = 0x0E
    ILLEGAL_COMMAND_CODE = 0x1C
    INTEGRITY_ERROR = 0x1E
    NO_SUCH_KEY = 0x40
    LENGTH_ERROR = 0x7E
    PERMISSION_DENIED = 0x9D
    PARAMETER_ERROR = 0x9E
    APPLICATION_NOT_FOUND = 0xA0
    AUTHENTICATION_ERROR = 0xAE
    ADDITIONAL_FRAME = 0xAF
    BOUNDARY_ERROR = 0xBE
    COMMAND_ABORTED = 0xCA
    DUPLICATE_ERROR = 0xDE
    FILE_NOT_FOUND = 0xF0


class CardError(Exception):
    """The conversation with the card failed. `code` is stable."""

    code = "incomplete"


class CardRefused(CardError):
    """The card answered with an error status; its session has ended."""

    def __init__(self, status: int) -> None:
        name = Status(status).name if status in set(Status) else "unknown status"
        super().__init__(f"The card refused with {status:02X} ({name}).")
        self.status = status


class CardGone(CardError):
    """The card was removed or reset, or did not answer, before it could commit."""


class UnknownOutcome(CardError):
    """No answer came after a commit was sent: it may have happened, or not."""

    code = "in_doubt"


class BadAnswer(CardError):
    """The answer's MAC or form is wrong: it is not the card's, or was changed."""

    code = "counterfeit"


class AuthenticationFailed(CardError):
    """The card does not know the key it should: it is not a card of ours."""

    code = "counterfeit"
