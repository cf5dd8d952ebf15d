"""Gives positions for writers that do not wait for theirs, and for those that died.

Any number may run: the database lets one work at a time, and the others find nothing
to do. Nothing breaks while none runs, for a writer that waits sequences himself.
"""

from __future__ import annotations

import logging
from threading import Event

from eventsourcing.persistence import InterfaceError, OperationalError

from ledger.log.recorder import LedgerRecorder

IDLE_MIN_S = 0.005
IDLE_MAX_S = 0.025
RETRY_S = 1.0

_log = logging.getLogger(__name__)


class Sequencer:
    """Looks for appends without positions, for as long as it is run."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._recorder = recorder

    def run(self, stop: Event) -> None:
        """Sequence until `stop` is set; wait for a server that went away.

        If that cannot be, `stop` is set for whatever runs beside this, too.
        """
        try:
            self._run(stop)
        finally:
            stop.set()

    def _run(self, stop: Event) -> None:
        idle_s = IDLE_MIN_S
        while not stop.wait(idle_s):
            try:
                given = self._recorder.sequence()
            except (InterfaceError, OperationalError) as error:
                _log.warning("the sequencer lost its way: %s", error)
                stop.wait(RETRY_S)
                continue
            idle_s = IDLE_MIN_S if given else min(idle_s * 2, IDLE_MAX_S)
