"""The story in docs/api.md is what `curl` and a shell get from a running server.

Planted and caught: a header of the page's misspelt; another answer than the page shows;
a refusal where the page has an answer.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "api.md"
HEADING = "\n## The story as curl\n"
ADDRESS = "http://127.0.0.1:8470"
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_NEXT = "\nprintf '\\0'\n"
TIMEOUT_S = 120


@pytest.mark.curl
@pytest.mark.timeout(150)
def test_the_page_can_be_pasted_into_a_shell_and_prints_what_it_says(world, tmp_path):
    story = PAGE.read_text("utf-8").split(HEADING)[1].split("\n## ")[0]
    blocks = _BLOCK.findall(story)
    assert len(blocks) == 11
    assert story.count(ADDRESS) == 1
    done = subprocess.run(
        ["bash", "-eu"],
        input=_NEXT.join(blocks).replace(ADDRESS, world.server.url),
        env=world.server.environ | {"PATH": _path(world), "TMPDIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    printed = done.stdout.replace("\r", "").split("\0")
    for block, got in zip(blocks, printed, strict=False):
        shown = "".join(f"{line}\n" for line in re.findall(r"^#> (.*)$", block, re.M))
        assert got == shown, f"{block}\n{done.stderr}"
    assert (done.returncode, done.stderr, len(printed)) == (0, "", len(blocks))


def _path(world):
    """The programs of the Python that runs this, wherever it was installed."""
    return f"{Path(sys.executable).parent}:{world.server.environ['PATH']}"
