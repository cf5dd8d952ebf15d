"""docs/coverage.md names tests that are there, and leaves no rule out.

Read as text: a test that was renamed or deleted is found without running anything.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "coverage.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
TEST_WORD = re.compile(r"\btest_\w+")


def numbered(letter, last):
    return [f"{letter}{number}" for number in range(1, last + 1)]


# What each table speaks of, in order, by the heading it stands under.
TABLES = {
    "The mission": numbered("", 26),
    "The collisions": numbered("", 19),
    "The invariants": [
        *numbered("O", 10),
        *numbered("R", 8),
        *numbered("D", 6),
        *numbered("C", 6),
        *numbered("F", 6),
        *numbered("M", 5),
    ],
    "The gift": numbered("G", 11),
}


def rows_under(heading):
    """Return the rows of the table under a heading, cell by cell, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("heading", TABLES)
def test_no_rule_is_left_out_and_none_is_said_twice(heading):
    assert [row[0] for row in rows_under(heading)] == TABLES[heading]


@pytest.mark.parametrize("heading", ["The collisions", "The invariants", "The gift"])
def test_a_test_shows_every_rule(heading):
    without = [row[0] for row in rows_under(heading) if not NAMED.search(row[-1])]
    assert without == []


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED.findall(PAGE)}))
def test_every_test_that_is_named_is_there(file):
    path = ROOT / file
    assert path.is_file()
    names = {name for named, name in NAMED.findall(PAGE) if named == file and name}
    there = set(re.findall(r"^(?:def|class) (\w+)", path.read_text("utf-8"), re.M))
    assert names - there == set()


def test_a_test_is_named_with_its_file():
    """A name alone could not be looked for."""
    assert TEST_WORD.findall(NAMED.sub("", PAGE)) == []
