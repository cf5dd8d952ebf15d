"""The processes of one campaign: started, killed with signal 9, and started again.

    writers       python -m tests.kills.writer …          several, each with a journal
    sequencers    ledgerctl log publish --with-parent     one works, the other stands by
    runner        ledgerctl projections run --with-parent
    reader        python -m tests.kills.reader …          follows the log by position

Sequencers and runner are what `ledgerctl serve` starts. All end with this process,
however that ends, for their standard input is its pipe.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ledger.settings import Settings
from tests.kills.journal import Asked, read
from tests.kills.reader import Seen, seen
from tests.kills.waiting import PATIENCE_S, NeverHappened, wait_until

ROOT = Path(__file__).parents[2]
RUNNER = "runner"
READER = "reader"
RESTARTS_MAX = 30
PUBLISH = ("log", "publish", "--with-parent")
FOLLOW = ("projections", "run", "--with-parent")


class Ended(Exception):
    """A process of the crew ended that nobody killed; its words are in the message."""


class Crew:
    """Ended by leaving the `with` block."""

    def __init__(
        self,
        settings: Settings,
        *,
        writers: int,
        sequencers: int,
        seed: int,
        build: str = "",
    ) -> None:
        """`build` names a broken build (`builds.py`) that all of them run."""
        assert settings.database_url
        self.home = settings.home
        self.writers = tuple(f"writer-{n}" for n in range(1, writers + 1))
        self.sequencers = tuple(f"sequencer-{n}" for n in range(1, sequencers + 1))
        self._url = settings.database_url
        self._schema = settings.schema
        self._seed = seed
        self._build = build
        self._ended: Counter[str] = Counter()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Crew:
        for name in (*self.sequencers, RUNNER, READER):
            self.start(name)
        return self

    def start_writers(self) -> None:
        for name in self.writers:
            self.start(name)

    def __exit__(self, *_: object) -> None:
        for name in list(self._processes):
            self.kill(name)

    def start(self, name: str) -> None:
        module = self._command(name)
        if self._build:
            module = ["tests.kills.builds", self._build, *module]
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *module],
                cwd=ROOT,
                env={**os.environ, **self._environ()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if name in self.writers else log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def rest(self) -> None:
        """Let all writers finish what is open; they wait for `go_on`."""
        for name in self.writers:
            self._say(name, b"rest\n")
        for name in self.writers:
            self._hear(name)

    def go_on(self) -> None:
        for name in self.writers:
            self._say(name, b"go\n")

    def look_after(self) -> None:
        """Start a helper again that ended, as `ledgerctl serve` does; not for ever.

        One that starts while the database is down ends at once. Raises `Ended` if it
        was too often, or if a writer ended that nobody killed.
        """
        for name, process in list(self._processes.items()):
            if process.poll() is None:
                continue
            self._ended[name] += 1
            if name in self.writers or self._ended[name] > RESTARTS_MAX:
                said = (self.home / f"{name}.log").read_text(errors="replace")
                raise Ended(f"{name} ended by itself: {said[-600:]}")
            self.kill(name)
            self.start(name)

    def seen(self) -> list[Seen]:
        """What the reader has seen, in all its lives."""
        return seen(self._seen)

    def journals(self) -> dict[str, dict[str, Asked]]:
        return {name: read(self._journal(name)) for name in self.writers}

    def written(self) -> int:
        """How much stands in all journals, in bytes: it grows with every command."""
        paths = [self._journal(name) for name in self.writers]
        return sum(path.stat().st_size for path in paths if path.exists())

    def waits_for_an_answer(self, name: str) -> bool:
        """Whether a writer has asked and not been told, as far as its journal says."""
        path = self._journal(name)
        lines = path.read_bytes().splitlines() if path.exists() else []
        return bool(lines) and b'"deed"' in lines[-1]

    def wait_until(
        self, what: str, is_so: Callable[[], object], patience_s: float = PATIENCE_S
    ) -> None:
        """Wait, for as long as everybody lives."""

        def look() -> object:
            self.look_after()
            return is_so()

        wait_until(what, look, patience_s)

    @property
    def _seen(self) -> Path:
        return self.home / "seen"

    def _journal(self, name: str) -> Path:
        return self.home / f"{name}.journal"

    def _command(self, name: str) -> Sequence[str]:
        if name in self.sequencers:
            return ["api.cli", *PUBLISH]
        if name == RUNNER:
            return ["api.cli", *FOLLOW]
        if name == READER:
            return ["tests.kills.reader", self._url, self._schema, str(self._seen)]
        words = self._url, self._schema, str(self.home), name, str(self._seed)
        return ["tests.kills.writer", *words]

    def _environ(self) -> Mapping[str, str]:
        return {
            "LEDGER_DATABASE_URL": self._url,
            "LEDGER_HOME": str(self.home),
            "LEDGER_SCHEMA": self._schema,
            "LEDGER_LOG_LEVEL": "warning",
        }

    def _say(self, name: str, word: bytes) -> None:
        self.look_after()
        pipe = self._processes[name].stdin
        assert pipe is not None
        pipe.write(word)
        pipe.flush()

    def _hear(self, name: str) -> None:
        pipe = self._processes[name].stdout
        assert pipe is not None
        ready, _, _ = select.select([pipe], [], [], PATIENCE_S)
        if not ready:
            raise NeverHappened(f"{name} finishes what is open")
        if pipe.readline() != b"resting\n":
            self._processes[name].wait(PATIENCE_S)
            self.look_after()
