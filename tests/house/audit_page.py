"""Writes what docs/audit.md shows: `python -m tests.house.audit_page`.

Each command on the page is run on the log of a told story; a test compares.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from click.testing import CliRunner

from api.cli.main import ledgerctl

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "audit.md"
PICTURE = ROOT / "docs" / "audit-chain.svg"
STORY = ROOT / "tests" / "vectors" / "audit_story.jsonl"
TICKET = "617f57e6-4b6f-55bf-937b-153a4b5505bd"
_BLOCK = re.compile(r"(?<=```console\n)\$ ledgerctl ([^\n]+)\n.*?(?=```)", re.DOTALL)


def page() -> str:
    """Return the page, every command with what it prints now."""
    with _beside_the_log():
        return _BLOCK.sub(
            lambda found: f"$ ledgerctl {found[1]}\n{said(found[1])}",
            PAGE.read_text("utf-8"),
        )


def picture() -> str:
    with _beside_the_log():
        said("audit owners $TICKET --svg chain.svg --export log.jsonl")
        return Path("chain.svg").read_text("utf-8")


def said(command: str) -> str:
    words = shlex.split(command.replace("$TICKET", TICKET))
    done = CliRunner().invoke(ledgerctl, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@contextmanager
def _beside_the_log() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        shutil.copy(STORY, "log.jsonl")
        yield


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    PICTURE.write_text(picture(), "utf-8")
