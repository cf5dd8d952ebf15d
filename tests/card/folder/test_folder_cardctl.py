"""`cardctl --medium folder:/path`: a flash card's whole life on a command line.

Planted and caught: --medium together with a card; a folder registered as a card.
"""

import json
from uuid import UUID

import pytest

from ledger.vocabulary.codes import Role
from tests.card.bridge.test_cardctl import FAILED, USAGE, _one_sentence, run
from tests.card.folder.desk import DATE_OF_BIRTH, known, require_agreed
from tests.card.folder.volumes import UUID_A, UUID_B, Volume

__all__ = ["run"]


@pytest.fixture
def volume(monkeypatch, tmp_path):
    """A folder whose volume has the name that the test gives it."""
    volume = Volume(tmp_path / "card")
    volume.root.mkdir()
    monkeypatch.setattr(
        "card_bridge.folder.medium.Volumes", lambda: lambda _device: volume.name
    )
    return volume


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--medium", "/media/card"), "say folder: and the path"),
        (("--medium", "folder:"), "say folder: and the path"),
        (("--medium", "usb:/media/card"), "say folder: and the path"),
        (("--medium", "folder:/media/card", "--reader", "X"), "not both"),
    ],
)
def test_how_a_medium_is_named_is_said(run, words, says):
    code, _, err = run(*words, "terminal", "show-card", token="t")
    assert code == USAGE
    assert says in err


def test_what_a_folder_is_not_is_one_sentence(run, volume, stage):
    ada = stage.callers.person(Role.BUYER)
    said = {"token": ada.token, "url": stage.url}
    missing = f"folder:{volume.root}/nowhere"
    code, out, err = run("--medium", missing, "terminal", "show-card", **said)
    assert (code, out) == (FAILED, "")
    assert "is not there" in err
    assert _one_sentence(err)
    code, _, err = run(
        "--medium", f"folder:{volume.root}", "terminal", "show-card", **said
    )
    assert code == FAILED
    assert "the centre makes it one" in err
    assert _one_sentence(err)


def test_a_card_is_made_a_card_and_a_folder_what_it_is_called(run):
    code, _, err = run("personalise", UUID(int=1), UUID(int=2), "--as", "disk")
    assert code == USAGE
    assert "--medium" in err


def test_a_whole_life_of_a_flash_card_on_the_command_line(run, stage, volume, tmp_path):
    callers = stage.callers
    ada = callers.person(Role.BUYER)
    ticket_id = stage.ticket_of(ada, question=DATE_OF_BIRTH)
    coupon_id = stage.coupon_of(ada, uses=2)
    medium = ("--medium", f"folder:{volume.root}", "--json")

    def at_terminal(*words):
        code, out, err = run(
            *medium, "terminal", *words,
            token=ada.token, url=stage.url, home=tmp_path / "terminal",
        )  # fmt: skip
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()]

    def desk(kind, role, *words):
        home = tmp_path / kind
        _, out, _ = run("--json", "device-key", home=home)
        made = callers.operator.post(
            "/v1/devices",
            kind=kind,
            public_key=json.loads(out)["public_key"],
            label=kind,
        )
        device_id = UUID(made.json["device_id"])
        token = callers.caller(role, device_id=device_id).token

        def running(command, *words):
            return run(
                *medium, command, device_id, *words,
                token=token, url=stage.url, home=home,
            )  # fmt: skip

        return running

    maker = desk("personaliser", Role.PERSONALISER)
    for _ in range(2):  # It may be run again.
        code, out, err = maker("personalise", ada.party_id, "--as", "disk")
        assert code == 0, err
        assert json.loads(out)["volume"] == UUID_A
    assert (known(stage, volume).kind, known(stage, volume).seq) == ("disk", 0)
    code, _, err = maker("personalise", ada.party_id, "--as", "flash-card")
    assert code == FAILED
    assert "registered already" in err

    for each in (ticket_id, coupon_id):
        assert at_terminal("record", each) == [{"written": True}]
    stage.modify(ticket_id, "Row 5 seat 1")
    assert at_terminal("sync") == [{"written": True}]
    assert at_terminal("sync") == [{"written": False}]
    (tapped,) = at_terminal("show-card")
    assert [slot["right"] for slot in tapped["slots"]] == ["Row 5 seat 1", "One coffee"]

    till = desk("point_of_sale", Role.SHOP)
    bought = ("--receipt", "F1", "--amount-minor", 450, "--currency", "EUR")
    code, out, err = till("redeem", *bought)
    assert code == 0, err
    assert json.loads(out)["uses_left"] == 1
    assert at_terminal("unload", ticket_id) == [{"written": True}]
    require_agreed(stage, volume)

    volume.name = UUID_B  # The same files in another volume.
    code, _, err = till("redeem", *bought)
    assert code == FAILED
    assert "it is a copy (clone)" in err
    assert _one_sentence(err)
