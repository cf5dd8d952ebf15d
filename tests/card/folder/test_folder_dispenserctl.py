"""`dispenserctl present --medium folder:/path`: a flash card at a dispenser.

Planted and caught: --medium taken together with a reader.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.vocabulary.codes import Role
from tests.card.bridge.stage import Stage
from tests.card.bridge.test_cardctl import run
from tests.card.folder.desk import known, made, require_agreed
from tests.card.folder.test_folder_cardctl import volume
from tests.card.folder.volumes import Volume
from tests.dispenser.desk import ALWAYS, Desk
from tests.dispenser.theatre import ANSWER, DATE_OF_BIRTH

__all__ = ["run", "volume"]

DISPENSED, ERROR, REFUSED = 0, 1, 2


@pytest.fixture
def desk(stage: Stage, tmp_path: Path) -> Desk:
    """A dispenser of this ledger, with paper in it."""
    home = tmp_path / "dispenser"
    enrolled = Desk(cast("Any", SimpleNamespace(url=stage.url)), home, "", "")
    public = enrolled.run("enrol").stdout.strip()
    device = stage.callers.operator.post(
        "/v1/devices", kind="dispenser", public_key=public, label="Foyer"
    )
    device_id = device.json["device_id"]
    token = stage.callers.caller(Role.DISPENSER, device_id=device_id).token
    its = Desk(enrolled.theatre, home, device_id, token or "")
    assert its.run("stock", "--add", "5").returncode == 0
    return its


def test_a_flash_card_is_dispensed_from_once_and_asks_its_holder(
    stage: Stage, desk: Desk, volume: Volume, run: Any, tmp_path: Path
) -> None:
    ada = stage.callers.person(Role.BUYER)
    made(stage, ada, volume)
    ticket_id = stage.ticket_of(ada, **{**ALWAYS, "question": DATE_OF_BIRTH})
    code, _, err = run(
        *("--medium", f"folder:{volume.root}", "terminal", "record", ticket_id),
        token=ada.token,
        url=stage.url,
        home=tmp_path / "terminal",
    )
    assert code == 0, err
    medium = ("--medium", f"folder:{volume.root}")

    both = desk.run("present", desk.device_id, *medium, "--reader", "X")
    assert both.returncode == ERROR
    assert "not both" in both.stderr

    wrong = [part for _ in range(3) for part in ("--answer", "no")]
    said = desk.run("--json", "present", desk.device_id, *medium, *wrong)
    assert said.returncode == REFUSED, said.stderr
    assert '"name_mismatch"' in said.stdout

    for _ in range(2):
        said = desk.run(
            "--json", "present", desk.device_id, *medium, "--answer", ANSWER
        )
        if said.returncode == DISPENSED:
            papers = list((desk.home / "papers").iterdir())
            require_agreed(stage, volume)
    assert said.returncode == REFUSED, said.stderr
    assert '"already_dispensed"' in said.stdout
    assert {path.suffix for path in papers} == {".pdf", ".escpos"}
    assert known(stage, volume).slots[0].status == 2
