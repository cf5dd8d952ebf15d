"""The dispenser in the story: its own program, with its own folder and its own line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from card_bridge.virtual import VirtualCard
from ledger.vocabulary.codes import Verdict
from tests.story.world import World

PROGRAM = (sys.executable, "-m", "dispenser.cli")
PAPERS = 50
TIMEOUT_S = 60
EXPECTED = (0, 2, 3)


@dataclass(frozen=True, slots=True)
class Presented:
    """What the machine did with a card, as its program reported it."""

    state: str
    code: str | None
    says: str
    verdict: Verdict | None
    serial: str | None
    print_code: str | None
    files: tuple[Path, ...]
    screens: str


def present(world: World, card: VirtualCard, *, answer: str) -> Presented:
    """Lay a card on the dispenser's reader, and answer its question."""
    device = world.machine("dispenser")
    home = _home(world)
    path = home / "presented-card.json"
    with world.field.presented(card, path) as lying:
        said = _run(
            world, "present", str(device.device_id), "--answer", answer,
            *lying.options, environment=dict(lying.environment),
        )  # fmt: skip
    if said.returncode not in EXPECTED:
        raise AssertionError(f"dispenserctl: {said.returncode}\n{said.stderr}")
    facts = json.loads(said.stdout.splitlines()[-1])
    return Presented(
        state=facts["state"],
        code=facts["code"],
        says=facts["says"],
        verdict=Verdict(facts["verdict"]) if facts["verdict"] else None,
        serial=facts["serial"],
        print_code=facts["print_code"],
        files=tuple(Path(name) for name in facts["files"]),
        screens=said.stderr,
    )


def _home(world: World) -> Path:
    """Set the machine up: its key pair, and paper in its tray."""
    home = world.folder / "dispenser"
    if not (home / "stock.json").exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copytree(world.keys_of("dispenser"), home, dirs_exist_ok=True)
        filled = _run(world, "stock", "--add", str(PAPERS), "--prefix", "T1")
        assert filled.returncode == 0, filled.stderr
    return home


def _run(
    world: World,
    *arguments: str,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "--json", *arguments],
        env={
            **os.environ,
            "DISPENSER_HOME": str(world.folder / "dispenser"),
            "DISPENSER_SERVER": world.server.url,
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
