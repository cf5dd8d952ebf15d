"""The programs' own log: JSON lines on standard error."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TypeAlias

import structlog
from structlog.stdlib import BoundLogger

_Raised: TypeAlias = structlog.typing.ExcInfo


def make_log(level: str) -> BoundLogger:
    """Return a log of JSON lines on standard error."""
    log: BoundLogger = structlog.wrap_logger(
        _Lines(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_where),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        context_class=dict,
    )
    return log


def _where(exc_info: _Raised) -> str:
    """Return what was raised and where, without its words: those quote what was asked.

    First what was raised last, then what it came of.
    """
    told: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        kind = type(error)
        told.append(f"{kind.__module__}.{kind.__qualname__}\n")
        told += traceback.format_tb(error.__traceback__)
        came_of = None if error.__suppress_context__ else error.__context__
        error = error.__cause__ or came_of
    return "".join(told)


class _Lines:
    """Where log lines go: each is one write, so that threads do not mix theirs."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = msg
