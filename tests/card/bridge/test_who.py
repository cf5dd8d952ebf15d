"""As whom `cardctl` asks: a person who signed in, or a machine by its own key.

Planted and caught: a session shown to another server; a session kept where others may
read it; a sign-out that leaves the session open at the ledger; a machine's key made
anew at each start.
"""

import io
import json
import sys
from datetime import timedelta

import pytest

from card_bridge import signed_in
from card_bridge.cli import main
from card_bridge.keys import KeysError
from card_bridge.signing import KEY_FILE, SigningKey
from ledger.vocabulary.codes import Role
from ledger_client import Client, Problem
from tests.api.signed_in import KETTLE, account

USAGE, FAILED = 2, 1


@pytest.fixture
def run(stage, monkeypatch, capsys, tmp_path):
    """Run `cardctl --json` in this process; return exit code, answers and complaint."""

    def running(*words, typed="", url=stage.url):
        options = ("--json", "--server", url, "--home", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["cardctl", *options, *words])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return ended.value.code or 0, told.out, told.err

    return running


@pytest.fixture
def ada(stage):
    """Somebody with a ticket and an account, and her login name."""
    person = stage.callers.person(Role.BUYER)
    name = f"{person.party_id}@example.org"
    account(stage.callers, person, name)
    return person, name


def _sign_in(run, name, password=KETTLE):
    words = ("terminal", "sign-in", name, "--password-stdin")
    return run(*words, typed=f"{password}\n")


def kept(home, server):
    session = signed_in.kept(home, server)
    assert session is not None
    return session


def test_who_signed_in_is_known_until_signing_out(stage, run, ada, tmp_path):
    person, name = ada
    ticket_id = stage.ticket_of(person)
    code, out, _ = _sign_in(run, name)
    assert (code, json.loads(out)["party_id"]) == (0, str(person.party_id))
    code, out, _ = run("terminal", "download", str(ticket_id))
    assert (code, json.loads(out)["ticket_id"]) == (0, str(ticket_id))
    session = kept(tmp_path, stage.url)
    code, out, _ = run("terminal", "sign-out")
    assert (code, json.loads(out)) == (0, {"was_signed_in": True})
    assert not (tmp_path / signed_in.SESSION_FILE).exists()
    with Client(stage.url, session.headers) as theirs, pytest.raises(Problem) as no:
        theirs.get("/v1/me")
    assert no.value.code == "unauthenticated"


def test_who_has_not_signed_in_is_told_how(run):
    code, out, err = run("terminal", "tickets")
    assert (code, out) == (USAGE, "")
    assert "cardctl terminal sign-in NAME" in err


def test_a_wrong_password_is_a_sentence_and_changes_nothing(run, ada, tmp_path):
    code, out, err = _sign_in(run, ada[1], "nine boats upon a hill")
    assert (code, out) == (FAILED, "")
    assert err == "The login name or the password is wrong. (wrong_password)\n"
    assert list(tmp_path.iterdir()) == []


def test_a_session_that_is_over_is_a_sentence(stage, run, ada, monkeypatch):
    _sign_in(run, ada[1])
    monkeypatch.setattr(stage.clock, "at", stage.clock.at + timedelta(days=1))
    code, out, err = run("terminal", "tickets")
    assert (code, out) == (FAILED, "")
    assert "(unauthenticated)" in err


def test_signing_in_again_ends_the_session_before(stage, run, ada, tmp_path):
    _sign_in(run, ada[1])
    before = kept(tmp_path, stage.url)
    _sign_in(run, ada[1])
    assert signed_in.kept(tmp_path, stage.url) != before
    with Client(stage.url, before.headers) as theirs, pytest.raises(Problem):
        theirs.get("/v1/me")


def test_a_session_is_for_its_owner_and_its_server_alone(stage, run, ada, tmp_path):
    _sign_in(run, ada[1])
    assert signed_in.kept(tmp_path, "https://tickets.example") is None
    path = tmp_path / signed_in.SESSION_FILE
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        signed_in.kept(tmp_path, stage.url)


@pytest.mark.parametrize("held", [b"", b"{", b"[]", b'{"server": "x"}', b"\xff"])
def test_a_file_that_holds_no_session_is_a_sentence(run, tmp_path, held):
    path = tmp_path / signed_in.SESSION_FILE
    path.write_bytes(held)
    path.chmod(0o600)
    if held == b'{"server": "x"}':
        assert signed_in.kept(tmp_path, "y") is None
        held = None
    with pytest.raises(KeysError, match="remove it"):
        signed_in.kept(tmp_path, "x")


def test_a_machine_draws_its_key_once(run, tmp_path):
    (_, first, _), (_, again, _) = run("signing-key"), run("signing-key")
    assert json.loads(first) == json.loads(again)
    assert json.loads(first)["jwk"] == SigningKey.made(tmp_path).jwk
    path = tmp_path / KEY_FILE
    assert path.stat().st_mode & 0o077 == 0
    path.chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        SigningKey.of(tmp_path)


def test_a_machine_without_a_key_is_told_how_to_get_one(run):
    device = "00000000-0000-4000-8000-000000000005"
    words = ("pay", device, "--receipt", "1", "--amount-minor", "1")
    code, out, err = run(*words)
    assert (code, out) == (USAGE, "")
    assert "cardctl signing-key makes one" in err


def test_a_password_goes_to_no_address_in_the_clear(run):
    words = ("terminal", "sign-in", "ada@example.org", "--password-stdin")
    code, out, err = run(*words, typed=f"{KETTLE}\n", url="http://tickets.example")
    assert (code, out) == (USAGE, "")
    assert "in the clear" in err
