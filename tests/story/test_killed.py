"""A demo that was killed, at whatever moment, is simply run again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = (sys.executable, "-m", "tests.story", "--step", "1")
SEEN_S = 60


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DEMO, "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def appears(process: subprocess.Popen[str], path: Path) -> None:
    """Wait until a file is there: a moment that the run itself tells."""
    while not path.exists() and process.poll() is None:
        os.sched_yield()


# Before anything, within initdb, while the server starts, and when the ledger is up.
MOMENTS = (".made-by-demo", "ledger/postgres", "ledger/keys/keys.json", "ledger/port")


@pytest.mark.timeout(240)
def test_killed_at_each_of_four_moments_it_still_runs_to_its_end(tmp_path):
    folder = tmp_path / "demo"
    for moment in MOMENTS:
        process = start(folder)
        appears(process, folder / moment)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=SEEN_S)
    again = start(folder)
    told, _ = again.communicate(timeout=SEEN_S)
    assert again.returncode == 0, told
    assert "All of it asserted" in told


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path):
    kept = tmp_path / "letters.txt"
    kept.write_text("dear")
    refused = start(tmp_path)
    told, _ = refused.communicate(timeout=SEEN_S)
    assert refused.returncode == 1
    assert "holds something else" in told
    assert kept.read_text() == "dear"
