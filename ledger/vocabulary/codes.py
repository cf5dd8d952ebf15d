"""Words that many rooms share: verdicts on a medium, roles, questions to a holder."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

# For so long a machine may not have reported what it did without the line: a card that
# is ahead of the ledger is waited for, and an old copy may still be taken.
OFFLINE_HORIZON_S = 24 * 3600


class Verdict(StrEnum):
    """What a presented medium is, judged against the ledger."""

    FRESH = "FRESH"
    STALE = "STALE"
    ROLLBACK = "ROLLBACK"
    FORK = "FORK"
    CLONE = "CLONE"
    COUNTERFEIT = "COUNTERFEIT"
    AHEAD = "AHEAD"
    IN_DOUBT = "IN_DOUBT"
    AMBIGUOUS = "AMBIGUOUS"


# What the person in front of the machine reads.
VERDICT_SAYS: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.FRESH: "The card is up to date.",
        Verdict.STALE: (
            "The ticket has changed since this card was last updated;"
            " tap the card at a user terminal to refresh it."
        ),
        Verdict.ROLLBACK: (
            "The card shows an older state than it has already reached;"
            " it is not accepted, please see the transaction centre."
        ),
        Verdict.FORK: (
            "The card's contents were not written by this ledger;"
            " it is not accepted, please see the transaction centre."
        ),
        Verdict.CLONE: (
            "The card carries the contents of another card;"
            " it is not accepted, please see the transaction centre."
        ),
        Verdict.COUNTERFEIT: "The card is not known here or not genuine.",
        Verdict.AHEAD: (
            "Another machine used this card and has not reported yet;"
            " please try again in a few minutes."
        ),
        Verdict.IN_DOUBT: (
            "An earlier update of this card was interrupted;"
            " tap the card at the terminal where that happened to finish it."
        ),
        Verdict.AMBIGUOUS: "Several tickets are valid here and now; choose one.",
    }
)


class Role(StrEnum):
    """What a bearer token may be used as."""

    BUYER = "buyer"
    ISSUER = "issuer"
    DISPENSER = "dispenser"
    SHOP = "shop"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    TERMINAL = "terminal"
    PERSONALISER = "personaliser"


class Question(IntEnum):
    """What a holder can be asked. The number stands on the card, the text does not."""

    DATE_OF_BIRTH = 1
    FAMILY_NAME = 2
    POSTCODE = 3
    PHONE_LAST_FOUR = 4

    @property
    def text(self) -> str:
        return _QUESTION_TEXTS[self]


_QUESTION_TEXTS: Mapping[Question, str] = MappingProxyType(
    {
        Question.DATE_OF_BIRTH: "Date of birth (DDMMYYYY)?",
        Question.FAMILY_NAME: "Family name?",
        Question.POSTCODE: "Postcode?",
        Question.PHONE_LAST_FOUR: "Last four digits of the phone number?",
    }
)
