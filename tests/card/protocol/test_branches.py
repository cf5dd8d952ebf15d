"""Every branch of the card's protocol is run by the tests that are about it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TESTS = (
    "tests/card/protocol/test_golden_vectors.py",
    "tests/card/protocol/test_refusals.py",
    "tests/card/virtual",
)


def test_every_branch_of_the_protocol_is_run_by_its_tests(tmp_path: Path) -> None:
    report = tmp_path / "coverage.json"
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-p", "no:xdist", "--override-ini=addopts="),
            *("--cov=card_bridge/protocol", "--cov-branch"),
            *(f"--cov-report=json:{report}", *TESTS),
        ],
        cwd=ROOT,
        env=os.environ | {"COVERAGE_FILE": str(tmp_path / "coverage")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:]
    told = json.loads(report.read_text())
    missing = {
        name: (each["missing_lines"], each["missing_branches"])
        for name, each in told["files"].items()
        if each["missing_lines"] or each["missing_branches"]
    }
    assert missing == {}
    assert len(told["files"]) > 20
    assert told["totals"]["num_branches"] > 150
