"""`cardctl` as a person runs it: one sentence and exit code 1, or what was asked for.

Planted and caught: a card file taken without --virtual; a damaged card file that ends
in a traceback.
"""

import json
import os
import subprocess
import sys
from uuid import UUID

import pytest

from card_bridge.cli import main
from card_bridge.keys import DeviceKey
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.codes import Role

USAGE, FAILED = 2, 1


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the program in this process; return exit code, output and complaint."""

    def running(*arguments, token="", url="http://127.0.0.1:1", home=None):
        options = ("--server", url, "--token", token, "--home", home or tmp_path)
        words = [str(word) for word in (*options, *arguments)]
        monkeypatch.setattr(sys, "argv", ["cardctl", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return running


def _one_sentence(complaint):
    assert "Traceback" not in complaint
    assert len(complaint.strip().splitlines()) == 1
    return True


def test_the_program_is_there():
    said = subprocess.run(
        [sys.executable, "-c", "from card_bridge.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert said.returncode == 0
    assert "terminal" in said.stdout


def test_a_card_file_is_taken_with_virtual_only(run, tmp_path):
    path = tmp_path / "card.json"
    VirtualCard.blank(path=path)
    code, out, err = run("--card-file", path, "terminal", "show-card", token="t")
    assert (code, out) == (USAGE, "")
    assert "say --virtual" in err


def test_no_token_is_said(run):
    code, _, err = run("terminal", "tickets")
    assert code == USAGE
    assert "token" in err


def test_an_unreachable_ledger_is_one_sentence(run):
    code, out, err = run("terminal", "tickets", token="t")
    assert (code, out) == (FAILED, "")
    assert "cannot be reached" in err
    assert _one_sentence(err)


def test_a_file_that_is_no_card_is_one_sentence(run, tmp_path):
    path = tmp_path / "card.json"
    path.write_text("{}")
    code, _, err = run(
        "--card-file", path, "--virtual", "terminal", "show-card", token="t"
    )
    assert code == FAILED
    assert "not the file of a virtual card" in err
    assert _one_sentence(err)


def test_a_refused_token_and_an_open_key_file_are_one_sentence(run, stage, tmp_path):
    code, _, err = run("terminal", "tickets", token="no such token", url=stage.url)
    assert code == FAILED
    assert "(unauthenticated)" in err
    assert _one_sentence(err)
    (tmp_path / "terminal.key").chmod(0o644)
    code, _, err = run("terminal", "tickets", token="any", url=stage.url)
    assert code == FAILED
    assert "chmod 600" in err
    assert _one_sentence(err)


def test_a_blank_card_does_not_overwrite_a_file(run, tmp_path):
    path = tmp_path / "card.json"
    assert run("blank-card", path, "--virtual")[0] == 0
    before = path.read_bytes()
    code, _, err = run("blank-card", path, "--virtual")
    assert code == USAGE
    assert "new file" in err
    assert path.read_bytes() == before


def test_a_whole_life_of_a_card_on_the_command_line(run, stage, tmp_path):
    callers = stage.callers
    ada = callers.person(Role.BUYER)
    ticket_id, coupon_id = stage.ticket_of(ada), stage.coupon_of(ada, uses=2)
    path = tmp_path / "card.json"
    lies = ("--card-file", path, "--virtual", "--json")

    def at_terminal(*arguments):
        code, out, err = run(
            *arguments, token=ada.token, url=stage.url, home=tmp_path / "terminal"
        )
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def desk(kind, role):
        home = tmp_path / kind
        _, out, _ = run("--json", "device-key", home=home)
        public = json.loads(out)["public_key"]
        assert public == DeviceKey.at(home / "device.key").public_hex
        device = callers.operator.post(
            "/v1/devices", kind=kind, public_key=public, label=kind
        ).json
        device_id = UUID(device["device_id"])
        return home, device_id, callers.caller(role, device_id=device_id).token

    assert run("blank-card", path, "--virtual")[0] == 0
    home, device_id, token = desk("personaliser", Role.PERSONALISER)
    for _ in range(2):  # It may be run again.
        code, out, err = run(
            *lies, "personalise", device_id, ada.party_id,
            token=token, url=stage.url, home=home,
        )  # fmt: skip
        assert code == 0, err
    shown = at_terminal("--json", "terminal", "download", ticket_id)
    assert shown[0]["right"] == "Row 4 seat 12"
    for each in (ticket_id, coupon_id):
        assert at_terminal(*lies, "terminal", "record", each) == [{"written": True}]
    assert at_terminal(*lies, "terminal", "sync") == [{"written": False}]
    stage.modify(ticket_id, "Row 5 seat 1")
    assert at_terminal(*lies, "terminal", "sync") == [{"written": True}]
    tapped = at_terminal(*lies, "terminal", "show-card")[0]
    assert [slot["right"] for slot in tapped["slots"]] == ["Row 5 seat 1", "One coffee"]

    home, device_id, token = desk("point_of_sale", Role.SHOP)

    def redeem(receipt):
        return run(
            *lies, "redeem", device_id, "--receipt", receipt,
            "--amount-minor", 450, "--currency", "EUR",
            token=token, url=stage.url, home=home,
        )  # fmt: skip

    code, out, err = redeem("R1")
    assert code == 0, err
    assert json.loads(out)["uses_left"] == 1
    code, _, err = redeem("R1")
    assert code == FAILED
    assert "(already_used)" in err
    assert _one_sentence(err)
    assert at_terminal(*lies, "terminal", "unload", ticket_id) == [{"written": True}]
    stage.require_agreed(VirtualCard.load(path))
