"""The programs' own log: JSON lines on standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.stdlib import BoundLogger


def make_log(level: str) -> BoundLogger:
    """Return a log of JSON lines on standard error."""
    log: BoundLogger = structlog.wrap_logger(
        _Lines(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        context_class=dict,
    )
    return log


class _Lines:
    """Where log lines go: each is one write, so that threads do not mix theirs."""

    def msg(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    debug = info = warning = error = msg
