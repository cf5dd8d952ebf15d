"""`dispenserctl` as somebody at the machine runs it: here, or as a process apart."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from card_bridge.virtual import VirtualCard
from card_bridge.virtual.store import save
from dispenser.cli import main
from tests.dispenser.theatre import Theatre

# The program has a clock of its own, so its tickets are valid at any time.
ALWAYS = {"valid_from": "2001-01-01T00:00:00Z", "valid_until": "2190-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


def _run_apart(arguments: list[str], environment: dict[str, str]) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "dispenser.cli", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def _run_here(arguments: list[str], environment: dict[str, str]) -> Said:
    out, err, code = io.StringIO(), io.StringIO(), "0"
    with pytest.MonkeyPatch.context() as world:
        world.setattr(sys, "argv", ["dispenserctl", *arguments])
        world.setattr(sys, "stdin", io.StringIO())
        for name, value in environment.items():
            world.setenv(name, value)
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = str(ended.code)
    return Said(int(code), out.getvalue(), err.getvalue())


@dataclass
class Desk:
    """A machine's folder, and its program."""

    theatre: Theatre
    home: Path
    device_id: str
    token: str

    apart: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DISPENSER_HOME": str(self.home),
            "DISPENSER_SERVER": self.theatre.url,
            "DISPENSER_TOKEN": self.token,
        }

    def run(self, *arguments: str | Path, **environment: str) -> Said:
        """Run the program: here, or `apart` as a process, which takes longer."""
        wanted = {**self.environment, **environment}
        words = [str(argument) for argument in arguments]
        return (_run_apart if self.apart else _run_here)(words, wanted)

    def present(self, card: VirtualCard, *answers: str, **environment: str):
        """Present a card by its file; return what was said, and the card after it."""
        path = self.home / "card.json"
        save(card.snapshot(), path)
        typed = [part for answer in answers for part in ("--answer", answer)]
        said = self.run(
            "--json", "present", self.device_id, "--virtual", "--card-file", path,
            *typed, **environment,
        )  # fmt: skip
        card.restore(VirtualCard.load(path).snapshot())
        facts = json.loads(said.stdout) if said.stdout else {}
        return said.returncode, facts, said.stderr
