"""`make kills`: a long campaign, power cuts, and broken builds that must be caught.

    make kills ARGS="--seed 7 --kills 100"
    make kills ARGS="--seed 7 --chapter 3"      one chapter again
    make kills ARGS="--seed 7 --build head-later"
    make kills ARGS="--kills 0 --power 20 --build honest"

A chapter has a server and a log of its own, and ten kills: so its log stays short, all
of it is checked after each, and a failure is tried again without those before it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import SystemRandom

from tests.kills.builds import BUILDS, HONEST
from tests.kills.campaign import POWER, Result, plan, run
from tests.kills.disk import can_be_had

CHAPTER = 10
CONTROL_KILLS_MAX = 30
CONTROL_PATIENCE_S = 20.0
SENTENCE_MAX = 120


def main() -> int:
    """Print what was done; return 0 if nothing was lost and all builds were caught."""
    wanted = argparse.ArgumentParser(prog="make kills", description=__doc__)
    wanted.add_argument("--seed", default=str(SystemRandom().randrange(10**6)))
    wanted.add_argument("--kills", type=int, default=50)
    wanted.add_argument("--power", type=int, default=5, help="so many power cuts")
    wanted.add_argument("--chapter", type=int, help="this one alone")
    wanted.add_argument("--build", choices=sorted(BUILDS), help="this one alone")
    given = wanted.parse_args()
    say(f"seed {given.seed}")
    well = True
    if given.build in (None, HONEST) and given.kills:
        well = chapters(given.seed, given.kills, given.chapter)
    with tempfile.TemporaryDirectory(prefix="eticket-kills-") as folder:
        power = can_be_had(Path(folder))
    if not power:
        say("power cuts   not tried: it takes root, and leave to mount an image")
    elif given.build in (None, HONEST) and given.chapter is None:
        well = power_cuts(given.seed, given.power) and well
    if given.build != HONEST and given.chapter is None:
        names = [given.build] if given.build else list(BUILDS)
        names = [each for each in names if power or POWER not in BUILDS[each].kinds]
        missed = [each for each in names if not caught(given.seed, each)]
        well = well and not missed
    return 0 if well else 1


def chapters(seed: str, kills: int, only: int | None) -> bool:
    """Run the chapters of the campaign; say whether nothing was broken."""
    kinds = plan(seed, kills)
    parts = [kinds[at : at + CHAPTER] for at in range(0, kills, CHAPTER)]
    whole = Result(seed)
    for number, part in enumerate(parts, 1):
        if only not in (None, number):
            continue
        say(f"chapter {number}")
        folder = a_folder()
        its = run(folder, seed=f"{seed}/{number}", kinds=part, tell=indented)
        add(whole, its)
        if its.broken:
            say(f'Again: make kills ARGS="--seed {seed} --chapter {number}"')
            say(f"What is left of it is in {folder}")
            break
        shutil.rmtree(folder)
    report(whole)
    return not whole.broken


def power_cuts(seed: str, count: int) -> bool:
    """Cut the power of the server's disk; say whether nothing was broken."""
    say("power cuts")
    folder, kinds = a_folder(), [POWER] * count
    its = run(folder, seed=f"{seed}/power", kinds=kinds, tell=indented)
    shutil.rmtree(folder)
    report(its)
    return not its.broken


def caught(seed: str, name: str) -> bool:
    """Run a broken build until it is caught; say whether it was."""
    if name == HONEST:
        return True
    build = BUILDS[name]
    kinds = [build.kinds[n % len(build.kinds)] for n in range(CONTROL_KILLS_MAX)]
    folder = a_folder()
    its = run(
        folder,
        seed=f"{seed}/{name}",
        kinds=kinds,
        build=name,
        patience_s=CONTROL_PATIENCE_S,
    )
    shutil.rmtree(folder)
    kills = its.kills.total()
    if its.broken:
        say(f"caught   {name} after {kills} kills: {build.says}")
        for sort, sentence in first_of_each(its.broken).items():
            more = sum(each.startswith(f"{sort}:") for each in its.broken) - 1
            say(f"         {sentence}" + f" (and {more} more)" * (more > 0))
    else:
        say(f"MISSED   {name} in {kills} kills: {build.says}")
    return bool(its.broken)


def first_of_each(broken: list[str]) -> dict[str, str]:
    """Return the first sentence of each sort; the sort is its first word."""
    return {each.partition(":")[0]: each[:SENTENCE_MAX] for each in reversed(broken)}


def add(whole: Result, its: Result) -> None:
    whole.kills += its.kills
    whole.asked += its.asked
    whole.found += its.found
    whole.again += its.again
    whole.events += its.events
    whole.checkpoints += its.checkpoints
    whole.seconds += its.seconds
    whole.broken += its.broken


def report(whole: Result) -> None:
    kinds = ", ".join(f"{kind} {n}" for kind, n in sorted(whole.kills.items()))
    outcomes: Counter[str] = Counter({str(k): n for k, n in whole.asked.items()})
    told = ", ".join(f"{outcome} {n}" for outcome, n in sorted(outcomes.items()))
    for line in (
        f"kills         {whole.kills.total()} ({kinds}) in {whole.seconds:.0f} s",
        f"commands      {whole.asked.total()} ({told})",
        f"asked again   {whole.again}",
        f"acknowledged  {whole.acknowledged}",
        f"found         {whole.found}",
        f"log           {whole.events} events, {whole.checkpoints} checkpoints",
        f"result        {'; '.join(whole.broken) or 'nothing lost, nothing doubled'}",
    ):
        say(line)


def a_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="eticket-kills-"))
    folder.chmod(0o755)  # To be reached by the user that root lends the server to.
    return folder


def indented(line: str) -> None:
    say(f"  {line}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
