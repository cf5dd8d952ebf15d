"""A ticket, its history and its owners, as they stood at a moment.

Planted and caught: the state of now told for then; one event too many or too few; who
may see a ticket asked of its owner then; a moment that a card or a purse passes over.
"""

import pytest

from ledger.usecases.accounts import E_MONEY
from ledger.vocabulary.codes import Role
from ledger.vocabulary.ids import account_id
from tests.api.callers import NOON
from tests.api.cards import personalised


@pytest.fixture
def given(callers):
    """Ada bought it, an hour later she gave it to Ben; the positions of both."""
    ticket_id = callers.ticket(callers.ada)
    bought = callers.its.ledger.position()
    bought_at = callers.its.clock.now()
    callers.its.clock.passes(hours=1)
    offers = f"/v1/tickets/{ticket_id}/gift-offers"
    offered = callers.ada.post(offers, to_party_id=str(callers.ben.party_id))
    accepted = callers.ben.post(
        f"{offers}/{offered.json['offer_id']}/acceptance",
        terms_hash=offered.json["terms_hash"],
    )
    assert accepted.status == 200
    return f"/v1/tickets/{ticket_id}", bought, bought_at, offered.position


def test_a_ticket_is_told_as_it_was(callers, given):
    path, bought, bought_at, offered = given
    then = callers.ben.get(f"{path}?as_of={bought}")
    assert then.status == 200, then.json
    assert then.json["owner_id"] == str(callers.ada.party_id)
    assert then.json["lock"] is None
    assert then.headers["ETag"] == f'"{then.json["version"]}"'
    between = callers.ben.get(f"{path}?as_of={offered}").json
    assert between["lock"]["kind"]
    now = callers.ben.get(path).json
    assert now["owner_id"] == str(callers.ben.party_id)
    assert now == callers.ben.get(f"{path}?as_of=now").json
    assert now == callers.ben.get(f"{path}?as_of={callers.its.ledger.position()}").json
    at = bought_at.isoformat().replace("+", "%2B")
    assert callers.ben.get(f"{path}?as_of={at}").json == then.json


def test_history_and_owners_are_told_up_to_a_moment(callers, given):
    path, bought, _, offered = given
    whole = callers.ben.get(f"{path}/history").json["events"]
    part = callers.ben.get(f"{path}/history?as_of={offered}").json["events"]
    assert part == [each for each in whole if each["position"] <= offered]
    assert len(whole) > len(part) > 0
    (owner,) = callers.ben.get(f"{path}/owners?as_of={bought}").json["owners"]
    assert (owner["owner_id"], owner["until"]) == (str(callers.ada.party_id), None)


def test_who_may_see_it_is_who_may_see_it_now(callers, given):
    path, bought, _, _ = given
    assert callers.ada.get(f"{path}?as_of={bought}").refusal == (404, "unknown")


@pytest.mark.parametrize(
    ("moment", "refusal"),
    [
        ("yesterday", (422, "malformed")),
        ("2026-11-22T12:00:00", (422, "malformed")),
        ("-1", (422, "malformed")),
        ("1000000", (404, "unknown")),
        ("1", (404, "unknown")),
        ("2020-01-01T00:00:00Z", (404, "unknown")),
    ],
)
def test_a_moment_that_makes_no_sense_is_refused(callers, given, moment, refusal):
    path = given[0]
    assert callers.ben.get(f"{path}?as_of={moment}").refusal == refusal


def test_a_card_a_machine_and_a_purse_are_told_as_they_were(callers):
    terminal = callers.device("terminal", Role.TERMINAL, by=callers.ada)
    card = personalised(callers, callers.ada)
    callers.rich(callers.ada)
    then = callers.its.ledger.position()
    purse = account_id(callers.ada.party_id, E_MONEY, "EUR")
    device, medium = f"/v1/devices/{terminal.device_id}", f"/v1/media/{card.uid.hex()}"
    paths = (device, medium, f"/v1/accounts/{purse}")
    before = [callers.ada.get(path) for path in paths]
    callers.its.clock.passes(hours=1)
    assert callers.operator.put(f"{device}/rights", offline=True).status == 200
    assert callers.ada.post(f"{medium}/loss").status == 201
    callers.rich(callers.ada)
    at = NOON.isoformat().replace("+", "%2B")
    for path, was in zip(paths, before, strict=True):
        now = callers.ada.get(path)
        assert now.json != was.json
        for moment in (str(then), at):
            told = callers.ada.get(f"{path}?as_of={moment}")
            assert (told.json, told.headers["ETag"]) == (was.json, was.headers["ETag"])
        assert callers.ada.get(f"{path}?as_of=now").json == now.json
        assert callers.ada.get(f"{path}?as_of=1").refusal == (404, "unknown")
        assert callers.ben.get(f"{path}?as_of={then}").refusal == (404, "unknown")
