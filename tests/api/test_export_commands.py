"""`ledgerctl log export` and `log verify`, as an auditor uses them.

Bugs planted to see this fail: the draft left behind; the file written under its name;
`--checkpoint` not handed on; 1 for what could not be checked.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.cli.long_work import draft_of
from ledger.bootstrap import Installation
from ledger.log.cosignature import Cosigner
from ledger.log.export import NotAsSigned
from ledger.log.merkle import EMPTY_ROOT
from ledger.log.note import Signer, to_base64
from ledger.log.publisher import Round
from ledger.log.verify import VerifyReport
from tests.api.callers import Callers
from tests.benchmarks.long_log import VKEY, write
from tests.log.witnessing import NOON, key

ROOT = Path(__file__).parents[2]
WITNESS = Cosigner("w1.example", key(9))
KILLED = """
import os
from api.cli.reading import CannotCheck
from api.cli.verifying import _mapped
try:
    list(_mapped(os._exit, [1], jobs=2))
except CannotCheck as error:
    print(error)
"""
LONG = 40_000
"""So many events are more than is held in memory, and enough for two processes."""


def publish(its: Installation) -> int:
    with its.publisher() as publisher:
        assert publisher.round() == Round.PUBLISHED
    found = its.proofs.published(its.policy)
    assert found is not None
    return found.checkpoint.size


@pytest.fixture
def log_key(ledgerctl, installation) -> str:
    vkey: str = ledgerctl("log", "key")[1].strip()
    return vkey


@pytest.fixture(scope="module")
def long_export(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("long") / "log.jsonl"
    with path.open("wb") as file:
        write(file, LONG)
    return path


def test_an_export_ends_with_what_was_published_unless_it_is_to_be_signed(
    ledgerctl, callers: Callers, installation, tmp_path
):
    callers.offering()
    file = tmp_path / "log.jsonl"
    code, out, said = ledgerctl("log", "export", "--output", file)
    assert (code, out) == (0, "")
    assert said.startswith("No checkpoint is published yet")
    size = publish(installation)
    assert ledgerctl("log", "export", "--output", file) == (0, "", "")
    callers.offering()
    code, out, said = ledgerctl("log", "export")
    assert (code, out) == (0, file.read_text())
    now = installation.ledger.position()
    assert said == f"Exported is what was published, {size} of {now} events.\n"
    code, out, said = ledgerctl("log", "export", "--sign")
    assert (code, said) == (0, "")
    assert len(out.splitlines()) == now + 2


def test_a_verdict_is_told_to_people_and_to_machines(
    ledgerctl, callers: Callers, installation, log_key, tmp_path
):
    older, newer = tmp_path / "older.jsonl", tmp_path / "newer.jsonl"
    note = tmp_path / "checkpoint"
    callers.offering()
    size = publish(installation)
    ledgerctl("log", "export", "--output", older)
    note.write_text(ledgerctl("log", "checkpoint")[1])
    callers.offering()
    publish(installation)
    ledgerctl("log", "export", "--output", newer)
    verify = ("log", "verify", "--key", log_key)

    held = (newer, "--checkpoint", older, "--checkpoint", note)
    code, out, _ = ledgerctl(*verify, *held)
    assert code == 0
    assert f"It continues {older}, of {size} events.\n" in out
    assert f"It continues {note}, of {size} events.\n" in out
    code, out, _ = ledgerctl(*verify, *held, "--json", "--no-replay")
    told = json.loads(out)
    assert (code, told["verdict"], told["replayed"]) == (0, "proven", False)
    assert [each["size"] for each in told["continues"]] == [size, size]
    assert told["signed_by"][0] == "+".join(log_key.split("+")[:2])

    code, out, _ = ledgerctl(*verify, older, "--checkpoint", newer)
    assert code == 1
    assert out.startswith(f"Refuted: line {size + 2}: the log had ")
    code, out, _ = ledgerctl(*verify, older, "--checkpoint", newer, "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["line"]) == (1, "refuted", size + 2)


def test_witnesses_are_asked_for_by_a_policy_that_may_name_the_log_too(
    ledgerctl, callers: Callers, installation, log_key, tmp_path, monkeypatch
):
    callers.offering()
    size = publish(installation)
    file, policy = tmp_path / "log.jsonl", tmp_path / "policy"
    ledgerctl("log", "export", "--output", file)
    policy.write_text(f"log {log_key}\nwitness w1 {WITNESS.verifier}\nquorum w1\n")
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path / "elsewhere"))
    code, out, _ = ledgerctl("log", "verify", file, "--policy", policy)
    assert code == 1
    assert out.endswith("no quorum of its witnesses has cosigned it, none did.\n")
    lines = file.read_text().splitlines(keepends=True)
    note = json.loads(lines[-1])["checkpoint"]
    text = note[: note.index("\n\n") + 1]
    cosigned = json.loads(lines[-1])
    cosigned["checkpoint"] += WITNESS.line(text, at=NOON)
    last = json.dumps(cosigned, ensure_ascii=False, separators=(",", ":"))
    file.write_text("".join(lines[:-1]) + last + "\n")
    code, out, _ = ledgerctl("log", "verify", file, "--policy", policy)
    assert (code, f"w1, a witness, {NOON.isoformat()}" in out) == (0, True)
    code, out, _ = ledgerctl("log", "verify", file, "--key", log_key)
    assert code == 0
    assert "Not checked, for its key was not given: the signature of w1.example" in out
    assert f"{size} events" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("nowhere",), "No such file"),
        ((".",), "Is a directory"),
        (("log.jsonl", "--key", "nonsense"), "no verifier key"),
        (("log.jsonl", "--policy", "log.jsonl"), "Line 1 of the policy"),
        (("log.jsonl", "--checkpoint", "note"), "cannot be believed"),
        (("log.jsonl", "--checkpoint", "cut"), "does not end with a checkpoint"),
        (("log.jsonl", "--checkpoint", "other"), "is of the log other.example"),
        (("log.jsonl", "--jobs", "0"), "0 is not in the range"),
    ],
)
def test_what_cannot_be_checked_is_neither_proven_nor_refuted(
    ledgerctl, log_key, tmp_path, monkeypatch, arguments, why
):
    monkeypatch.chdir(tmp_path)
    Path("note").write_text("no note\n")
    ledgerctl("log", "export", "--output", "log.jsonl")
    Path("cut").write_text(Path("log.jsonl").read_text().splitlines()[0] + "\n")
    stranger = Signer("other.example/log", key(8))
    Path("other").write_text(
        stranger.sign(f"{stranger.verifier.name}\n0\n{to_base64(EMPTY_ROOT)}\n")
    )
    keys = ("--key", log_key, "--key", stranger.verifier)
    code, out, said = ledgerctl("log", "verify", *arguments, *keys)
    assert (code, out) == (2, "")
    assert why in said


def test_an_export_that_fails_leaves_what_was_there(
    ledgerctl, callers: Callers, installation, tmp_path, monkeypatch
):
    callers.offering()
    publish(installation)
    file = tmp_path / "log.jsonl"
    ledgerctl("log", "export", "--output", file)
    before = file.read_bytes()
    monkeypatch.setattr("api.cli.log.export_published", cut_off)
    code, out, said = ledgerctl("log", "export", "--output", file)
    assert (code, out) == (1, "")
    assert "somebody has changed the database" in said
    assert file.read_bytes() == before
    assert [each for each in tmp_path.iterdir() if each.name.startswith(".log")] == []
    code, _, said = ledgerctl("log", "export", "--output", tmp_path / "no" / "log")
    assert (code, said) == (
        1,
        f"{tmp_path}/no/log cannot be written: No such file or directory.\n",
    )
    monkeypatch.undo()
    with draft_of(Path(os.devnull)) as device:
        device.write(b"whatever")
    assert Path(os.devnull).is_char_device()


def cut_off(*_: object) -> Iterator[str]:
    yield "half\n"
    raise NotAsSigned(size=1)


def test_two_processes_replay_a_long_log_from_standard_input(long_export, tmp_path):
    with long_export.open("rb") as file:
        done = subprocess.run(
            command("-", "--jobs", "2"),
            stdin=file,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == ""
    assert done.stdout.startswith(f"The log is whole: {LONG} events in ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_one_that_is_told_to_end_leaves_nothing_behind(
    ledgerctl, long_export, tmp_path, monkeypatch, ending
):
    folders: list[Path] = []

    def interrupted(lines, *_: object, spill: Path, **__: object) -> VerifyReport:
        next(lines)
        folders.append(spill)
        (spill / "00").write_bytes(b"half")
        signal.raise_signal(ending)  # To this thread, so at once.
        raise AssertionError("it goes on")

    monkeypatch.setattr("api.cli.verifying.verify_export", interrupted)
    code, out, _ = ledgerctl("log", "verify", long_export, "--key", VKEY)
    assert (code, out) == (143 if ending == signal.SIGTERM else 1, "")
    assert [folder.exists() for folder in folders] == [False]


def test_a_process_that_was_killed_has_found_nothing():
    """In a program of its own: a fork of this one would have its threads."""
    said = subprocess.run(
        [sys.executable, "-c", KILLED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (
        said.stdout == "A process that replayed was ended from outside; try --jobs 1.\n"
    )


def test_a_full_disk_is_no_verdict(ledgerctl, long_export, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> VerifyReport:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), tmp_path)

    monkeypatch.setattr("api.cli.verifying.verify_export", full)
    code, out, said = ledgerctl("log", "verify", long_export, "--key", VKEY, "--json")
    told = {"verdict": "not_checked", "why": f"{tmp_path}: No space left on device."}
    assert (code, json.loads(out)) == (2, told)
    assert said == f"Could not be checked: {tmp_path}: No space left on device.\n"


def command(*arguments: str) -> list[str]:
    return [
        *(sys.executable, "-m", "api.cli", "log", "verify"),
        *(*arguments, "--key", VKEY),
    ]
