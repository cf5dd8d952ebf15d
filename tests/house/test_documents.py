"""What the documents show is there: links lead somewhere, commands are commands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(document):
    links = [
        link for link in LINK.findall(document.read_text("utf-8")) if "://" not in link
    ]
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []


def readme_commands(program):
    """Yield each command of a program that README.md shows, without its comment."""
    for line in (ROOT / "README.md").read_text("utf-8").splitlines():
        words = shlex.split(line.partition("#")[0]) if program in line else []
        if words and Path(words[0]).name == program:
            yield tuple(words[1:])


def test_the_two_commands_are_made():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = set(re.findall(r"^make ([a-z]+)", readme, re.MULTILINE))
    assert {"demo", "test"} <= shown <= set(targets)


@pytest.mark.parametrize("words", tuple(readme_commands("ledgerctl")), ids=" ".join)
def test_every_command_in_the_readme_is_one(words):
    """Asked for help with all its options, a command that is none says so."""
    names = [word for word in words if not word.startswith("-") and word.islower()]
    options = [word for word in words if word.startswith("-")]
    said = subprocess.run(
        [sys.executable, "-m", "api.cli", *_commands(names), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert all(option in said.stdout for option in options)


def _commands(names):
    """The words before the first argument: a group and its command."""
    return names[:2]


def test_the_lock_files_name_no_place_to_install_from():
    """Which registry serves the packages is the installing machine's affair."""
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert locks
    for lock in locks:
        lines = lock.read_text("utf-8").splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
