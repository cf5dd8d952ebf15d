"""`dispenserctl` as a process: exit codes, one JSON object, one sentence on an error.

Seen to fail: a usage error that ended with 2, a doubt that ended with 2, a machine run
by two programs, a traceback for a damaged card file.
"""

import json
import re
import shutil
from pathlib import Path
from uuid import UUID

from card_bridge.virtual import VirtualCard
from card_bridge.virtual.store import save
from dispenser.alone import alone
from dispenser.outbox import Job, Outbox, Stage
from ledger.clock import new_id
from tests.dispenser.desk import ALWAYS
from tests.dispenser.theatre import ANSWER, DATE_OF_BIRTH

DISPENSED, ERROR, REFUSED, IN_DOUBT = 0, 1, 2, 3
NOWHERE = "http://127.0.0.1:9"


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
        ((*lies, path), {"DISPENSER_TOKEN": ""}, "signing-key makes one"),
        ((*lies, path), {"DISPENSER_TOKEN": "wrong"}, "(unauthenticated)"),
        ((*lies, path), {"DISPENSER_SERVER": "gopher://x"}, "is not an address"),
        ((*lies, path), {"DISPENSER_SERVER": "http://10.1.1.1"}, "in the clear"),
        ((*lies, path), {"DISPENSER_SERVER": NOWHERE}, "(unreachable)"),
        ((*lies, broken), {}, "is not the file of a virtual card"),
        ((*lies, desk.home / "none.json"), {}, "does not exist"),
        (("present", desk.device_id, "--card-file", path), {}, "say --virtual"),
        (("present", "not-an-id"), {}, "is not a valid UUID"),
        (("present", str(new_id()), *lies[2:], path), {}, "."),
        (("resolve", desk.device_id, str(new_id())), {}, "--printed"),
        ((*lies, path, "--zone", "Mars/Base"), {}, "no time zone known"),
        ((*lies, path, "--zone", "../../etc/passwd"), {}, "no time zone known"),
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


def test_papers_tell_the_time_of_the_place_and_running_low_is_said(desk):
    visitor = desk.theatre.visitor(
        {"valid_from": "2020-06-01T16:30:00Z", "valid_until": "2190-12-01T16:30:00Z"}
    )
    path = desk.home / "card.json"
    save(visitor.card.snapshot(), path)
    said = desk.run(
        "--json", "present", desk.device_id, "--virtual", "--card-file", path,
        "--zone", "Europe/Berlin",
    )  # fmt: skip
    assert said.returncode == DISPENSED, said.stderr
    assert said.stderr.endswith("Only 4 papers are left.\n")
    (roll,) = (desk.home / "papers").glob("*.escpos")
    assert b"Mon 01 Jun 2020, 18:30 CEST" in roll.read_bytes()


def test_help_is_no_error(desk):
    said = desk.run("--help")
    assert (said.returncode, "Usage: dispenserctl" in said.stdout) == (0, True)
