"""Which jobs there are, and how often each is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ledger.adapters.deadlines import Deadlines
from ledger.adapters.outbox import Outbox
from ledger.adapters.subscriptions import Subscriptions
from ledger.adapters.tracking import Tracking
from ledger.application import Ledger
from ledger.clock import Clock
from ledger.jobs.schedule import GoesOn, Job
from ledger.jobs.tidy import EndingValidity, Tidying
from ledger.policies.deadlines import NotingDeadlines
from ledger.policies.following import Notifying, PolicyFollower
from ledger.policies.sending import Letter, Sender
from ledger.ports import Channel, PaymentProvider, PersonalData, StockDesk
from ledger.projections.runner import Runner
from ledger.projections.wallet import WalletView
from ledger.usecases.tidying import EXPIRING, RESUMING, Tools

SENDERS = 4
"""How many deliveries are under way at once: a slow receiver holds up one."""

KEEP_SETTLED = timedelta(days=30)
CLEAN_MAX = 1_000
LAG_MAX_S = 60.0
LAG_MAX_EVENTS = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the jobs work with."""

    ledger: Ledger
    clock: Clock
    desk: StockDesk
    provider: PaymentProvider
    personal: PersonalData = field(repr=False)
    subscriptions: Subscriptions
    channels: Mapping[str, Channel]
    letters: Mapping[str, Letter]
    origin: str
    new_id: Callable[[], UUID]
    chance: Callable[[], float]
    cleaners: Sequence[Callable[[datetime, int], int]]
    """What else is forgotten in time: each is given now and how much at most."""


def catalogue(its: Parts) -> Sequence[Job]:
    """Return all jobs of one log."""
    datastore = its.ledger.recorder.datastore
    outbox, deadlines = Outbox(datastore), Deadlines(datastore)
    tracking = Tracking(datastore)
    tools = Tools(its.ledger, its.desk, its.provider)
    notify = PolicyFollower(its.ledger, tracking, Notifying(its.ledger, outbox))
    note = PolicyFollower(its.ledger, tracking, NotingDeadlines(deadlines))
    sender = Sender(
        its.ledger,
        outbox,
        its.subscriptions,
        its.personal,
        its.channels,
        its.letters,
        origin=its.origin,
        new_id=its.new_id,
        chance=its.chance,
    )
    expire = Tidying(tools, deadlines, EXPIRING, its.clock, actor="jobs/expire")
    resume = Tidying(tools, deadlines, RESUMING, its.clock, actor="jobs/resume")
    validity = EndingValidity(its.ledger, WalletView(datastore), its.clock)
    runner = Runner(its.ledger)
    return (
        _job(
            "notify", "draw from the log who is to be told what", 1, _all(notify.step)
        ),
        _job("deadlines", "draw from the log what is due when", 2, _all(note.step)),
        _job("send", "send what is in the outbox", 1, _sending(sender, its.clock)),
        _job("expire", "end orders, gifts, listings and leases", 10, expire.work),
        _job("resume", "ask for payments again, pay sellers", 15, resume.work),
        _job("validity", "end tickets that are no longer valid", 300, validity.work),
        _job("views", "see whether the views follow", 30, _watching(runner, its.clock)),
        _job("clean", "forget what is long settled", 3_600, _cleaning(outbox, its)),
    )


def _job(name: str, says: str, every_s: float, work: Callable[[GoesOn], int]) -> Job:
    return Job(name, says, timedelta(seconds=every_s), work)


def _all(step: Callable[[], int]) -> Callable[[GoesOn], int]:
    """Take steps until there is nothing left to do."""

    def work(goes_on: GoesOn) -> int:
        count = 0
        while goes_on() and (taken := step()):
            count += taken
        return count

    return work


def _sending(sender: Sender, clock: Clock) -> Callable[[GoesOn], int]:
    def send(goes_on: GoesOn) -> int:
        count = 0
        while goes_on() and sender.send_next(clock.now) is not None:
            count += 1
        return count

    def work(goes_on: GoesOn) -> int:
        # Mostly there is nothing, or one thing: threads are for when there is more.
        if sender.send_next(clock.now) is None:
            return 0
        with ThreadPoolExecutor(SENDERS) as pool:
            return 1 + sum(pool.map(send, [goes_on] * SENDERS))

    return work


def _watching(runner: Runner, clock: Clock) -> Callable[[GoesOn], int]:
    """Tell of views that stopped, lag or have nobody; return how many those are."""

    def work(_: GoesOn) -> int:
        count = 0
        for each in runner.status(clock.now()):
            lags = (each.lag_s or 0) > LAG_MAX_S or each.lag_events > LAG_MAX_EVENTS
            if each.state == "following" and not lags:
                continue
            count += 1
            _log.warning(
                "view %s is %s at position %s, %s events behind: %s",
                each.name,
                each.state,
                each.position,
                each.lag_events,
                each.error or "no error",
            )
        return count

    return work


def _cleaning(outbox: Outbox, its: Parts) -> Callable[[GoesOn], int]:
    def settled(at: datetime, limit: int) -> int:
        return outbox.clean(before=at - KEEP_SETTLED, limit=limit)

    def work(goes_on: GoesOn) -> int:
        at, count = its.clock.now(), 0
        for clean in (settled, *its.cleaners):
            while goes_on() and (gone := clean(at, CLEAN_MAX)):
                count += gone
                if gone < CLEAN_MAX:
                    break
        return count

    return work
