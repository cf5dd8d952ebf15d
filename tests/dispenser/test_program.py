"""`dispenserctl` as a process: exit codes, one JSON object, one sentence on an error.

Seen to fail: a usage error that ended with 2, a doubt that ended with 2, a machine run
by two programs, a traceback for a damaged card file.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from card_bridge.virtual import VirtualCard
from card_bridge.virtual.store import save
from dispenser.alone import alone
from dispenser.cli import main
from dispenser.outbox import Job, Outbox, Stage
from ledger.clock import new_id
from tests.dispenser.theatre import ANSWER, DATE_OF_BIRTH, Theatre

DISPENSED, ERROR, REFUSED, IN_DOUBT = 0, 1, 2, 3
# The program has a clock of its own, so its tickets are valid at any time.
ALWAYS = {"valid_from": "2001-01-01T00:00:00Z", "valid_until": "2190-01-01T00:00:00Z"}
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Said:
    returncode: int
    stdout: str
    stderr: str


def _run_apart(arguments: list[str], environment: dict[str, str]) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "dispenser.cli", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def _run_here(arguments: list[str], environment: dict[str, str]) -> Said:
    out, err, code = io.StringIO(), io.StringIO(), "0"
    with pytest.MonkeyPatch.context() as world:
        world.setattr(sys, "argv", ["dispenserctl", *arguments])
        world.setattr(sys, "stdin", io.StringIO())
        for name, value in environment.items():
            world.setenv(name, value)
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = str(ended.code)
    return Said(int(code), out.getvalue(), err.getvalue())


@dataclass
class Desk:
    """A machine's folder, and its program."""

    theatre: Theatre
    home: Path
    device_id: str
    token: str

    apart: bool = False

    def run(self, *arguments: str | Path, **environment: str) -> Said:
        """Run the program: here, or `apart` as a process, which takes longer."""
        wanted = {
            "DISPENSER_HOME": str(self.home),
            "DISPENSER_SERVER": self.theatre.url,
            "DISPENSER_TOKEN": self.token,
            **environment,
        }
        words = [str(argument) for argument in arguments]
        return (_run_apart if self.apart else _run_here)(words, wanted)

    def present(self, card: VirtualCard, *answers: str, **environment: str):
        """Present a card by its file; return what was said, and the card after it."""
        path = self.home / "card.json"
        save(card.snapshot(), path)
        typed = [part for answer in answers for part in ("--answer", answer)]
        said = self.run(
            "--json", "present", self.device_id, "--virtual", "--card-file", path,
            *typed, **environment,
        )  # fmt: skip
        card.restore(VirtualCard.load(path).snapshot())
        facts = json.loads(said.stdout) if said.stdout else {}
        return said.returncode, facts, said.stderr


@pytest.fixture
def desk(theatre, tmp_path):
    machine = theatre.machine()
    home = tmp_path / "home"
    home.mkdir()
    made = Desk(theatre, home, str(machine.device.device_id), machine.device.token)
    key = home / "device.key"
    key.touch(mode=0o600)
    key.write_bytes(machine.device.key.private_bytes_raw())
    filled = made.run("stock", "--add", "5", "--prefix", machine.prefix)
    assert (filled.returncode, filled.stdout) == (
        0, "5 papers are left. It is running low.\n",
    )  # fmt: skip
    return made


def test_dispensed_is_0_refused_is_2_each_with_its_facts(desk):
    desk.apart = True
    visitor = desk.theatre.visitor({**ALWAYS, "question": DATE_OF_BIRTH})
    code, facts, _ = desk.present(visitor.card, "no", "no", "no")
    assert (code, facts["state"], facts["code"]) == (
        REFUSED, "REFUSED", "name_mismatch",
    )  # fmt: skip
    code, facts, screens = desk.present(visitor.card, ANSWER)
    assert (code, facts["state"], facts["code"]) == (DISPENSED, "DONE", None)
    assert facts["ticket_id"] == str(visitor.tickets[0])
    assert facts["print_code"].startswith(f"ETL1:{facts['serial']}:")
    papers = [Path(name) for name in facts["files"]]
    assert {path.suffix for path in papers} == {".pdf", ".escpos"}
    assert all(path.stem == facts["serial"] for path in papers)
    assert "Date of birth (DDMMYYYY)?" in screens
    code, facts, _ = desk.present(visitor.card, ANSWER)
    assert (code, facts["code"]) == (REFUSED, "already_dispensed")
    assert facts["files"] == []


def test_in_doubt_is_3_and_a_person_resolves_it(desk):
    visitor = desk.theatre.visitor(ALWAYS)
    serial = f"{json.loads(desk.run('--json', 'stock').stdout)['prefix']}-000001"
    (desk.home / "papers").mkdir()
    (desk.home / "papers" / f"{serial}.pdf").write_bytes(b"an older paper")
    code, facts, _ = desk.present(visitor.card)
    assert (code, facts["state"], facts["code"]) == (IN_DOUBT, "IN_DOUBT", "in_doubt")
    job = json.loads(desk.run("--json", "jobs").stdout)
    assert (job["stage"], job["serial"]) == ("PRINTING", serial)

    code, facts, said = desk.present(visitor.card)
    assert (code, facts["serial"]) == (REFUSED, None)
    assert f"Job {job['job_id']} (PRINTING, {serial}) needs somebody to look" in said
    unheard = desk.run(
        "resolve", desk.device_id, job["job_id"], DISPENSER_SERVER=NOWHERE
    )
    assert unheard.returncode == ERROR

    said = desk.run("resolve", desk.device_id, job["job_id"], "--not-printed")
    assert (said.returncode, said.stdout) == (0, "Reported.\n")
    assert desk.run("jobs").stdout == ""
    visitor.goes_home()
    code, facts, _ = desk.present(visitor.card)
    assert (code, facts["serial"]) == (DISPENSED, serial[:-1] + "2")
    again = desk.run("resolve", desk.device_id, job["job_id"], "--printed")
    assert (again.returncode, again.stderr) == (
        ERROR, "There is no such job in doubt. (unknown)\n",
    )  # fmt: skip


def test_enrolling_says_the_public_key_and_keeps_the_private_one_close(desk):
    shutil.rmtree(desk.home)
    first = desk.run("enrol")
    assert re.fullmatch(r"[0-9a-f]{64}\n", first.stdout)
    assert json.loads(desk.run("--json", "enrol").stdout)["public_key"] == (
        first.stdout.strip()
    )
    assert (desk.home / "device.key").stat().st_mode & 0o077 == 0


def test_no_line_is_said_in_a_sentence(desk):
    visitor = desk.theatre.visitor(ALWAYS)
    code, facts, said = desk.present(visitor.card, DISPENSER_SERVER=NOWHERE)
    assert (code, facts) == (ERROR, {})
    assert said == (
        "The ledger cannot be reached; please try again later. (unreachable)\n"
    )


def test_no_error_is_told_with_a_refusals_exit_code(desk):
    card = VirtualCard.blank()
    path = desk.home / "card.json"
    save(card.snapshot(), path)
    broken = desk.home / "broken.json"
    broken.write_text("{}")
    lies = ("present", desk.device_id, "--virtual", "--card-file")
    for arguments, environment, says in (
        ((*lies, path), {"DISPENSER_TOKEN": ""}, "Give a token"),
        ((*lies, path), {"DISPENSER_TOKEN": "wrong"}, "(unauthenticated)"),
        ((*lies, path), {"DISPENSER_SERVER": "gopher://x"}, "(unreachable)"),
        ((*lies, broken), {}, "is not the file of a virtual card"),
        ((*lies, desk.home / "none.json"), {}, "does not exist"),
        (("present", desk.device_id, "--card-file", path), {}, "say --virtual"),
        (("present", "not-an-id"), {}, "is not a valid UUID"),
        (("present", str(new_id()), *lies[2:], path), {}, "."),
        (("resolve", desk.device_id, str(new_id())), {}, "--printed"),
        (("stock", "--add", "0"), {}, "papers"),
        (("stock", "--add", "many"), {}, "is not a valid integer"),
        (("fly",), {}, "No such command"),
    ):
        said = desk.run(*arguments, **environment)
        assert said.returncode == ERROR, (arguments, said)
        assert says in said.stderr
        assert "Traceback" not in said.stderr
        assert said.stdout == ""


def test_damaged_files_are_said_in_a_sentence(desk):
    visitor = desk.theatre.visitor(ALWAYS)
    Outbox(desk.home / "outbox").note(Job(str(new_id()), str(new_id()), Stage.LEASED))
    (path,) = (desk.home / "outbox").glob("*.json")
    path.write_text('{"stage": "PRINTED"}')
    code, _, said = desk.present(visitor.card)
    assert (code, said) == (ERROR, f"{path} cannot be read. (in_doubt)\n")
    assert desk.run("jobs").returncode == ERROR
    path.unlink()
    (desk.home / "stock.json").write_text("[1, 2]")
    code, facts, _ = desk.present(visitor.card)
    assert (code, facts["code"]) == (REFUSED, "incomplete")
    (desk.home / "device.key").chmod(0o644)
    code, _, said = desk.present(visitor.card)
    assert (code, "chmod 600" in said) == (ERROR, True)


def test_two_programs_never_run_one_machine(desk):
    desk.apart = True
    visitor = desk.theatre.visitor(ALWAYS)
    with alone(desk.home / "machine.lock", wait=False):
        code, _, said = desk.present(visitor.card)
        assert (code, said) == (
            ERROR,
            "Error: Another program is running this machine.\n",
        )
        assert desk.run("stock", "--add", "1").returncode == 0
        assert desk.run("jobs").returncode == 0
    assert desk.present(visitor.card)[0] == DISPENSED


def test_a_job_that_a_killed_program_left_is_settled_by_the_next(desk):
    visitor, other = desk.theatre.visitor(ALWAYS), desk.theatre.visitor(ALWAYS)
    job_id = new_id()
    job = Job(str(job_id), str(visitor.tickets[0]), Stage.LEASED)
    Outbox(desk.home / "outbox").note(job)
    assert UUID(json.loads(desk.run("--json", "jobs").stdout)["job_id"]) == job_id
    assert desk.present(other.card)[0] == DISPENSED
    assert desk.run("jobs").stdout == ""


def test_an_escpos_printer_gets_what_is_kept(desk):
    visitor = desk.theatre.visitor(ALWAYS)
    device = desk.home / "lp0"
    device.touch()
    path = desk.home / "card.json"
    save(visitor.card.snapshot(), path)
    said = desk.run(
        "--json", "present", desk.device_id, "--virtual", "--card-file", path,
        "--printer", device,
    )  # fmt: skip
    assert said.returncode == DISPENSED, said.stderr
    (roll,) = (desk.home / "papers").glob("*.escpos")
    assert device.read_bytes() == roll.read_bytes()


def test_help_is_no_error(desk):
    said = desk.run("--help")
    assert (said.returncode, "Usage: dispenserctl" in said.stdout) == (0, True)
