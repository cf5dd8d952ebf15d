"""The story of `make demo`, on every commit; each step can be run alone."""

import json
import subprocess
import sys

import pytest

from tests.story import steps
from tests.story.telling import silently


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", sorted(steps.STEPS))
def test_the_story_holds_step_by_step(world, number):
    if number not in world.done:
        steps.run(world, number, silently)
    assert number in world.done


@pytest.mark.timeout(300)
def test_every_event_says_who_caused_it(world):
    steps.ensure(world, 4)
    ticket_id = world.notes["ticket"]
    history = world.operator.door.get(f"/v1/tickets/{ticket_id}/history")["events"]
    known = {str(person.party_id) for person in world.people.values()}
    known |= {str(machine.device_id) for machine in world.machines.values()}
    assert {line["by"] for line in history} <= known


@pytest.mark.timeout(300)
def test_views_are_the_same_after_they_are_rebuilt(world):
    steps.ensure(world, 4)
    ticket_id = world.notes["ticket"]
    paths = [f"/v1/tickets/{ticket_id}", f"/v1/tickets/{ticket_id}/owners"]
    door = world.operator.door
    before = [door.get(path, after=world.position()) for path in paths]
    rebuilt = world.server.ctl("projections", "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert [door.get(path, after=world.position()) for path in paths] == before
    status = world.server.ctl("projections", "status", "--json")
    told = [json.loads(line) for line in status.stdout.splitlines()]
    assert {"ownership", "freshness", "wallet"} <= {view["name"] for view in told}


@pytest.mark.pcsc
@pytest.mark.timeout(300)
def test_the_same_card_is_recorded_and_dispensed_through_a_real_pcsc_daemon(
    tmp_path,
):
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.story",
            "--step",
            "6",
            "--folder",
            tmp_path / "d",
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Dispensed" in said.stdout
    assert any((tmp_path / "d" / "dispenser" / "papers").glob("*.pdf"))
