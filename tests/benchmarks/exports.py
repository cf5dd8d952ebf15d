"""How fast the log leaves as an export; how fast, and in how little, it is checked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ledger.log.export import export as lines_of
from ledger.log.recorder import connect
from ledger.log.verify import verify_export
from tests.benchmarks.frame import ROUNDS, Place, Result
from tests.benchmarks.long_log import ORIGIN, SIGNER, VKEY, write
from tests.benchmarks.replays import MINUTE_S, pages
from tests.benchmarks.town import town

EVENTS = 50_000
SHORT, LONG = 100_000, 1_000_000
_KIB_A_MIB = 1024


def export(place: Place) -> Result:
    """Write all lines of the log into a file, and sign it."""
    ledger = place.once(town).installation.ledger
    counted = ledger.position()

    def exported() -> None:
        with (place.folder / "exported.jsonl").open("wb") as file:
            lines = lines_of(ledger.recorder, SIGNER, ORIGIN)
            file.writelines(line.encode() for line in lines)

    with connect(ledger.recorder.datastore) as connection:
        rates = place.alternate(
            {
                "export": lambda: counted / _timed(exported),
                "select": lambda: counted / _timed(lambda: _spent(pages(connection))),
            }
        )
    return Result(
        value=rates["export"],
        unit="events/s",
        baseline=rates["select"],
        n=counted * ROUNDS,
        note=f"all {counted:,} events; baseline: the plain select of the same rows",
    )


def verify(place: Place) -> Result:
    """Check an export in one process: leaves, tree, signature, and every rule."""
    path = _long(place, EVENTS)
    rates = place.alternate(
        {
            "verify": lambda: EVENTS / _timed(lambda: _verified(path, place.folder)),
            "read": lambda: EVENTS / _timed(lambda: _only_read(path)),
        }
    )
    return Result(
        value=rates["verify"] * MINUTE_S,
        unit="events/min",
        baseline=rates["read"] * MINUTE_S,
        n=EVENTS * ROUNDS,
        note=(
            f"{EVENTS:,} events with replay, one process, by the clock; baseline:"
            " json.loads and SHA-256 of the same lines"
        ),
    )


def memory(place: Place) -> Result:
    """Check a long export and a short one; what `log verify` took at most."""
    peaks = {}
    for events in (SHORT, LONG):
        path = _long(place, events)
        place.tell(f"checking {events:,} events")
        peaks[events] = _peak_mib(path)
        path.unlink()
    return Result(
        value=peaks[LONG],
        unit="MiB",
        baseline=peaks[SHORT],
        n=2,
        note=(
            f"`ledgerctl log verify --jobs 1`, resident at most: {LONG:,} events"
            f" against {SHORT:,}"
        ),
    )


def _long(place: Place, events: int) -> Path:
    place.tell(f"writing an export of {events:,} events")
    path = place.folder / f"{events}.jsonl"
    with path.open("wb") as file:
        write(file, events)
    return path


def _verified(path: Path, folder: Path) -> None:
    with path.open("rb") as file, tempfile.TemporaryDirectory(dir=folder) as spill:
        assert verify_export(file, [SIGNER.verifier], spill=Path(spill)).proven


def _only_read(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
            hashlib.sha256(line).digest()


def _peak_mib(path: Path) -> float:
    program = (sys.executable, "-m", "api.cli", "log", "verify", str(path))
    child = subprocess.Popen(
        [*program, "--key", VKEY, "--jobs", "1"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_maxrss / _KIB_A_MIB


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _spent(found: Iterable[object]) -> None:
    for _ in found:
        continue
