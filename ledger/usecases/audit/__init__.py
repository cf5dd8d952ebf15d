"""What an auditor asks: the history of a ticket, and how things stood at any moment.

    book      events by position: the log, or (exported) an export of it
    moments   a position or a time, looked up in the log
    telling   every event about a ticket: what, when, who, why
    owning    who owned it when
    states    everything that it was at a moment
    differing what changed between two moments
    whole     the log itself at a moment

Nothing here is written, opened or proven: `ledgerctl log verify` proves.
"""

from ledger.usecases.audit.book import Book, LogBook
from ledger.usecases.audit.differing import (
    Change,
    Happened,
    TicketDiff,
    between,
    changed,
    diff,
    happened,
)
from ledger.usecases.audit.exported import BadExport, ExportBook
from ledger.usecases.audit.moments import NOW, Moment, When, when_of
from ledger.usecases.audit.owning import (
    TITLE_EVENTS,
    OwnerAt,
    OwnerLine,
    owner_at,
    owners,
)
from ledger.usecases.audit.states import (
    PARTS,
    TicketAsOf,
    as_of,
    plain,
    stream_at,
    streams_at,
    ticket_at,
)
from ledger.usecases.audit.telling import HistoryLine, history, stream_history
from ledger.usecases.audit.whole import LogAsOf, log_as_of

__all__ = [
    "NOW",
    "PARTS",
    "TITLE_EVENTS",
    "BadExport",
    "Book",
    "Change",
    "ExportBook",
    "Happened",
    "HistoryLine",
    "LogAsOf",
    "LogBook",
    "Moment",
    "OwnerAt",
    "OwnerLine",
    "TicketAsOf",
    "TicketDiff",
    "When",
    "as_of",
    "between",
    "changed",
    "diff",
    "happened",
    "history",
    "log_as_of",
    "owner_at",
    "owners",
    "plain",
    "stream_at",
    "stream_history",
    "streams_at",
    "ticket_at",
    "when_of",
]
