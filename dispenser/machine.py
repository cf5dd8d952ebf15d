"""Which motion comes next? A pure table; what a motion does, the station knows.

  IDLE ─ read ─ choose ─ open ─ (ask) ─ lease ─ mark ─ report the mark ─ print ─ report
                                          │      │            │           │
          REFUSED ◄─ nothing happened ────┘      └─ abort ◄───┴───────────┤ not printed
          IN_DOUBT ◄──────────────────────────── nobody can tell ─────────┘

Until the printer moves, calling a job off is always safe: the ledger frees the ticket
and the card's slot is restored at its next tap. Once the printer may have moved nothing
is printed, and nothing called off, before somebody has looked.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    IDLE = "IDLE"
    READING = "READING"
    CHOOSING = "CHOOSING"
    OPENING = "OPENING"
    ASKING = "ASKING"
    LEASING = "LEASING"
    MARKING = "MARKING"
    AUTHORISING = "AUTHORISING"
    PRINTING = "PRINTING"
    REPORTING = "REPORTING"
    ABORTING = "ABORTING"
    DONE = "DONE"
    REFUSED = "REFUSED"
    IN_DOUBT = "IN_DOUBT"


class Happening(StrEnum):
    CARD_LAID = "CARD_LAID"
    DID = "DID"
    QUESTION = "QUESTION"  # The ticket has one, so the person is asked.
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Motion(StrEnum):
    READ_CARD = "READ_CARD"
    CHOOSE_TICKET = "CHOOSE_TICKET"
    OPEN_TICKET = "OPEN_TICKET"
    ASK_PERSON = "ASK_PERSON"
    TAKE_LEASE = "TAKE_LEASE"
    MARK_CARD = "MARK_CARD"
    REPORT_MARK = "REPORT_MARK"
    PRINT = "PRINT"
    REPORT_PRINT = "REPORT_PRINT"
    REPORT_ABORT = "REPORT_ABORT"
    SAY_THANKS = "SAY_THANKS"
    SAY_REFUSED = "SAY_REFUSED"
    SAY_IN_DOUBT = "SAY_IN_DOUBT"


ENDS = frozenset({State.DONE, State.REFUSED, State.IN_DOUBT})

_S, _H, _M = State, Happening, Motion

TABLE: Mapping[tuple[State, Happening], tuple[State, Motion]] = MappingProxyType(
    {
        (_S.IDLE, _H.CARD_LAID): (_S.READING, _M.READ_CARD),
        (_S.READING, _H.DID): (_S.CHOOSING, _M.CHOOSE_TICKET),
        (_S.READING, _H.FAILED): (_S.REFUSED, _M.SAY_REFUSED),
        (_S.CHOOSING, _H.DID): (_S.OPENING, _M.OPEN_TICKET),
        (_S.CHOOSING, _H.FAILED): (_S.REFUSED, _M.SAY_REFUSED),
        (_S.OPENING, _H.DID): (_S.LEASING, _M.TAKE_LEASE),
        (_S.OPENING, _H.QUESTION): (_S.ASKING, _M.ASK_PERSON),
        (_S.OPENING, _H.FAILED): (_S.REFUSED, _M.SAY_REFUSED),
        (_S.ASKING, _H.DID): (_S.LEASING, _M.TAKE_LEASE),
        (_S.ASKING, _H.FAILED): (_S.REFUSED, _M.SAY_REFUSED),
        (_S.LEASING, _H.DID): (_S.MARKING, _M.MARK_CARD),
        (_S.LEASING, _H.FAILED): (_S.REFUSED, _M.SAY_REFUSED),
        (_S.MARKING, _H.DID): (_S.AUTHORISING, _M.REPORT_MARK),
        (_S.MARKING, _H.FAILED): (_S.ABORTING, _M.REPORT_ABORT),
        (_S.AUTHORISING, _H.DID): (_S.PRINTING, _M.PRINT),
        (_S.AUTHORISING, _H.FAILED): (_S.ABORTING, _M.REPORT_ABORT),
        (_S.PRINTING, _H.DID): (_S.REPORTING, _M.REPORT_PRINT),
        (_S.PRINTING, _H.FAILED): (_S.ABORTING, _M.REPORT_ABORT),
        (_S.PRINTING, _H.UNKNOWN): (_S.IN_DOUBT, _M.SAY_IN_DOUBT),
        # The paper is out, or the ticket still the person's; the report is repeated.
        (_S.REPORTING, _H.DID): (_S.DONE, _M.SAY_THANKS),
        (_S.REPORTING, _H.FAILED): (_S.DONE, _M.SAY_THANKS),
        (_S.ABORTING, _H.DID): (_S.REFUSED, _M.SAY_REFUSED),
        (_S.ABORTING, _H.FAILED): (_S.REFUSED, _M.SAY_REFUSED),
    }
)


def after(state: State, happening: Happening) -> tuple[State, Motion]:
    """Return the next state and the motion that belongs to it.

    Raises ValueError for what cannot happen: better to stand still than to print.
    """
    try:
        return TABLE[state, happening]
    except KeyError:
        raise ValueError(f"{happening} cannot happen in {state}") from None
