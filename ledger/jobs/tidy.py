"""Tidying up: what time has ended is shown, what was left half done goes on.

One thing that cannot be tidied does not stop the others: it is looked at again later,
less and less often, and says why.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from ledger.adapters.deadlines import DeadlineKind, Deadlines, Due
from ledger.application import Cause, Ledger
from ledger.clock import Clock
from ledger.errors import Refusal
from ledger.jobs.schedule import GoesOn
from ledger.projections.wallet import WalletView
from ledger.usecases import expiry
from ledger.usecases.tidying import Tidy, Tools

BATCH_MAX = 100
RETRY_MIN_S = 30.0
RETRY_MAX_S = 3_600.0

_log = logging.getLogger(__name__)


class Tidying:
    """Looks at what is due among some kinds of deadlines."""

    def __init__(
        self,
        tools: Tools,
        deadlines: Deadlines,
        kinds: Mapping[DeadlineKind, Tidy],
        clock: Clock,
        *,
        actor: str,
    ) -> None:
        self._tools = tools
        self._deadlines = deadlines
        self._kinds = kinds
        self._clock = clock
        self._cause = Cause(actor=actor)

    def work(self, goes_on: GoesOn) -> int:
        """Look at everything that is due; return how much that was."""
        at, count = self._clock.now(), 0
        while goes_on():
            found = self._deadlines.due(self._kinds, at=at, limit=BATCH_MAX)
            for due in found:
                if not goes_on():
                    return count
                self._look_at(due, at)
                count += 1
            if len(found) < BATCH_MAX:
                break
        return count

    def _look_at(self, due: Due, at: datetime) -> None:
        wait_s = min(RETRY_MIN_S * 2 ** min(due.tries, 20), RETRY_MAX_S)
        later = at + timedelta(seconds=wait_s)
        try:
            again_at = self._kinds[due.kind](self._tools, due.about_id, at, self._cause)
        except Refusal as refusal:
            self._deadlines.put_off(due, until=later, said=f"{refusal.code}: {refusal}")
        except Exception as error:  # noqa: BLE001
            # One that trips over a bug must not keep the others from their turn.
            _log.exception("%s %s cannot be tidied", due.kind, due.about_id)
            said = f"{type(error).__name__}: {error}"
            self._deadlines.put_off(due, until=later, said=said)
        else:
            # Never due again at once, whatever is asked for: the round has an end.
            again_at = again_at and max(again_at, at + timedelta(seconds=RETRY_MIN_S))
            self._deadlines.done(due, again_at=again_at)


class EndingValidity:
    """Expires tickets whose validity is over."""

    def __init__(self, ledger: Ledger, wallet: WalletView, clock: Clock) -> None:
        self._ledger = ledger
        self._wallet = wallet
        self._clock = clock

    def work(self, goes_on: GoesOn) -> int:
        """Expire what can be; return how many tickets that were."""
        at, count = self._clock.now(), 0
        after: tuple[datetime, UUID] | None = None
        while goes_on():
            found = self._wallet.over(at=at, after=after, limit=BATCH_MAX)
            if not found:
                break
            after = found[-1]
            done = expiry.expire_due(
                self._ledger,
                ticket_ids=[ticket_id for _, ticket_id in found],
                at=at,
                cause=Cause(actor="jobs/validity"),
            )
            count += len(done.expired)
        return count
