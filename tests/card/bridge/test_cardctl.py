"""`cardctl` as a person runs it: one sentence and exit code 1, or what was asked for.

Planted and caught: a card file taken without --virtual; a damaged card file that ends
in a traceback.
"""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from card_bridge.cli import main
from card_bridge.gateway import LedgerUnreachable
from card_bridge.journal import Journal
from card_bridge.keys import DeviceKey
from card_bridge.purse import PurseTill
from card_bridge.virtual import VirtualCard
from ledger.vocabulary.codes import Role
from tests.card.bridge.stage import carried, laid

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
    download = ("terminal", "download", UUID(int=1))
    code, _, err = run(*download, token="no such token", url=stage.url)
    assert code == FAILED
    assert "(unauthenticated)" in err
    assert _one_sentence(err)
    (tmp_path / "terminal.key").chmod(0o644)
    code, _, err = run(*download, token="any", url=stage.url)
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


class _Cut:
    """A line on which no debit arrives."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def report_debit(self, *_, **__):
        raise LedgerUnreachable


def test_a_purse_is_filled_and_emptied_on_the_command_line(run, stage, tmp_path):
    """And what the till could not report, it reports before it writes the card again.

    Planted and caught: a coupon redeemed before the debit that was left is settled.
    """
    ada = stage.callers.person(Role.BUYER)
    stage.callers.rich(ada, 5_000)
    path = tmp_path / "card.json"
    card = VirtualCard(stage.card_of(ada).snapshot(), path=path)
    coupon_id = stage.coupon_of(ada, uses=2)
    with laid(card) as lying:
        stage.bridge_of(ada).bring_in_line(lying, load=[coupon_id])

    def at(kind, role, *words):
        machine = stage.machine(kind, role)
        home = tmp_path / kind
        home.mkdir(exist_ok=True)
        key = home / "device.key"
        key.write_bytes(machine.key.private_bytes_raw())
        key.chmod(0o600)
        name, *rest = words
        code, out, err = run(
            "--card-file", path, "--virtual", "--json", name, machine.device_id, *rest,
            token=machine.token, url=stage.url, home=home,
        )  # fmt: skip
        assert code == 0, err
        return json.loads(out)

    at_desk = ("personaliser", Role.PERSONALISER, "top-up", ada.party_id)
    at_till = ("point_of_sale", Role.SHOP)
    put_on = at(*at_desk, "--receipt", "T1", "--amount-minor", 2_000)
    assert put_on == {"amount_minor": 2_000, "receipt": "T1"}
    paid = at(*at_till, "pay", "--receipt", "R2", "--amount-minor", 300)
    assert paid == {"amount_minor": 300, "receipt": "R2"}

    reader, gateway = stage.reader_of(*at_till, wrapped=_Cut)
    journal = Journal(tmp_path / "point_of_sale" / "purse-journal")
    cut_off = VirtualCard.load(path)
    with laid(cut_off) as lying, pytest.raises(LedgerUnreachable):
        PurseTill(gateway, reader, journal).pay(lying, amount_minor=200, receipt="R3")
    assert carried(stage, cut_off) == 1_700
    rest = ("--receipt", "R4", "--amount-minor", 450, "--currency", "EUR")
    assert at(*at_till, "redeem", *rest)["uses_left"] == 1
    assert carried(stage, cut_off) == 1_500
    assert journal.unsettled(card.uid) is None


def _as(run, stage, person):
    """Run `cardctl --json terminal ...` as a person; return what it told."""

    def running(*arguments, code=0):
        ended, out, err = run(
            "--json", "terminal", *arguments, token=person.token, url=stage.url
        )
        assert ended == code, err
        assert _one_sentence(err) if code else not err
        return [json.loads(line) for line in out.splitlines()] if not code else err

    return running


def test_a_ticket_is_given_away_and_accepted_on_the_command_line(run, stage):
    people = [stage.callers.person(Role.BUYER) for _ in range(2)]
    ada, ben = (_as(run, stage, person) for person in people)
    ticket_id = stage.ticket_of(people[0])
    for end in ("gift-withdraw", "gift-decline"):
        made = ada("gift-offer", ticket_id, people[1].party_id)[0]
        (ada if end == "gift-withdraw" else ben)(end, ticket_id, made["offer_id"])
    made = ada("gift-offer", ticket_id, people[1].party_id)[0]
    shown = ben("gift-show", ticket_id, made["offer_id"])[0]
    assert (shown["right"], shown["state"]) == ("Row 4 seat 12", "open")
    again = ada("gift-offer", ticket_id, people[1].party_id, code=FAILED)
    assert "(in_gift)" in again
    theirs = ada("gift-accept", ticket_id, made["offer_id"], "--yes", code=FAILED)
    assert "(not_owner)" in theirs
    assert ben("gift-accept", ticket_id, made["offer_id"], "--yes")[0]["epoch"] == 2
    assert stage.its.ledger.ticket(ticket_id).owner_id == people[1].party_id


def test_a_gift_is_not_accepted_by_who_does_not_say_yes(run, stage, monkeypatch):
    people = [stage.callers.person(Role.BUYER) for _ in range(2)]
    ada, _ = (_as(run, stage, person) for person in people)
    ticket_id = stage.ticket_of(people[0])
    made = ada("gift-offer", ticket_id, people[1].party_id)[0]
    before = stage.position()
    for typed in ("n\n", ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code, out, err = run(
            "terminal", "gift-accept", ticket_id, made["offer_id"],
            token=people[1].token, url=stage.url,
        )  # fmt: skip
        assert (code, out) == (FAILED, "")
        assert "Hamlet, opening night, Row 4 seat 12?" in err
    assert stage.position() == before


def test_a_ticket_is_listed_taken_down_and_bought_on_the_command_line(run, stage):
    people = [stage.callers.person(Role.BUYER) for _ in range(2)]
    ada, ben = (_as(run, stage, person) for person in people)
    ticket_id = stage.ticket_of(
        people[0],
        terms={
            "resellable": True,
            "resale_cap_percent": 100,
            "royalty_percent": 10,
            "on_medium": "exposure",
        },
    )
    stage.callers.rich(people[1])
    listed = ada("list", ticket_id, "--price-minor", 3000)[0]
    assert listed["cap_minor"] == 4000
    ada("unlist", ticket_id, listed["listing_id"])
    ben("buy", ticket_id, listed["listing_id"], code=FAILED)
    dear = ada("list", ticket_id, "--price-minor", 4001, code=FAILED)
    assert "(cap)" in dear
    buyer = people[1].party_id
    listed = ada("list", ticket_id, "--price-minor", 3000, "--to", buyer)[0]
    sold = ben("buy", ticket_id, listed["listing_id"])[0]
    assert sold["split"] == {"seller_minor": 2700, "royalty_minor": 300}
    assert stage.its.ledger.ticket(ticket_id).owner_id == buyer


def test_notices_and_tickets_are_listed_one_a_line(run, stage):
    person = stage.callers.person(Role.BUYER)
    ada = _as(run, stage, person)
    assert (ada("tickets"), ada("notices")) == ([], [])


def test_the_selftest_counts_what_passed_and_fails_with_what_failed(run, tmp_path):
    vectors = Path(__file__).parents[2] / "vectors" / "card_vectors.json"
    code, out, _ = run("selftest", "--vectors", vectors)
    assert (code, out) == (0, "45 passed, 0 failed\n")
    wrong = json.loads(vectors.read_text())
    first = wrong["vectors"][0]
    first["expected"] = dict.fromkeys(first["expected"], "00")
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(wrong))
    code, out, err = run("selftest", "--vectors", path)
    assert (code, out) == (FAILED, "44 passed, 1 failed\n")
    assert first["id"] in err


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"vectors": [{}]}', '{"vectors": [{"kind": "cmac"}]}']
)
def test_a_file_without_vectors_is_one_sentence(run, tmp_path, text):
    path = tmp_path / "vectors.json"
    path.write_text(text)
    code, out, err = run("selftest", "--vectors", path)
    assert (code, out) == (FAILED, "")
    assert _one_sentence(err)
    path.write_text('{"vectors": []}')
    assert run("selftest", "--vectors", path)[0] == FAILED
