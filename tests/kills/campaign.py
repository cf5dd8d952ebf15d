"""Kills under load, one after the other; after each all is checked.

    load ──► KILL, at a moment drawn from the seed ──► started again ──► load ──► rest
      ▲                                                                            │
      └───────────── nothing is wrong ◄── checks ◄── all is placed, signed, followed

From the seed come who is killed, when, how the database dies, and what writers ask for.
How the processes interleave comes from the machine, so a seed replays a failure as far
as that lets it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo

from ledger.adapters.embedded_postgres import EmbeddedPostgresError
from ledger.application import Cause
from ledger.bootstrap import open_installation
from ledger.projections.registry import NAMES
from ledger.settings import Settings
from tests.databases import Database
from tests.domain.examples import a_ticket
from tests.kills import checks
from tests.kills.builds import BUILDS, HONEST, Build
from tests.kills.crew import READER, RUNNER, Crew, Ended
from tests.kills.disk import Disk
from tests.kills.journal import Outcome
from tests.kills.server import WAYS, CrashableServer
from tests.kills.waiting import PATIENCE_S, NeverHappened
from tests.kills.writer import SHARED
from tests.log.opened import again

KINDS = ("writer", "sequencer", "runner", "database")
POWER = "power"
"""One more kind, for a server with a disk of its own: the machine's power is cut."""

AFTER = 1_500
"""Bytes of the journals that show that all goes on: five commands."""

_QUIET = """
SELECT size, (SELECT count(*) FROM ledger_inbox) = 0
    AND size = (SELECT count(*) FROM ledger_events) AS placed,
    size = (SELECT max(size) FROM ledger_checkpoints) AS signed,
    (SELECT count(*) FROM projection_tracking WHERE notification_id = size) AS followed
FROM ledger_head
"""
_AT_WORK = """
SELECT EXISTS (SELECT FROM ledger_checkpoints),
    (SELECT count(*) FROM projection_tracking WHERE notification_id > 0)
"""


@dataclass(frozen=True, slots=True)
class Load:
    """How much goes on at once."""

    writers: int = 3
    sequencers: int = 2
    between_max: int = 40_000
    """Bytes of the journals between two kills, at most: 150 commands."""


LIGHT = Load(writers=2, sequencers=1, between_max=4_000)


@dataclass(slots=True)
class Result:
    """What came of a campaign; nothing broken is a success."""

    seed: str
    kills: Counter[str] = field(default_factory=Counter)
    asked: Counter[Outcome] = field(default_factory=Counter)
    found: int = 0
    """Acknowledged commands that are in the log."""

    again: int = 0
    """Commands whose answer was lost, and was had by asking again."""

    events: int = 0
    checkpoints: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return self.asked[Outcome.DONE]


def plan(seed: str, kills: int) -> list[str]:
    """Return who is killed: every kind as often as the others, in some order."""
    kinds = [KINDS[number % len(KINDS)] for number in range(kills)]
    Random(f"{seed}/plan").shuffle(kinds)
    return kinds


def run(
    folder: Path,
    *,
    seed: str,
    kinds: Sequence[str],
    build: str = HONEST,
    server: dict[str, str] | None = None,
    tell: Callable[[str], object] = lambda _: None,
    load: Load = Load(),
    patience_s: float = PATIENCE_S,
) -> Result:
    """Run one campaign in an empty folder; it ends at the first thing broken.

    `server` are PostgreSQL's settings, those of the build before them. `patience_s` is
    the time that the log and the views have to come to rest.
    """
    result, began = Result(seed), time.monotonic()
    its = BUILDS[build]
    settings = {**(server or {}), **its.server}
    with ExitStack() as opened:
        disk = opened.enter_context(Disk(folder)) if POWER in kinds else None
        home = (disk.at if disk else folder) / "postgres"
        postgres = opened.enter_context(CrashableServer(home, settings, disk))
        campaign = Campaign(folder, postgres, Random(seed), its, load)
        campaign.prepare()
        opened.enter_context(campaign.crew)
        try:
            campaign.await_work()
            for kind in kinds:
                tell(campaign.round(kind, result, patience_s))
                if result.broken:
                    break
        except (NeverHappened, Ended) as error:
            result.broken.append(f"stuck: {error}")
            result.broken += campaign.log_is_wrong(result)
        except EmbeddedPostgresError as error:
            result.broken.append(f"server: {error}")
    result.seconds = time.monotonic() - began
    return result


class Campaign:
    """One server, one log, one crew."""

    def __init__(
        self,
        folder: Path,
        server: CrashableServer,
        chance: Random,
        build: Build,
        load: Load,
    ) -> None:
        self._server = server
        self._build = build
        self._chance = chance
        self._load = load
        self._memory = checks.Memory()
        home = folder / "installation"
        home.mkdir()
        self._settings = Settings(database_url=server.url, home=home)
        schema = self._settings.schema
        url = make_conninfo(server.url, options=f"-csearch_path={schema}")
        self._database = Database(url=url, server_url=server.url, schema=schema)
        name = build.name if build.patch else ""
        self.crew = Crew(
            self._settings,
            writers=load.writers,
            sequencers=load.sequencers,
            seed=chance.getrandbits(32),
            build=name,
        )

    def prepare(self) -> None:
        """Make the log, and the tickets that all writers move."""
        with open_installation(self._settings, role=None) as its:
            tickets = [a_ticket(ticket_id=each) for each in SHARED]
            its.ledger.record(*tickets, cause=Cause("campaign"))
        with psycopg.connect(self._database.url) as connection:
            for statement in self._build.sql:
                connection.execute(statement)

    def await_work(self) -> None:
        """Have everybody at work, so that there is something to lose."""
        self.crew.wait_until("a checkpoint is signed, views follow", self._is_at_work)
        self.crew.start_writers()
        self._await_load(AFTER)

    def round(self, kind: str, result: Result, patience_s: float) -> str:
        """Kill once, check all; return what was done, in a line."""
        self._await_load(self._chance.randint(1, self._load.between_max))
        result.kills[kind] += 1
        killed = self._kill(kind)
        self._await_load(AFTER)
        self.crew.rest()
        self.crew.wait_until(
            "all is placed, signed and followed", self._is_quiet, patience_s
        )
        result.broken += self.log_is_wrong(result)
        with again(self._database) as ledger:
            result.broken += checks.of_views(self._database, ledger)
        self.crew.go_on()
        return f"{killed}: {result.acknowledged} acknowledged"

    def log_is_wrong(self, result: Result) -> list[str]:
        """Return what is wrong with the log, and count what there is."""
        with again(self._database) as ledger:
            found = checks.gather(
                self._database, ledger, self.crew.journals(), self.crew.seen()
            )
        asked = found.asked.values()
        there = {event.key for event in found.events}
        done = [each.key for each in asked if each.outcome == Outcome.DONE]
        result.asked = Counter(each.outcome for each in asked)
        result.again = sum(each.again for each in asked)
        result.found = sum(key in there for key in done)
        result.events = len(found.events)
        result.checkpoints = len(found.checkpoints)
        return checks.of_log(found, self._memory)

    def _await_load(self, amount: int) -> None:
        least = self.crew.written() + amount
        self.crew.wait_until("writers go on", lambda: self.crew.written() >= least)

    def _is_at_work(self) -> bool:
        signed, followed = self._ask(_AT_WORK)
        return bool(signed and followed == len(NAMES))

    def _is_quiet(self) -> bool:
        size, placed, signed, followed = self._ask(_QUIET)
        all_follow = followed == len(NAMES) and len(self.crew.seen()) >= size
        return bool(placed and signed and all_follow)

    def _ask(self, query: LiteralString) -> tuple[Any, ...]:
        with psycopg.connect(self._database.url) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row

    def _kill(self, kind: str) -> str:
        """Kill now and start again; return who it was."""
        if kind == POWER:
            self._server.die(POWER)
            return POWER
        if kind == "database":
            way = self._chance.choice(self._build.ways or WAYS)
            self._server.die(way)
            return f"database ({way})"
        names = self._victims(kind)
        for name in names:
            self.crew.kill(name)
        for name in names:
            self.crew.start(name)
        return " and ".join(names)

    def _victims(self, kind: str) -> Sequence[str]:
        if kind == "runner":  # With the other that follows, or without.
            return self._chance.choice([[RUNNER], [RUNNER, READER]])
        if kind == "sequencer":  # One at work or one that stands by, or both.
            all_of_them = self.crew.sequencers
            count = self._chance.choice([1, 1, len(all_of_them)])
            return self._chance.sample(all_of_them, count)
        name, asks = self._chance.choice(self.crew.writers), self._chance.random() < 0.7
        if asks:
            self.crew.wait_until(
                f"{name} waits for an answer",
                lambda: self.crew.waits_for_an_answer(name),
            )
        return [name]
