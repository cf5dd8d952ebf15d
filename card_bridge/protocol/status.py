"""What a card's status says, and what can go wrong between us and the card.

CardError
├── CardRefused             the card answered, and the answer is no
├── AuthenticationFailed    the card, or we, do not hold the key
└── CardFault               the conversation broke
    ├── CardGone            removed, reset, no answer
    ├── UnknownOutcome      ... after a commit was sent: neither done nor failed
    └── IntegrityError      an answer is not what the card sent in this session
"""

from enum import IntEnum
from typing import ClassVar

SW1_NATIVE = 0x91


class Status(IntEnum):
    """SW2 after SW1 = 91; names as in the data sheet (MF2DLHX0, status codes)."""

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
    APPL_INTEGRITY_ERROR = 0xA1
    AUTHENTICATION_ERROR = 0xAE
    ADDITIONAL_FRAME = 0xAF
    BOUNDARY_ERROR = 0xBE
    PICC_INTEGRITY_ERROR = 0xC1
    COMMAND_ABORTED = 0xCA
    PICC_DISABLED_ERROR = 0xCD
    COUNT_ERROR = 0xCE
    DUPLICATE_ERROR = 0xDE
    EEPROM_ERROR = 0xEE
    FILE_NOT_FOUND = 0xF0
    FILE_INTEGRITY_ERROR = 0xF1


class CardError(Exception):
    """Base of all that ends a conversation with a card. `code` is public and stable."""

    code: ClassVar[str] = "card-error"
    says: ClassVar[str] = "The conversation with the card failed."

    def __init__(self) -> None:
        super().__init__(self.says)


class CardRefused(CardError):
    """The card answered with an error status `sw`; its session is over."""

    code = "card-refused"
    says = "The card refused: {reason}."

    def __init__(self, sw: int) -> None:
        self.sw = sw
        known = sw >> 8 == SW1_NATIVE and sw & 0xFF in set(Status)
        self.status: Status | None = Status(sw & 0xFF) if known else None
        reason = self.status.name if self.status is not None else f"status {sw:04X}"
        Exception.__init__(self, self.says.format(reason=reason))


class AuthenticationFailed(CardError):
    code = "card-authentication-failed"
    says = "The card and the system do not hold the same key."


class CardFault(CardError):
    """The conversation broke: what was asked may or may not have been done."""


class CardGone(CardFault):
    code = "card-gone"
    says = "The card was removed, was reset or does not answer."


class UnknownOutcome(CardFault):
    code = "card-outcome-unknown"
    says = "The commit was sent and not confirmed; the next tap settles what happened."


class IntegrityError(CardFault):
    code = "card-answer-damaged"
    says = "An answer is not what the card sent in this session."
